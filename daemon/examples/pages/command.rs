//! The page of a command: its flags as `clap` knows them, with what [`Notes`] add.
//!
//! The pages of galmorph-fleet and galmorph-page are made by this, too.

use clap::{Arg, ArgAction, Command};
use roff::{Inline, bold, italic, roman};

use crate::Result;
use crate::page::{Page, literal_and_place};

/// What is added to the page of one command.
pub(crate) struct Notes {
    /// Paragraphs.
    pub(crate) description: &'static [&'static str],
    /// When the exit status is 1, if it ever is.
    pub(crate) some_rejected: Option<&'static str>,
    /// What a user wants to do, and the lines that do it.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    pub(crate) files: &'static [Named],
    pub(crate) environment: &'static [Named],
    /// Other pages, the command's own included.
    pub(crate) see_also: &'static [(&'static str, u8)],
}

/// A file or a variable.
#[derive(Clone, Copy)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
}

/// Exit codes and their meanings; what 1 means is each command's own.
pub(crate) type ExitStatus = [(&'static str, &'static str)];

/// In a synopsis: a space at which no line ends.
const TIE: &str = "\u{a0}";

/// The page of `command`, which is `program` itself or one of its commands.
pub(crate) fn page(
    program: &Command,
    command: &Command,
    (notes, exit_status): (&Notes, &ExitStatus),
    date: &str,
) -> Result<Page> {
    let is_program = command.get_name() == program.get_name();
    let (program_name, command_name) = (program.get_name(), command.get_name());
    let (name, called) = if is_program {
        (program_name.to_owned(), program_name.to_owned())
    } else {
        (
            format!("{program_name}-{command_name}"),
            format!("{program_name} {command_name}"),
        )
    };
    let about = command.get_about().map(ToString::to_string);
    let about = about.ok_or_else(|| format!("{name} does not say what it is about"))?;
    let mut page = Page::new(&name, 1, &lower_first(&about), date);
    let has_commands = is_program && program.get_subcommands().next().is_some();
    page.section("SYNOPSIS");
    if has_commands {
        let words = [
            vec![roman("["), italic("OPTION"), roman("]...")],
            vec![italic("COMMAND")],
            vec![roman("["), italic("ARGUMENT"), roman("]...")],
        ];
        page.synopsis(&called, &words);
    } else {
        page.synopsis(&called, &synopsis(command));
    }
    page.section("DESCRIPTION");
    for paragraph in notes.description {
        page.paragraph(paragraph);
    }
    if has_commands {
        page.section("COMMANDS");
        for subcommand in program.get_subcommands() {
            let about = subcommand.get_about().map(ToString::to_string);
            let name = format!("{program_name}-{}", subcommand.get_name());
            page.item(
                vec![bold(name), roman("(1)")],
                &sentence(&about.unwrap_or_default()),
            );
        }
    }
    options(&mut page, command);
    rest(&mut page, &name, notes, exit_status);
    Ok(page)
}

/// What comes after the options.
fn rest(page: &mut Page, name: &str, notes: &Notes, exit_status: &ExitStatus) {
    page.section("EXIT STATUS");
    for &(code, meaning) in exit_status {
        match (code, notes.some_rejected) {
            ("1", Some(rejected)) => page.item(vec![bold(code)], rejected),
            ("1", None) => continue,
            _ => page.item(vec![bold(code)], meaning),
        };
    }
    page.section("EXAMPLES");
    for (says, lines) in notes.examples {
        page.paragraph(says).example(lines);
    }
    page.section("FILES");
    for file in notes.files {
        page.item(vec![bold(file.name)], file.meaning);
    }
    page.section("ENVIRONMENT");
    for variable in notes.environment {
        page.item(vec![bold(variable.name)], variable.meaning);
    }
    let others: Vec<(&str, u8)> = notes
        .see_also
        .iter()
        .copied()
        .filter(|(other, _)| *other != name)
        .collect();
    page.see_also(&others);
}

/// A command's arguments, one after the other: options, those of all commands, and what has no name.
fn synopsis(command: &Command) -> Vec<Vec<Inline>> {
    let (common, own): (Vec<&Arg>, Vec<&Arg>) = command
        .get_opts()
        .chain(flags(command))
        .filter(|option| !is_help(option))
        .partition(|option| option.is_global_set());
    let options = own.into_iter().chain(common).map(option_in_synopsis);
    let places = command.get_positionals().map(|argument| {
        let mut words = vec![italic(place(argument))];
        if !argument.is_required_set() {
            words.insert(0, roman("["));
            words.push(roman("]"));
        }
        if takes_several(argument) {
            words.push(roman("..."));
        }
        words
    });
    options.chain(places).collect()
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|argument| !argument.is_positional() && !argument.get_action().takes_values())
}

fn option_in_synopsis(option: &Arg) -> Vec<Inline> {
    let mut words = match (option.get_long(), option.get_short()) {
        (_, Some(short)) => vec![bold(format!("-{short}"))],
        (Some(long), None) => vec![bold(format!("--{long}"))],
        (None, None) => Vec::new(),
    };
    if option.get_action().takes_values() {
        words.extend([roman(TIE), italic(place(option))]);
        if option.get_value_delimiter().is_some() {
            words.push(roman(",..."));
        }
    }
    if !option.is_required_set() {
        words.insert(0, roman("["));
        words.push(roman("]"));
    }
    if takes_several(option) && option.get_value_delimiter().is_none() {
        words.push(roman("..."));
    }
    words
}

/// The sections that say what each argument does.
fn options(page: &mut Page, command: &Command) {
    let mut positionals = command.get_positionals().peekable();
    if positionals.peek().is_some() {
        page.section("ARGUMENTS");
    }
    for argument in positionals {
        page.item(vec![italic(place(argument))], &sentence(&help(argument)));
    }
    page.section("OPTIONS");
    let options = command
        .get_arguments()
        .filter(|argument| !argument.is_positional());
    for option in options {
        let mut term = Vec::new();
        if let Some(short) = option.get_short() {
            term.extend([bold(format!("-{short}")), roman(", ")]);
        }
        let long = format!("--{}", option.get_long().unwrap_or_default());
        if option.get_action().takes_values() {
            term.extend(literal_and_place(&long, &place(option)));
        } else {
            term.push(bold(long));
        }
        page.item(term, &sentence(&help(option)));
        if !option.get_action().takes_values() {
            continue;
        }
        let values = option.get_possible_values();
        let choices: Vec<(&str, String)> = values
            .iter()
            .map(|value| {
                let help = value.get_help().map(ToString::to_string);
                (value.get_name(), sentence(&help.unwrap_or_default()))
            })
            .collect();
        page.choices(&choices);
        let default = option.get_default_values().first();
        if let Some(default) = default.filter(|default| !default.is_empty()) {
            page.more(&format!("Default: `{}`.", default.to_string_lossy()));
        }
    }
}

/// The name that stands for a value.
fn place(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    match names.first() {
        Some(name) => name.to_string(),
        None => argument.get_id().to_string().to_uppercase(),
    }
}

fn help(argument: &Arg) -> String {
    // Its own words differ with what the other flags have to say.
    if matches!(argument.get_action(), ArgAction::Help) {
        return "Print help".to_owned();
    }
    let help = argument.get_long_help().or_else(|| argument.get_help());
    help.map(ToString::to_string).unwrap_or_default()
}

fn is_help(option: &Arg) -> bool {
    matches!(
        option.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    )
}

fn takes_several(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append | ArgAction::Count)
}

/// With its full stop, which the lines of `--help` are without.
fn sentence(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text if text.ends_with(['.', ':', ')']) && !text.ends_with("...") => text.to_owned(),
        text => format!("{text}."),
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}

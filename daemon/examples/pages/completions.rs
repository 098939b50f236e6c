//! The shells' completions, with the values that arguments take.
//!
//! The name that stands for a value (`FILE`, `DIR`) says which those are; one that is not known here is
//! a number or a text of the user's own, for which no file names are offered.

use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, ValueHint};
use clap_complete::Shell;

use crate::Result;

/// Writes the completions for each shell.
pub(crate) fn write(program: Command, folder: &Path) -> Result<()> {
    let name = program.get_name().to_owned();
    let mut program = with_values(program);
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut program, &name, folder)?;
    }
    Ok(())
}

/// A command whose arguments know their values.
fn with_values(command: Command) -> Command {
    command.mut_args(with_value).mut_subcommands(with_values)
}

fn with_value(argument: Arg) -> Arg {
    let takes_values = argument.get_action().takes_values();
    let has_values = !argument.get_possible_values().is_empty();
    if !takes_values || has_values {
        return argument;
    }
    let names = argument.get_value_names().unwrap_or_default();
    let name = names.first().map(ToString::to_string).unwrap_or_default();
    match name.as_str() {
        "FILE" | "OUT" => argument.value_hint(ValueHint::FilePath),
        "DIR" | "FOLDER" | "PLAN" | "ROOT" => argument.value_hint(ValueHint::DirPath),
        "PATH" | "SOURCE" => argument.value_hint(ValueHint::AnyPath),
        // Or a confidence, which no shell can guess.
        "WHEN" => argument.value_parser(PossibleValuesParser::new(["never", "settled"])),
        _ => argument.value_hint(ValueHint::Other),
    }
}

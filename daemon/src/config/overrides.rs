//! The flags that override settings, made from the table of settings.
//!
//! A flag is declared in the setting's entry and nowhere else: its name, its help, the values that a shell
//! offers, and its way into [`Config`] follow. Its value goes through the same checks as the file's.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};

use super::table::{Setting, one_line};
use super::value::{Given, Shape};
use super::{Config, SETTINGS};

/// A flag that overrides a setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    /// As the help shows it: `--workers COUNT`; a switch has no value.
    usage: &'static str,
    /// The last of the commands that have it.
    reach: u8,
}

/// Commands by how few of the flags they have. Each has those of the ones after it.
const WATCH: u8 = 0;
const CLASSIFY: u8 = 1;
const VIEWS: u8 = 2;

/// A flag of `galmorph watch` and `galmorph check`.
pub(super) const fn flag(usage: &'static str) -> Flag {
    let reach = WATCH;
    Flag { usage, reach }
}

/// A flag that `galmorph classify` has as well.
pub(super) const fn model_flag(usage: &'static str) -> Flag {
    let reach = CLASSIFY;
    Flag { usage, reach }
}

/// A flag that `galmorph classify` and `galmorph views` have as well.
pub(super) const fn image_flag(usage: &'static str) -> Flag {
    let reach = VIEWS;
    Flag { usage, reach }
}

impl Flag {
    /// Its name, and what stands for its value in the help.
    fn parts(self) -> (&'static str, Option<&'static str>) {
        match self.usage.split_once(' ') {
            Some((name, value)) => (name, Some(value)),
            None => (self.usage, None),
        }
    }
}

/// What was given on the command line of `COMMAND` in place of settings.
#[derive(Debug, Clone)]
pub(crate) struct Overrides<const COMMAND: u8>(Vec<Override>);

/// Every setting that has a flag.
pub(crate) type WatchOverrides = Overrides<WATCH>;
/// The settings that say which model is run, and how, and how images are shown.
pub(crate) type ModelOverrides = Overrides<CLASSIFY>;
/// The settings that say how images are shown.
pub(crate) type ImageOverrides = Overrides<VIEWS>;

/// One setting, as it was given on the command line.
#[derive(Debug, Clone)]
struct Override {
    setting: &'static str,
    flag: &'static str,
    given: Given,
}

impl<const COMMAND: u8> Overrides<COMMAND> {
    /// Sets what was given. Faults are added to `faults`, a line each.
    pub(crate) fn apply(&self, config: &mut Config, faults: &mut Vec<String>) {
        for Override {
            setting,
            flag,
            given,
        } in &self.0
        {
            if let Err(fault) = config.set(setting, given.clone()) {
                faults.push(one_line(&format!("{flag}: {fault}")));
            }
        }
    }

    fn flags() -> impl Iterator<Item = (&'static Setting, Flag)> {
        let with_flag = |setting: &'static Setting| Some((setting, setting.flag?));
        SETTINGS
            .iter()
            .filter_map(with_flag)
            .filter(|(_, flag)| flag.reach >= COMMAND)
    }
}

impl<const COMMAND: u8> Args for Overrides<COMMAND> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::flags().map(|(setting, flag)| argument(setting, flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const COMMAND: u8> FromArgMatches for Overrides<COMMAND> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = Self::flags().filter_map(|(setting, flag)| {
            Some(Override {
                setting: setting.name,
                flag: flag.parts().0,
                given: given(setting, matches)?,
            })
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag as clap knows it.
fn argument(setting: &Setting, flag: Flag) -> Arg {
    let (name, value) = flag.parts();
    let argument = Arg::new(setting.name)
        .long(name.trim_start_matches('-'))
        .help(setting.meaning());
    let argument = match value {
        Some(value) => argument.value_name(value),
        None => argument,
    };
    match setting.shape {
        Shape::Switch => argument.action(ArgAction::SetTrue),
        Shape::Number | Shape::Text => argument.value_hint(ValueHint::Other),
        Shape::Path => argument
            .value_hint(ValueHint::FilePath)
            .value_parser(value_parser!(PathBuf)),
        Shape::OneOf(names) => argument.value_parser(PossibleValuesParser::new(names())),
        Shape::NameOrNumber(names) => argument
            .value_parser(Suggestions(names))
            .hide_possible_values(true),
        Shape::List(_) => argument
            .value_hint(ValueHint::Other)
            .action(ArgAction::Append)
            .value_delimiter(','),
    }
}

/// What the command line says of a setting; `None` when it says nothing.
fn given(setting: &Setting, matches: &ArgMatches) -> Option<Given> {
    let name = setting.name;
    let text = || matches.get_one::<String>(name);
    let value = match setting.shape {
        Shape::Switch => matches.get_flag(name).then_some(true)?.into(),
        Shape::Path => return matches.get_one(name).cloned().map(Given::Path),
        Shape::List(item) => {
            let texts = matches.get_many::<String>(name)?;
            texts.map(|text| item.toml(text)).collect::<Vec<_>>().into()
        }
        shape => shape.toml(text()?),
    };
    Some(Given::Toml(value))
}

/// Takes any text; a shell offers some names.
#[derive(Debug, Clone)]
struct Suggestions(&'static [&'static str]);

impl TypedValueParser for Suggestions {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

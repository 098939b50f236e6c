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
    /// Whether it belongs to the model, so that `galmorph classify` has it too.
    of_model: bool,
}

/// A flag of `galmorph watch` and `galmorph check`.
pub(super) const fn flag(usage: &'static str) -> Flag {
    let of_model = false;
    Flag { usage, of_model }
}

/// A flag that `galmorph classify` has as well.
pub(super) const fn model_flag(usage: &'static str) -> Flag {
    let of_model = true;
    Flag { usage, of_model }
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

/// What was given on the command line in place of settings: of all that have a flag, or only of those
/// that belong to the model.
#[derive(Debug, Clone)]
pub(crate) struct Overrides<const MODEL_ONLY: bool>(Vec<Override>);

/// Every setting that has a flag.
pub(crate) type WatchOverrides = Overrides<false>;
/// The settings that say which model is run, and how.
pub(crate) type ModelOverrides = Overrides<true>;

/// One setting, as it was given on the command line.
#[derive(Debug, Clone)]
struct Override {
    setting: &'static str,
    flag: &'static str,
    given: Given,
}

impl<const MODEL_ONLY: bool> Overrides<MODEL_ONLY> {
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
            .filter(|(_, flag)| flag.of_model || !MODEL_ONLY)
    }
}

impl<const MODEL_ONLY: bool> Args for Overrides<MODEL_ONLY> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::flags().map(|(setting, flag)| argument(setting, flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const MODEL_ONLY: bool> FromArgMatches for Overrides<MODEL_ONLY> {
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

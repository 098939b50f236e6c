//! What the table of settings becomes: the struct [`Config`] that holds them, the list that
//! documents them, and the code that sets one by its name.

use std::fs;
use std::path::Path;

use super::overrides::Flag;
use super::value::{Given, Shape};
use super::{Config, SETTINGS};
use galmorph_output::readable;

/// What is known of a setting besides its value.
pub(crate) struct Setting {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// What it means, as it stands in the table.
    pub(super) text: &'static str,
    /// How its value is written.
    pub(super) shape: Shape,
    /// The flag that overrides it; `None` when there is none.
    pub(super) flag: Option<Flag>,
}

macro_rules! settings {
    ($($(#[doc = $text:literal])+ $name:ident: $kind:ty = $default:expr, $check:expr $(, $flag:expr)?;)+) => {
        /// What was read of the settings: from a file, from flags, or their defaults.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct Config {
            $($(#[doc = $text])+ pub(crate) $name: $kind,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// Every setting, in the order of the documentation.
        pub(crate) const SETTINGS: &[$crate::config::table::Setting] = &[$(
            $crate::config::table::Setting {
                name: stringify!($name),
                text: concat!($($text),+),
                shape: <$kind as $crate::config::value::SettingValue>::SHAPE,
                flag: $crate::config::table::optional!($($flag)?),
            },
        )+];

        impl Config {
            /// Sets one setting by its name. The fault is one line, without the name.
            fn set(
                &mut self,
                name: &str,
                given: $crate::config::value::Given,
            ) -> Result<(), String> {
                match name {
                    $(stringify!($name) => {
                        let value =
                            <$kind as $crate::config::value::SettingValue>::from_given(given)?;
                        $check(&value)?;
                        self.$name = value;
                        Ok(())
                    })+
                    _ => Err($crate::config::table::unknown(name)),
                }
            }
        }
    };
}

macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub(super) use {optional, settings};

impl Setting {
    /// What it means, in one line without a full stop at its end.
    pub(crate) fn meaning(&self) -> &'static str {
        self.text.trim().trim_end_matches('.')
    }
}

impl Config {
    /// Reads a configuration file. The faults are one line each.
    pub(crate) fn read(path: &Path) -> Result<Self, Vec<String>> {
        let file = readable(path);
        let text = fs::read_to_string(path)
            .map_err(|error| vec![format!("cannot read configuration '{file}': {error}")])?;
        Self::parse(&text).map_err(|faults| {
            let name = |fault: String| format!("configuration '{file}': {fault}");
            faults.into_iter().map(name).collect()
        })
    }

    /// Reads a configuration. The faults are one line each, and all of them are found in one go: an
    /// operator who corrects a file wants to correct it once.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table =
            toml::from_str(text).map_err(|error| vec![syntax_fault(text, &error)])?;
        let mut config = Self::default();
        let mut faults = Vec::new();
        for (name, value) in table {
            if let Err(fault) = config.set(&name, Given::Toml(value)) {
                faults.push(one_line(&format!("{name}: {fault}")));
            }
        }
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(faults)
        }
    }
}

pub(super) fn unknown(name: &str) -> String {
    let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    nearest(name, names.iter().copied()).map_or_else(
        || format!("unknown setting (one of {})", names.join(", ")),
        |nearest| format!("unknown setting (did you mean {nearest}?)"),
    )
}

/// The name that was probably meant; `None` when no name is like it.
fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// How alike two names must be, from 0 to 1. clap asks for as much before it suggests a flag.
    const ALIKE: f64 = 0.7;
    let likeness = |name: &'a str| (strsim::jaro(wrong, name), name);
    let alike = names
        .map(likeness)
        .filter(|(likeness, _)| *likeness > ALIKE);
    alike
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

fn syntax_fault(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let message = one_line(&error.message());
    match before {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

pub(super) fn one_line(fault: &impl ToString) -> String {
    fault.to_string().trim().replace(['\n', '\r'], ", ")
}

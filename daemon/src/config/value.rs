//! The types that a setting can have: how a value in the file or the text of a flag becomes one, and what
//! is said of one that doesn't.

use std::path::PathBuf;

use galmorph_cutout::{EarlyStop, Stretch, UnknownStretch};
use galmorph_inference::Precision;
use toml::Value;

use galmorph_output::Endpoint;

/// The longest text that a fault repeats, in characters.
const LONGEST_SHOWN: usize = 60;

/// How a value is written, on the command line and in the file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A flag without a value; true or false in the file.
    Switch,
    /// A number.
    Number,
    /// Text.
    Text,
    /// The path of a file.
    Path,
    /// One of these names.
    OneOf(fn() -> Vec<&'static str>),
    /// One of these names, or a number.
    NameOrNumber(&'static [&'static str]),
    /// Values of one shape, separated by commas; a list in the file.
    List(&'static Self),
}

/// A value as it was given.
#[derive(Debug, Clone)]
pub(super) enum Given {
    /// In the file, or the text of a flag as the file would have it.
    Toml(Value),
    /// A path on the command line, which need not be UTF-8.
    Path(PathBuf),
}

impl Shape {
    /// The text of a flag as the file would have it. Text that should be a number and isn't stays text, so
    /// that the fault is the same as in the file.
    pub(super) fn toml(self, text: &str) -> Value {
        match self {
            Self::Number | Self::NameOrNumber(_) => {
                let whole = text.parse().map(Value::Integer);
                whole
                    .or_else(|_| text.parse().map(Value::Float))
                    .unwrap_or_else(|_| text.into())
            }
            _ => text.into(),
        }
    }
}

/// A type that a setting can have. A fault is one line, without the setting's name.
pub(super) trait SettingValue: Sized {
    /// How a value is written.
    const SHAPE: Shape;

    /// The value of a setting in the file.
    fn from_toml(value: Value) -> Result<Self, String>;

    /// The value of a setting, however it was given.
    fn from_given(given: Given) -> Result<Self, String> {
        match given {
            Given::Toml(value) => Self::from_toml(value),
            Given::Path(_) => unreachable!("only a setting of the shape Path is given a path"),
        }
    }
}

/// A type that lists of settings can be of.
pub(super) trait Item: SettingValue {
    /// What several are, in words.
    const PLURAL: &str;
}

/// A type with a few values, each with a name.
pub(super) trait Choice: Copy + 'static {
    /// Every value, in the order of the documentation.
    const ALL: &[Self];

    /// Its name in the file and on the command line.
    fn name(self) -> &'static str;

    /// The names of all.
    fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|choice| choice.name()).collect()
    }
}

/// What is said of a value that is something else than it should be.
pub(super) fn not(value: &Value, what: &str) -> String {
    let shown = match value {
        Value::String(text) if text.chars().count() > LONGEST_SHOWN => {
            let begin: String = text.chars().take(LONGEST_SHOWN).collect();
            format!("{begin:?}...")
        }
        // Quoted and escaped, so that it stays one line.
        Value::String(text) => format!("{text:?}"),
        Value::Array(_) => "a list".into(),
        Value::Table(_) => "a table".into(),
        plain => plain.to_string(),
    };
    format!("{shown} is not {what}")
}

impl SettingValue for bool {
    const SHAPE: Shape = Shape::Switch;

    fn from_toml(value: Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| not(&value, "true or false"))
    }
}

macro_rules! whole_numbers {
    ($($kind:ty)+) => {$(
        impl SettingValue for $kind {
            const SHAPE: Shape = Shape::Number;

            fn from_toml(value: Value) -> Result<Self, String> {
                let number = value
                    .as_integer()
                    .ok_or_else(|| not(&value, "a whole number"))?;
                Self::try_from(number).map_err(|_| {
                    let fault = if number < 0 { "negative" } else { "too large" };
                    format!("{number} is {fault}")
                })
            }
        }
    )+};
}

whole_numbers!(u32 u64 usize);

impl SettingValue for f64 {
    const SHAPE: Shape = Shape::Number;

    fn from_toml(value: Value) -> Result<Self, String> {
        match value {
            Value::Float(number) => Ok(number),
            Value::Integer(number) => Ok(number as Self),
            other => Err(not(&other, "a number")),
        }
    }
}

impl SettingValue for String {
    const SHAPE: Shape = Shape::Text;

    fn from_toml(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(not(&other, "text in quotes")),
        }
    }
}

impl SettingValue for PathBuf {
    const SHAPE: Shape = Shape::Path;

    fn from_toml(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(text.into()),
            other => Err(not(&other, "a path in quotes")),
        }
    }

    fn from_given(given: Given) -> Result<Self, String> {
        match given {
            Given::Toml(value) => Self::from_toml(value),
            Given::Path(path) => Ok(path),
        }
    }
}

/// A setting that can be left out.
impl<T: SettingValue> SettingValue for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn from_toml(value: Value) -> Result<Self, String> {
        T::from_toml(value).map(Some)
    }

    fn from_given(given: Given) -> Result<Self, String> {
        T::from_given(given).map(Some)
    }
}

impl<T: Item> SettingValue for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    fn from_toml(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items.into_iter().map(T::from_toml).collect(),
            other => Err(not(&other, &format!("a list of {}", T::PLURAL))),
        }
    }
}

impl Item for u32 {
    const PLURAL: &str = "whole numbers";
}

impl Item for String {
    const PLURAL: &str = "texts in quotes";
}

impl<T: Choice> SettingValue for T {
    const SHAPE: Shape = Shape::OneOf(T::names);

    fn from_toml(value: Value) -> Result<Self, String> {
        let named = |name: &str| T::ALL.iter().find(|choice| choice.name() == name);
        value
            .as_str()
            .and_then(named)
            .copied()
            .ok_or_else(|| not(&value, &format!("one of {}", T::names().join(", "))))
    }
}

impl Choice for Precision {
    const ALL: &[Self] = &Precision::ALL;

    fn name(self) -> &'static str {
        Precision::name(self)
    }
}

impl SettingValue for EarlyStop {
    const SHAPE: Shape = Shape::NameOrNumber(&["never", "settled"]);

    fn from_toml(value: Value) -> Result<Self, String> {
        let what = r#""never", "settled", or a confidence above 0.5 and below 1"#;
        value.clone().try_into().map_err(|_| not(&value, what))
    }
}

impl SettingValue for Stretch {
    const SHAPE: Shape = Shape::NameOrNumber(&Self::NAMES);

    fn from_toml(value: Value) -> Result<Self, String> {
        let text = value.as_str();
        let text = text.ok_or_else(|| not(&value, "a stretch in quotes"))?;
        text.parse()
            .map_err(|fault: UnknownStretch| fault.to_string())
    }
}

impl SettingValue for Endpoint {
    const SHAPE: Shape = Shape::Text;

    fn from_toml(value: Value) -> Result<Self, String> {
        String::from_toml(value)?.parse()
    }
}

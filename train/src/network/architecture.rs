//! Which network, as text: on the command line, in a checkpoint and in a model card.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Listed, Network};

/// A network and its hyperparameters, written as `zhu2019 k=0.25 N=2 drop=0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Architecture(Listed);

/// What a network's file defines. [`Default`] gives its default hyperparameters.
pub(super) trait Describe {
    /// The name in the text.
    fn name(&self) -> &'static str;

    /// The hyperparameters that the text may set, in the order in which they are written.
    fn hyperparameters(&mut self) -> Vec<Hyperparameter<'_>>;

    /// The network, layer by layer.
    fn describe(&self) -> Network;
}

/// Lists the networks, each as `file::Type`. Declares the files' modules, and makes an enum of the types.
macro_rules! networks {
    ($($module:ident :: $network:ident),+ $(,)?) => {
        $(mod $module;)+

        /// Any of the networks.
        #[derive(Debug, Clone, Copy, PartialEq)]
        enum Listed {
            $($network($module::$network),)+
        }

        impl Listed {
            /// Each network with its default hyperparameters.
            fn all() -> Vec<Self> {
                vec![$(Self::$network(Default::default())),+]
            }

            fn get(&self) -> &dyn architecture::Describe {
                match self {
                    $(Self::$network(network) => network,)+
                }
            }

            fn get_mut(&mut self) -> &mut dyn architecture::Describe {
                match self {
                    $(Self::$network(network) => network,)+
                }
            }
        }
    };
}
pub(super) use networks;

impl Architecture {
    /// Each network with its default hyperparameters, in the order of the list.
    pub fn all() -> impl Iterator<Item = Self> {
        Listed::all().into_iter().map(Self)
    }

    /// The network's name, without hyperparameters.
    pub fn name(&self) -> &'static str {
        self.0.get().name()
    }

    /// Describes the network.
    pub fn describe(&self) -> Network {
        self.0.get().describe()
    }
}

/// A number that `key=value` may set.
pub(super) struct Hyperparameter<'a> {
    key: &'static str,
    value: Value<'a>,
}

/// The number, and the range that it must lie in.
enum Value<'a> {
    Real(&'a mut f64, (Bound<f64>, Bound<f64>)),
    Whole(&'a mut usize, (Bound<usize>, Bound<usize>)),
}

impl<'a> Hyperparameter<'a> {
    /// A real number.
    pub(super) fn real(
        key: &'static str,
        value: &'a mut f64,
        allowed: impl RangeBounds<f64>,
    ) -> Self {
        let allowed = (allowed.start_bound().cloned(), allowed.end_bound().cloned());
        let value = Value::Real(value, allowed);
        Self { key, value }
    }

    /// A whole number.
    pub(super) fn whole(
        key: &'static str,
        value: &'a mut usize,
        allowed: impl RangeBounds<usize>,
    ) -> Self {
        let allowed = (allowed.start_bound().cloned(), allowed.end_bound().cloned());
        let value = Value::Whole(value, allowed);
        Self { key, value }
    }

    /// The probability to *drop* a value in training.
    pub(super) fn drop_probability(value: &'a mut f64) -> Self {
        Self::real("drop", value, 0.0..1.0)
    }

    fn set(&mut self, text: &str) -> Result<(), ArchitectureError> {
        fn parsed<T: FromStr + PartialOrd>(text: &str, allowed: &impl RangeBounds<T>) -> Option<T> {
            text.parse().ok().filter(|value| allowed.contains(value))
        }
        let done = match &mut self.value {
            Value::Real(value, allowed) => parsed(text, allowed).map(|new| **value = new),
            Value::Whole(value, allowed) => parsed(text, allowed).map(|new| **value = new),
        };
        done.ok_or_else(|| ArchitectureError::BadValue {
            key: self.key,
            value: text.to_owned(),
        })
    }
}

impl fmt::Display for Hyperparameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Real(value, _) => write!(f, "{}={value}", self.key),
            Value::Whole(value, _) => write!(f, "{}={value}", self.key),
        }
    }
}

/// What is wrong with the text of an [`Architecture`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// The first word is the name of no network.
    #[error("unknown network '{0}' (one of {names})", names = names())]
    UnknownNetwork(String),
    /// A later word has no equals sign.
    #[error("'{0}' is not of the form key=value")]
    NotKeyValue(String),
    /// The value is no number, or is out of range.
    #[error("{key} can't be '{value}'")]
    BadValue {
        /// The hyperparameter.
        key: &'static str,
        /// The text of the value.
        value: String,
    },
    /// The network has no hyperparameter of this name.
    #[error("{network} has {}", missing(.key, .known))]
    UnknownKey {
        /// The network.
        network: &'static str,
        /// The name.
        key: String,
        /// The hyperparameters that it has.
        known: Vec<&'static str>,
    },
}

fn names() -> String {
    let names: Vec<&str> = Architecture::all().map(|network| network.name()).collect();
    names.join(", ")
}

fn missing(key: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("no parameters, and so no '{key}'");
    }
    format!("no parameter '{key}' ({})", known.join(", "))
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let mut copy = self.0;
        for hyperparameter in copy.get_mut().hyperparameters() {
            write!(f, " {hyperparameter}")?;
        }
        Ok(())
    }
}

impl FromStr for Architecture {
    type Err = ArchitectureError;

    /// Reads a name and any number of `key=value`. If a key is given twice, the last value counts.
    fn from_str(text: &str) -> Result<Self, ArchitectureError> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or("");
        let mut architecture = Self::all()
            .find(|network| network.name() == name)
            .ok_or_else(|| ArchitectureError::UnknownNetwork(name.to_owned()))?;
        let network = architecture.name();
        let mut hyperparameters = architecture.0.get_mut().hyperparameters();
        for word in words {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| ArchitectureError::NotKeyValue(word.to_owned()))?;
            let known = hyperparameters.iter().map(|known| known.key).collect();
            hyperparameters
                .iter_mut()
                .find(|known| known.key == key)
                .ok_or_else(|| ArchitectureError::UnknownKey {
                    network,
                    key: key.to_owned(),
                    known,
                })?
                .set(value)?;
        }
        Ok(architecture)
    }
}

impl From<Architecture> for String {
    fn from(architecture: Architecture) -> Self {
        architecture.to_string()
    }
}

impl TryFrom<String> for Architecture {
    type Error = ArchitectureError;

    fn try_from(text: String) -> Result<Self, ArchitectureError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_reads_back_as_it_was_written() {
        for text in [
            "zhu2019 k=2 N=2 drop=0",
            "zhu2019 k=0.25 N=3 drop=0.2",
            "plain7 drop=0.3",
            "alexnet drop=0.25",
            "resnet50-v2",
            "vgg16 drop=0",
            "inception-v3 drop=0.1",
            "dieleman drop=0.6",
            "basic-resnet side=96 width=32 n1=1 n2=2 n3=2",
        ] {
            let architecture: Architecture = text.parse().unwrap();
            assert_eq!(architecture.to_string(), text);
        }
        for architecture in Architecture::all() {
            let text = architecture.to_string();
            assert_eq!(text.parse(), Ok(architecture));
            assert_eq!(architecture.name().parse(), Ok(architecture));
        }
    }

    #[test]
    fn the_defaults_never_change_since_cards_and_command_lines_rest_on_them() {
        let written: Vec<String> = Architecture::all()
            .map(|network| network.to_string())
            .collect();
        for expected in [
            "zhu2019 k=2 N=2 drop=0",
            "plain7 drop=0.5",
            "alexnet drop=0.5",
            "resnet50-v2",
            "vgg16 drop=0.5",
            "inception-v3 drop=0.2",
            "dieleman drop=0.5",
            "basic-resnet side=128 width=64 n1=1 n2=3 n3=1",
        ] {
            assert!(written.iter().any(|text| text == expected), "{expected}");
        }
    }

    #[test]
    fn what_is_wrong_with_it_is_named() {
        let fault = |text: &str| text.parse::<Architecture>().unwrap_err().to_string();
        assert!(fault("resnet").contains("unknown network 'resnet' (one of zhu2019, plain7"));
        assert!(fault("").contains("unknown network ''"));
        assert!(fault("zhu2019 k").contains("key=value"));
        assert!(fault("zhu2019 k=x").contains("k can't be 'x'"));
        assert!(fault("zhu2019 k=-1").contains("k can't be '-1'"));
        assert!(fault("zhu2019 k=NaN").contains("k can't be 'NaN'"));
        assert!(fault("zhu2019 k=0.5 k=x k=1").contains("k can't be 'x'"));
        assert!(fault("zhu2019 depth=3").contains("no parameter 'depth' (k, N, drop)"));
        assert!(fault("zhu2019 drop=1").contains("drop can't be '1'"));
        assert!(fault("resnet50-v2 k=2").contains("resnet50-v2 has no parameters"));
        assert!(fault("plain7 k=2").contains("plain7 has no parameter 'k' (drop)"));
    }
}

//! Which network, as it is written on a command line, in a checkpoint and in a model card.

use std::fmt;
use std::ops::RangeBounds;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{AlexNet, Dieleman, InceptionV3, Network, Plain7, ResNet50V2, Vgg16, Zhu2019};

/// A network and its parameters, written as `zhu2019 k=0.25 N=2 drop=0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Architecture {
    /// The paper's residual network.
    Zhu2019(Zhu2019),
    /// The network whose filters the paper shows.
    Plain7(Plain7),
    /// Krizhevsky et al. 2012.
    AlexNet(AlexNet),
    /// He et al. 2016b.
    ResNet50V2(ResNet50V2),
    /// Simonyan & Zisserman 2014.
    Vgg16(Vgg16),
    /// Szegedy et al. 2016.
    InceptionV3(InceptionV3),
    /// Dieleman et al. 2015.
    Dieleman(Dieleman),
}

impl Architecture {
    /// The names of all networks.
    pub const NAMES: [&str; 7] = [
        "zhu2019",
        "plain7",
        "alexnet",
        "resnet50-v2",
        "vgg16",
        "inception-v3",
        "dieleman",
    ];

    /// Describes the network.
    pub fn describe(&self) -> Network {
        match self {
            Self::Zhu2019(parameters) => parameters.describe(),
            Self::Plain7(parameters) => parameters.describe(),
            Self::AlexNet(parameters) => parameters.describe(),
            Self::ResNet50V2(parameters) => parameters.describe(),
            Self::Vgg16(parameters) => parameters.describe(),
            Self::InceptionV3(parameters) => parameters.describe(),
            Self::Dieleman(parameters) => parameters.describe(),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zhu2019(Zhu2019 {
                widening,
                units,
                drop_probability,
            }) => write!(f, "zhu2019 k={widening} N={units} drop={drop_probability}"),
            Self::Plain7(Plain7 { drop_probability }) => {
                write!(f, "plain7 drop={drop_probability}")
            }
            Self::AlexNet(AlexNet { drop_probability }) => {
                write!(f, "alexnet drop={drop_probability}")
            }
            Self::ResNet50V2(ResNet50V2) => f.write_str("resnet50-v2"),
            Self::Vgg16(Vgg16 { drop_probability }) => write!(f, "vgg16 drop={drop_probability}"),
            Self::InceptionV3(InceptionV3 { drop_probability }) => {
                write!(f, "inception-v3 drop={drop_probability}")
            }
            Self::Dieleman(Dieleman { drop_probability }) => {
                write!(f, "dieleman drop={drop_probability}")
            }
        }
    }
}

impl From<Architecture> for String {
    fn from(architecture: Architecture) -> Self {
        architecture.to_string()
    }
}

impl TryFrom<String> for Architecture {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Architecture {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut given = Given::read(text)?;
        let architecture = match given.network {
            "zhu2019" => Self::Zhu2019(Zhu2019 {
                widening: given.take("k", 2.0, 0.001..=16.0)?,
                units: given.take("N", 2, 1..=64)?,
                drop_probability: given.take_drop_probability(0.0)?,
            }),
            "plain7" => Self::Plain7(Plain7 {
                drop_probability: given.take_drop_probability(0.5)?,
            }),
            "alexnet" => Self::AlexNet(AlexNet {
                drop_probability: given.take_drop_probability(0.5)?,
            }),
            "resnet50-v2" => Self::ResNet50V2(ResNet50V2),
            "vgg16" => Self::Vgg16(Vgg16 {
                drop_probability: given.take_drop_probability(0.5)?,
            }),
            "inception-v3" => Self::InceptionV3(InceptionV3 {
                drop_probability: given.take_drop_probability(0.2)?,
            }),
            "dieleman" => Self::Dieleman(Dieleman {
                drop_probability: given.take_drop_probability(0.5)?,
            }),
            other => {
                let names = Self::NAMES.join(", ");
                return Err(format!("unknown network '{other}' (one of {names})"));
            }
        };
        given.refuse_the_rest()?;
        Ok(architecture)
    }
}

/// The words of a network's text, until each is taken by the parameter that it is meant for.
struct Given<'a> {
    network: &'a str,
    words: Vec<(&'a str, &'a str)>,
    /// The parameters that were asked for.
    known: Vec<&'static str>,
}

impl<'a> Given<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let network = words.next().unwrap_or_default();
        let words = words.map(|word| {
            word.split_once('=')
                .ok_or_else(|| format!("'{word}' is not of the form key=value"))
        });
        Ok(Self {
            network,
            words: words.collect::<Result<_, _>>()?,
            known: Vec::new(),
        })
    }

    /// The parameter's value, or the `default` when it isn't given. The last of several counts.
    fn take<T: FromStr + PartialOrd>(
        &mut self,
        key: &'static str,
        default: T,
        sane: impl RangeBounds<T>,
    ) -> Result<T, String> {
        self.known.push(key);
        let mut value = default;
        for (_, text) in self.words.extract_if(.., |(word, _)| *word == key) {
            value = text
                .parse()
                .ok()
                .filter(|value| sane.contains(value))
                .ok_or_else(|| format!("{key} can't be '{text}'"))?;
        }
        Ok(value)
    }

    fn take_drop_probability(&mut self, default: f64) -> Result<f64, String> {
        self.take("drop", default, 0.0..1.0)
    }

    fn refuse_the_rest(self) -> Result<(), String> {
        let Some((key, _)) = self.words.first() else {
            return Ok(());
        };
        let network = self.network;
        if self.known.is_empty() {
            return Err(format!("{network} has no parameters, and so no '{key}'"));
        }
        let known = self.known.join(", ");
        Err(format!("{network} has no parameter '{key}' ({known})"))
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
        ] {
            let architecture: Architecture = text.parse().unwrap();
            assert_eq!(architecture.to_string(), text);
        }
    }

    #[test]
    fn every_network_has_defaults() {
        let written = Architecture::NAMES.map(|name| {
            let architecture: Architecture = name.parse().unwrap();
            architecture.to_string()
        });
        let expected = [
            "zhu2019 k=2 N=2 drop=0",
            "plain7 drop=0.5",
            "alexnet drop=0.5",
            "resnet50-v2",
            "vgg16 drop=0.5",
            "inception-v3 drop=0.2",
            "dieleman drop=0.5",
        ];
        assert_eq!(written, expected);
    }

    #[test]
    fn what_is_wrong_with_it_is_named() {
        let fault = |text: &str| text.parse::<Architecture>().unwrap_err();
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

//! Which network, as it is written on a command line, in a checkpoint and in a model card.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Network, Zhu2019};

/// A network and its parameters, written as `zhu2019 k=0.25 N=2 drop=0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Architecture {
    /// The paper's residual network.
    Zhu2019(Zhu2019),
}

impl Architecture {
    /// Describes the network.
    pub fn describe(&self) -> Network {
        match self {
            Self::Zhu2019(parameters) => parameters.describe(),
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
        let mut words = text.split_whitespace();
        match words.next() {
            Some("zhu2019") => zhu2019(words).map(Self::Zhu2019),
            other => Err(format!(
                "unknown network '{}' (one of zhu2019)",
                other.unwrap_or_default()
            )),
        }
    }
}

/// The paper's values where a parameter is not given.
fn zhu2019<'a>(words: impl Iterator<Item = &'a str>) -> Result<Zhu2019, String> {
    let mut network = Zhu2019 {
        widening: 2.0,
        units: 2,
        drop_probability: 0.0,
    };
    for word in words {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| format!("'{word}' is not of the form key=value"))?;
        let bad = || format!("{key} can't be '{value}'");
        match key {
            "k" => network.widening = value.parse().map_err(|_| bad())?,
            "N" => network.units = value.parse().map_err(|_| bad())?,
            "drop" => network.drop_probability = value.parse().map_err(|_| bad())?,
            _ => return Err(format!("zhu2019 has no parameter '{key}' (k, N, drop)")),
        }
        let sane = (0.001..=16.0).contains(&network.widening)
            && (1..=64).contains(&network.units)
            && (0.0..1.0).contains(&network.drop_probability);
        if !sane {
            return Err(bad());
        }
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_reads_back_as_it_was_written() {
        for text in ["zhu2019 k=2 N=2 drop=0", "zhu2019 k=0.25 N=3 drop=0.2"] {
            let architecture: Architecture = text.parse().unwrap();
            assert_eq!(architecture.to_string(), text);
        }
        let defaults: Architecture = "zhu2019".parse().unwrap();
        assert_eq!(defaults.to_string(), "zhu2019 k=2 N=2 drop=0");
    }

    #[test]
    fn what_is_wrong_with_it_is_named() {
        let fault = |text: &str| text.parse::<Architecture>().unwrap_err();
        assert!(fault("resnet").contains("unknown network 'resnet'"));
        assert!(fault("zhu2019 k").contains("key=value"));
        assert!(fault("zhu2019 k=x").contains("k can't be 'x'"));
        assert!(fault("zhu2019 k=-1").contains("k can't be '-1'"));
        assert!(fault("zhu2019 depth=3").contains("no parameter 'depth'"));
        assert!(fault("zhu2019 drop=1").contains("drop can't be '1'"));
    }
}

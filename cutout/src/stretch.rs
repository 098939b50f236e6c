//! The names and numbers of stretches: recipes that make a picture of the bands of a FITS image.
//!
//! A network knows the pictures it was trained on: colours, contrast, where white begins. The same galaxy
//! through another stretch is another picture, and gets another answer. So a stretch has a name, its numbers
//! are fixed by that name or written out, and the two are recorded with the image. `format/fits/stretch/`
//! carries them out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A named recipe that makes a picture of the bands of a FITS image.
///
/// Its text is its name, and for `lupton` its numbers: `lupton stretch=5 q=8 minimum=0 weights=1,1,1`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Stretch {
    /// What the viewer of the Legacy Surveys shows: for bands g, r and z (or i) in nanomaggies.
    Legacy,
    /// Near to what SDSS's `SkyServer` shows: for bands g, r and i in nanomaggies.
    Sdss,
    /// Lupton et al. 2004 (PASP 116, 133), as in astropy's `make_lupton_rgb`.
    Lupton(Lupton),
    /// An asinh whose black, white and softening are measured in the image.
    Asinh,
    /// From black to white between the limits that IRAF's `zscale` finds, for each band by itself.
    Zscale,
    /// From the lowest value of all bands to the highest.
    Linear,
}

/// The numbers of [`Stretch::Lupton`], with astropy's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lupton {
    /// Where the picture turns from linear to logarithmic, in the units of the image; over 0.
    pub stretch: f32,
    /// How far it is logarithmic; over 0.
    pub q: f32,
    /// What is black, in the units of the image after the weights.
    pub minimum: f32,
    /// What the red, the green and the blue band are multiplied by, in this order.
    pub weights: [f32; 3],
}

impl Default for Lupton {
    fn default() -> Self {
        Self {
            stretch: 5.0,
            q: 8.0,
            minimum: 0.0,
            weights: [1.0; 3],
        }
    }
}

/// A text that names no [`Stretch`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownStretch(String);

impl Stretch {
    /// The names, in the order of the documentation.
    pub const NAMES: [&str; 6] = ["legacy", "sdss", "lupton", "asinh", "zscale", "linear"];

    /// The name, without numbers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Sdss => "sdss",
            Self::Lupton(_) => "lupton",
            Self::Asinh => "asinh",
            Self::Zscale => "zscale",
            Self::Linear => "linear",
        }
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())?;
        if let Self::Lupton(Lupton {
            stretch,
            q,
            minimum,
            weights: [red, green, blue],
        }) = self
        {
            write!(
                formatter,
                " stretch={stretch} q={q} minimum={minimum} weights={red},{green},{blue}"
            )?;
        }
        Ok(())
    }
}

impl Serialize for Stretch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stretch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Stretch {
    type Err = UnknownStretch;

    fn from_str(text: &str) -> Result<Self, UnknownStretch> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let stretch = match name {
            "legacy" => Self::Legacy,
            "sdss" => Self::Sdss,
            "lupton" => return Lupton::parse(words).map(Self::Lupton),
            "asinh" => Self::Asinh,
            "zscale" => Self::Zscale,
            "linear" => Self::Linear,
            _ => {
                let names = Self::NAMES.join(", ");
                return Err(UnknownStretch(format!(
                    "unknown stretch '{name}' (one of {names})"
                )));
            }
        };
        match words.next() {
            Some(word) => Err(UnknownStretch(format!(
                "stretch {name} takes no '{word}' (lupton alone takes numbers)"
            ))),
            None => Ok(stretch),
        }
    }
}

impl Lupton {
    fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, UnknownStretch> {
        let mut numbers = Self::default();
        for word in words {
            let fault = |what: &str| UnknownStretch(format!("stretch lupton: '{word}' {what}"));
            let number = |text: &str| match text.parse::<f32>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(fault("is no number")),
            };
            let positive = |text: &str| match number(text)? {
                number if number > 0.0 => Ok(number),
                _ => Err(fault("must be over 0")),
            };
            match word.split_once('=') {
                Some(("stretch", text)) => numbers.stretch = positive(text)?,
                Some(("q", text)) => numbers.q = positive(text)?,
                Some(("minimum", text)) => numbers.minimum = number(text)?,
                Some(("weights", text)) => {
                    let weights = text
                        .split(',')
                        .map(positive)
                        .collect::<Result<Vec<_>, _>>()?;
                    numbers.weights = weights.try_into().map_err(|_| {
                        fault("must be three numbers: for red, for green and for blue")
                    })?;
                }
                _ => {
                    return Err(fault(
                        "is not one of stretch=, q=, minimum= and weights=RED,GREEN,BLUE",
                    ));
                }
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_its_text() {
        for name in Stretch::NAMES {
            let stretch: Stretch = name.parse().unwrap();
            assert_eq!(stretch.name(), name);
            assert_eq!(stretch.to_string().parse(), Ok(stretch));
        }
        let text = "lupton q=10 weights=0.7,1.1,1.8 stretch=0.5 minimum=-0.005";
        let stretch: Stretch = text.parse().unwrap();
        let numbers = Lupton {
            stretch: 0.5,
            q: 10.0,
            minimum: -0.005,
            weights: [0.7, 1.1, 1.8],
        };
        assert_eq!(stretch, Stretch::Lupton(numbers));
        assert_eq!(stretch.to_string().parse(), Ok(stretch));
    }

    #[test]
    fn a_text_that_is_none_is_told_why() {
        let fault = |text: &str| text.parse::<Stretch>().unwrap_err().to_string();
        assert!(fault("luptn").starts_with("unknown stretch 'luptn' (one of legacy, "));
        assert!(fault("").starts_with("unknown stretch ''"));
        assert!(fault("legacy q=8").contains("takes no 'q=8'"));
        for (word, expected) in [
            ("q=0", "must be over 0"),
            ("q=-1", "must be over 0"),
            ("q=x", "is no number"),
            ("minimum=nan", "is no number"),
            ("weights=1,2", "must be three numbers"),
            ("weights=1,2,3,4", "must be three numbers"),
            ("Q=8", "is not one of stretch="),
            ("8", "is not one of stretch="),
        ] {
            let fault = fault(&format!("lupton {word}"));
            assert!(fault.contains(expected), "{fault}");
        }
    }
}

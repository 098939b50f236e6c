//! Arguments that several commands share, and values that are checked as they are parsed.
//!
//! A value that matches nothing known is an error that names what is known. Otherwise a typing mistake
//! would look like an empty catalog.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Args, Command, ValueHint};
use galmorph_cutout::{
    Flag, Framing, FramingSettings, Morphology, RejectReason, UnknownRejectReason,
};

use crate::config::{Config, catalog_path};
use crate::failure::Failure;
use galmorph_output::visible;

/// Which catalog a command asks.
#[derive(Debug, Args)]
pub(super) struct CatalogArguments {
    /// The catalog, an SQLite file that galmorph watch made. Default: the one that --config names, else
    /// galmorph.sqlite in systemd's state directory or in the current folder
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    catalog: Option<PathBuf>,

    /// The configuration file of galmorph watch (TOML): use the catalog that it names
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
}

impl CatalogArguments {
    /// The catalog's path: --catalog goes before --config, and that before the default.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        let config = match self.config.as_deref() {
            Some(file) => Config::read(file).map_err(|faults| Failure::Usage(faults.join("\n")))?,
            None => Config::default(),
        };
        Ok(catalog_path(self.catalog.as_deref(), &config))
    }
}

/// How single images are framed.
#[derive(Debug, Args)]
pub(super) struct FramingArguments {
    /// How the part of an image is found that the network looks at. auto: by --radius and --pixel-scale if they
    /// are given; as in the paper for 424 x 424 pixels; measured for all others. paper: a pixel is 0.02 petroR90.
    /// frame: the whole image is Galaxy Zoo's frame. radius: by --radius and --pixel-scale. measured: the
    /// galaxy in the middle is found and its size measured
    #[arg(long, value_name = "FRAMING", value_parser = framing(), default_value = "auto")]
    framing: Framing,

    /// The radius of the galaxy that contains 90 % of its Petrosian flux (petroR90), in arcsec
    #[arg(long, value_name = "ARCSEC", value_hint = ValueHint::Other)]
    radius: Option<f64>,

    /// How much of the sky a pixel shows, in arcsec
    #[arg(long, value_name = "ARCSEC", value_hint = ValueHint::Other)]
    pixel_scale: Option<f64>,
}

impl FramingArguments {
    /// What was asked for, if it can work.
    pub(super) fn resolve(&self) -> Result<FramingSettings, Failure> {
        let settings = FramingSettings {
            framing: self.framing,
            radius: self.radius,
            pixel_scale: self.pixel_scale,
        };
        let valid = settings.validate().map(|()| settings);
        valid.map_err(|fault| Failure::Usage(fault.to_string()))
    }
}

fn framing() -> OneOf<Framing> {
    OneOf {
        names: || Framing::ALL.map(Framing::as_str).to_vec(),
        parse: |name| {
            name.parse()
                .map_err(|_| unknown("framing", name, &Framing::ALL.map(Framing::as_str)))
        },
    }
}

/// Parses one of a few names. Completions and the help list them; a name that is none of them is explained
/// by `parse`.
#[derive(Debug, Clone, Copy)]
pub(super) struct OneOf<T> {
    names: fn() -> Vec<&'static str>,
    parse: fn(&str) -> Result<T, String>,
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for OneOf<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        self.parse.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names = (self.names)().into_iter();
        Some(Box::new(names.map(PossibleValue::new)))
    }
}

/// A class by its name, in upper or lower case.
pub(super) fn label() -> OneOf<Morphology> {
    OneOf {
        names: || Morphology::names().to_vec(),
        parse: |name| {
            let plain = name.trim().to_lowercase().replace(['-', ' '], "_");
            plain
                .parse()
                .map_err(|_| unknown("class", name, &Morphology::names()))
        },
    }
}

/// A reason for which files are rejected.
pub(super) fn reason() -> OneOf<RejectReason> {
    OneOf {
        names: || {
            RejectReason::ALL
                .iter()
                .map(|reason| reason.as_str())
                .collect()
        },
        parse: |name| {
            name.parse()
                .map_err(|error: UnknownRejectReason| error.to_string())
        },
    }
}

/// A flag of an image.
pub(super) fn flag() -> OneOf<Flag> {
    OneOf {
        names: || Flag::ALL.iter().map(|flag| flag.as_str()).collect(),
        parse: |name| {
            let known: Vec<&str> = Flag::ALL.iter().map(|flag| flag.as_str()).collect();
            name.parse().map_err(|_| unknown("flag", name, &known))
        },
    }
}

/// A class and a purity, as in `spiral=0.98`.
pub(super) fn purity(text: &str) -> Result<(Morphology, f64), String> {
    let (class, fraction) = text
        .split_once('=')
        .ok_or("must be a class and a purity, such as spiral=0.98")?;
    Ok(((label().parse)(class)?, probability(fraction)?))
}

/// A probability.
pub(super) fn probability(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "must be a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    // Somebody who thinks in percent.
    let percent = (1.0..=100.0).contains(&value).then(|| value / 100.0);
    let hint = percent.map_or_else(String::new, |value| {
        let value = format!("{value:.6}");
        format!(" (did you mean {}?)", value.trim_end_matches(['0', '.']))
    });
    Err(format!("must be 0 to 1{hint}"))
}

/// Explains that `name` is none of the `known`, and which of them may be meant.
pub(super) fn unknown(what: &str, name: &str, known: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    let similar = names
        .iter()
        .map(|known| {
            (
                strsim::jaro(&name.to_lowercase(), &known.to_lowercase()),
                known,
            )
        })
        // As clap does for its own names.
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let hint = similar.map_or_else(String::new, |(_, known)| {
        format!(", did you mean '{known}'?")
    });
    let names = names.join(", ");
    visible(&format!("unknown {what} '{name}'{hint} (one of {names})")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_known_in_any_case() {
        for name in ["spiral", "Spiral", "SPIRAL"] {
            assert_eq!((label().parse)(name), Ok(Morphology::Spiral));
        }
        assert_eq!((label().parse)("Edge-On"), Ok(Morphology::EdgeOn));
        assert_eq!(
            (label().parse)("elliptical").unwrap_err(),
            "unknown class 'elliptical' (one of round, in_between, cigar, edge_on, spiral)"
        );
    }

    #[test]
    fn a_name_that_is_nearly_right_is_recognised() {
        assert_eq!((reason().parse)("broken"), Ok(RejectReason::Broken));
        let fault = (reason().parse)("not_an_imag").unwrap_err();
        assert!(fault.contains("did you mean 'not_an_image'?"), "{fault}");
        let known = ["path", "label"];
        assert_eq!(
            unknown("column", "Lable", &known),
            "unknown column 'Lable', did you mean 'label'? (one of path, label)"
        );
        assert_eq!(
            unknown("column", "x", &known),
            "unknown column 'x' (one of path, label)"
        );
    }

    #[test]
    fn a_probability_is_not_a_percentage() {
        assert_eq!(probability("0.9"), Ok(0.9));
        assert_eq!((probability("0"), probability("1")), (Ok(0.0), Ok(1.0)));
        let fault = |text| probability(text).unwrap_err();
        assert_eq!(fault("95"), "must be 0 to 1 (did you mean 0.95?)");
        assert_eq!(fault("99.9"), "must be 0 to 1 (did you mean 0.999?)");
        assert_eq!(fault("100"), "must be 0 to 1 (did you mean 1?)");
        for text in ["nan", "inf", "-0.1", "101"] {
            assert_eq!(fault(text), "must be 0 to 1", "{text}");
        }
        assert_eq!(fault("high"), "must be a number from 0 to 1");
    }
}

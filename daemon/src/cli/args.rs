//! Arguments that several commands share, and values that are checked as they are parsed.
//!
//! A value that matches nothing known is an error that names what is known. Otherwise a typing mistake
//! would look like an empty catalog.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Args, Command, ValueHint};
use galmorph_catalog::{ask, files_of};
use galmorph_cutout::{
    Flag, Framing, FramingSettings, Morphology, RejectReason, UnknownRejectReason,
};

use crate::config::{Config, catalog_path};
use crate::failure::Failure;

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

    /// What a command reads to ask the catalog at `path`, with all that belongs to the catalog: no output may replace it.
    pub(super) fn inputs(&self, path: &Path) -> Vec<PathBuf> {
        files_of(path)
            .into_iter()
            .chain(self.config.clone())
            .collect()
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
                .map_err(|_| ask::unknown("framing", name, &Framing::ALL.map(Framing::as_str)))
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
        parse: ask::label,
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
        parse: ask::flag,
    }
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
    }
}

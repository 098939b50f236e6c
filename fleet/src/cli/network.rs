//! Which model, and which part of an image it sees.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use galmorph_cutout::{Framing, FramingSettings};
use galmorph_inference::Model;

use crate::Failure;
use crate::plan::PlannedModel;
use crate::shard::load_model;

#[derive(Debug, Args)]
pub(super) struct NetworkArguments {
    /// The model (ONNX, made by galmorph-train export). Default: the one that is built in
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    model: Option<PathBuf>,

    /// What numbers are multiplied: f32, which every machine can, or bf16, which those with AMX can alone. A model of eight bits
    /// has its own
    #[arg(long, value_name = "NUMBERS", value_parser = ["f32", "bf16"], default_value = "f32")]
    arithmetic: String,

    /// How the part of an image is found that the network looks at, as in galmorph classify
    #[arg(long, value_name = "FRAMING", default_value = "auto", value_parser = framing)]
    framing: Framing,

    /// The radius of the galaxies (petroR90), in arcsec, if all have the same
    #[arg(long, value_name = "ARCSEC")]
    radius: Option<f64>,

    /// How much of the sky a pixel shows, in arcsec
    #[arg(long, value_name = "ARCSEC")]
    pixel_scale: Option<f64>,
}

fn framing(name: &str) -> Result<Framing, String> {
    name.parse()
        .map_err(|unknown: galmorph_cutout::UnknownFraming| unknown.to_string())
}

impl NetworkArguments {
    /// The framing. Where `has_radii`, each object may come with its own.
    pub(super) fn framing(&self, has_radii: bool) -> Result<FramingSettings, Failure> {
        let framing = FramingSettings {
            framing: self.framing,
            radius: self.radius,
            pixel_scale: self.pixel_scale,
        };
        let valid = if has_radii {
            framing.validate_lengths()
        } else {
            framing.validate()
        };
        valid.map_err(|fault| Failure::Usage(fault.to_string()))?;
        Ok(framing)
    }

    pub(super) fn model(&self) -> Result<(Model, PlannedModel), Failure> {
        let file = match &self.model {
            Some(file) => Some(
                file.canonicalize()
                    .map_err(|error| Failure::io("read model", file, &error))?,
            ),
            None => None,
        };
        let (model, planned) = load_model(file.as_deref(), Some(&self.arithmetic))?;
        // A model of eight bits has its own arithmetic, on every machine.
        if planned.arithmetic != self.arithmetic && planned.arithmetic != "int8" {
            return Err(Failure::Usage(
                "this machine can't multiply bf16".to_owned(),
            ));
        }
        Ok((model, planned))
    }
}

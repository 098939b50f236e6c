//! `galmorph-train export`

use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{Framing, ModelCard, Stretch, Training};
use galmorph_output::{Output, readable};
use tch::Device;

use self::eight_bits::EightBitsArgs;
use super::calibrate::prior_of;
use super::{ForceArgs, ShowingArgs};
use crate::error::{Error, Result};
use crate::network::Network;
use crate::onnx::{self, Storage};
use crate::torch::Weights;
use crate::training::{Run, State};

mod eight_bits;

/// The arguments of `export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    from: FromArgs,
    /// Model file to write; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
    /// How to store the weights
    #[arg(long, value_enum, default_value_t)]
    weights: Storage,
    /// What the model is to compute in
    #[arg(long, value_enum, default_value_t)]
    arithmetic: Arithmetic,
    #[command(flatten)]
    eight_bits: EightBitsArgs,
    /// Name of the model in the catalog [default: the name of the output file, without .onnx]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    showing: ShowingArgs,
}

/// Where the network is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct FromArgs {
    /// Checkpoint of a run
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Exported model, to be rounded to 8-bit arithmetic
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// The arithmetic of a model's convolutions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Arithmetic {
    /// 32-bit numbers. A runtime may choose shorter ones.
    #[default]
    F32,
    /// Whole numbers of 8 bits, with ranges that are found from training images (--labels, --images).
    Int8,
}

/// A network to export.
struct Exported {
    network: Network,
    weights: Weights,
    card: ModelCard,
    /// How it was adapted, as JSON, if it was.
    adaptation: Option<String>,
}

pub(super) fn run(args: &ExportArgs) -> Result<()> {
    let inputs: Vec<&Path> = args
        .from
        .path()
        .into_iter()
        .chain(args.eight_bits.inputs())
        .collect();
    let output = Output::at(&args.output, args.force.force, &inputs)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => output
            .target()
            .and_then(Path::file_stem)
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default(),
    };
    if name.trim().is_empty() {
        return Err(Error::Input(format!(
            "'{}' gives the model no name; use --name",
            readable(&args.output)
        )));
    }
    let mut exported = args.open(&name)?;
    if args.arithmetic == Arithmetic::Int8 {
        exported = args.eight_bits.round(exported, &args.showing)?;
    }
    let Exported {
        network,
        weights,
        card,
        adaptation,
    } = &exported;
    let mut bytes = onnx::encode(network, weights, card, args.weights)
        .map_err(Error::internal("write the model card"))?;
    if let Some(record) = adaptation {
        bytes =
            onnx::with_adaptation(&bytes, record).map_err(Error::internal("write the model"))?;
    }
    output.write(".galmorph-export-", &bytes)?;
    log::info!(
        "wrote '{}', {:.2} MB",
        readable(&args.output),
        bytes.len() as f64 / 1e6
    );
    Ok(())
}

impl FromArgs {
    fn path(&self) -> Option<&Path> {
        self.checkpoint.as_deref().or(self.model.as_deref())
    }
}

impl ExportArgs {
    /// Opens the network, and refuses arguments that ask for what can't be.
    fn open(&self, name: &str) -> Result<Exported> {
        let int8 = self.arithmetic == Arithmetic::Int8;
        self.eight_bits.check(int8, &self.showing)?;
        match (&self.from.checkpoint, &self.from.model) {
            (Some(path), _) => {
                let (run, network) = Run::load(path, Device::Cpu)?;
                if run.state.result.is_none() {
                    log::warn!(
                        "the run of '{}' is not finished: {} of {} epochs are done",
                        readable(path),
                        run.state.epoch,
                        run.state.settings.epochs
                    );
                }
                let card = card(name, &run.state, self.showing.stretch);
                Ok(Exported {
                    network,
                    weights: run.average,
                    card,
                    adaptation: None,
                })
            }
            (None, Some(path)) if int8 => self.open_model(path, name),
            (None, _) => Err(Error::Input(
                "a model is exported already; --model is for --arithmetic int8".into(),
            )),
        }
    }

    fn open_model(&self, path: &Path, name: &str) -> Result<Exported> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let model = onnx::decode(&bytes, Device::Cpu).map_err(Error::unusable("model", path))?;
        if model.card.quantisation.is_some() {
            return Err(Error::Input(format!(
                "'{}' is in 8-bit arithmetic already",
                readable(path)
            )));
        }
        let card = ModelCard {
            name: name.to_owned(),
            format: ModelCard::FORMAT,
            stretch: self.showing.stretch.or(model.card.stretch),
            ..model.card
        };
        Ok(Exported {
            network: model.network,
            weights: model.weights,
            card,
            adaptation: onnx::adaptation(&bytes).map_err(Error::unusable("model", path))?,
        })
    }
}

/// The card of a run's model.
fn card(name: &str, state: &State, stretch: Option<Stretch>) -> ModelCard {
    let settings = &state.settings;
    let network = settings.network.to_string();
    ModelCard {
        temperature: state.scaling().temperature,
        bias: state.scaling().bias,
        training: Some(Training {
            images: settings.images,
            data_digest: settings.data_digest.clone(),
            validation_digest: Some(settings.validation_digest.clone()),
            fold: settings.fold.map(u8::from),
            seed: settings.seed,
            epochs: state.epoch,
            commit: state.commit.clone(),
            command: state.command.clone(),
        }),
        validation: state.result.clone(),
        // Training shows the middle of an image, pixel by pixel, as the paper does.
        framing: Some(Framing::Paper),
        stretch,
        prior: state.class_images.and_then(prior_of),
        ..ModelCard::new(name, &network, settings.preprocessing.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_file::TrainedModel;
    use crate::training::example_settings;

    #[test]
    fn a_model_has_the_preprocessing_that_it_was_trained_with() {
        tch::set_num_threads(1);
        let folder = tempfile::tempdir().unwrap();
        let (checkpoint, model) = (
            folder.path().join("run.safetensors"),
            folder.path().join("model.onnx"),
        );
        let network = example_settings().network.describe();
        Run::start(example_settings(), &network, Device::Cpu)
            .save(&checkpoint)
            .unwrap();
        run(&ExportArgs {
            from: FromArgs {
                checkpoint: Some(checkpoint.clone()),
                model: None,
            },
            output: model.clone(),
            weights: Storage::default(),
            arithmetic: Arithmetic::default(),
            eight_bits: EightBitsArgs::default(),
            name: None,
            showing: ShowingArgs::default(),
            force: ForceArgs { force: false },
        })
        .unwrap();
        // As evaluate and visualise read them.
        for file in [checkpoint, model] {
            let trained = TrainedModel::load(&file, Device::Cpu).unwrap();
            assert_eq!(trained.preprocessing, example_settings().preprocessing);
        }
    }
}

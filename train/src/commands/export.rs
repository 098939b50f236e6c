//! `galmorph-train export`

use std::path::{Path, PathBuf};

use clap::Args;
use galmorph_cutout::{Framing, ModelCard, Stretch, Training};
use galmorph_output::{Output, readable};
use tch::Device;

use super::ForceArgs;
use super::calibrate::prior_of;
use crate::error::{Error, Result};
use crate::onnx::{self, Storage};
use crate::training::{Run, State};

/// The arguments of `export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Checkpoint of a run
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Model file to write; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
    /// How to store the weights
    #[arg(long, value_enum, default_value_t)]
    weights: Storage,
    /// Name of the model in the catalog [default: the name of the output file, without .onnx]
    #[arg(long)]
    name: Option<String>,
    /// Stretch that the training images were drawn with, such as sdss
    #[arg(long)]
    stretch: Option<Stretch>,
}

pub(super) fn run(args: &ExportArgs) -> Result<()> {
    let output = Output::at(&args.output, args.force.force, &[&args.checkpoint])?;
    let (run, network) = Run::load(&args.checkpoint, Device::Cpu)?;
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
    if run.state.result.is_none() {
        log::warn!(
            "the run of '{}' is not finished: {} of {} epochs are done",
            readable(&args.checkpoint),
            run.state.epoch,
            run.state.settings.epochs
        );
    }
    let card = card(&name, &run.state, args.stretch);
    let bytes = onnx::encode(&network, &run.average, &card, args.weights)
        .map_err(Error::internal("write the model card"))?;
    output.write(".galmorph-export-", &bytes)?;
    log::info!(
        "wrote '{}', {:.2} MB",
        readable(&args.output),
        bytes.len() as f64 / 1e6
    );
    Ok(())
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
            checkpoint: checkpoint.clone(),
            output: model.clone(),
            weights: Storage::default(),
            name: None,
            stretch: None,
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

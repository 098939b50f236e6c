//! `galmorph-train export`

use std::path::PathBuf;

use clap::Args;
use galmorph_cutout::{ModelCard, Training};
use tch::Device;

use crate::artefact;
use crate::checkpoint::{Run, State};
use crate::error::{Error, Result};
use crate::onnx::{self, Storage};

/// What `export` takes.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The checkpoint of a run
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// The model to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// How the weights are stored
    #[arg(long, value_enum, default_value_t)]
    weights: Storage,
    /// The model's name, as it appears in the catalog [default: the output's file name]
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn run(args: &ExportArgs) -> Result<()> {
    let (run, network) = Run::load(&args.checkpoint, Device::Cpu)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => args
            .output
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default(),
    };
    if name.trim().is_empty() {
        return Err(Error::Input("a model needs a --name".into()));
    }
    if run.state.result.is_none() {
        log::warn!(
            "'{}' is not at its end: {} of {} epochs are done",
            args.checkpoint.display(),
            run.state.epoch,
            run.state.settings.epochs
        );
    }
    let card = card(&name, &run.state);
    let bytes = onnx::encode(&network, &run.average, &card, args.weights)
        .map_err(|error| Error::Artefact(error.to_string()))?;
    artefact::write(&args.output, &bytes)?;
    log::info!(
        "wrote '{}', {:.2} MB",
        args.output.display(),
        bytes.len() as f64 / 1e6
    );
    Ok(())
}

fn card(name: &str, state: &State) -> ModelCard {
    let settings = &state.settings;
    let network = settings.network.to_string();
    ModelCard {
        temperature: state.temperature.unwrap_or(1.0),
        training: Some(Training {
            images: settings.images,
            data_digest: settings.data_digest.clone(),
            validation_digest: Some(settings.validation_digest.clone()),
            seed: settings.seed,
            epochs: state.epoch,
            commit: state.commit.clone(),
            command: state.command.clone(),
        }),
        validation: state.result.clone(),
        ..ModelCard::new(name, &network, settings.preprocessing.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;
    use crate::trained::Trained;

    #[test]
    fn a_model_has_the_preprocessing_that_it_was_trained_with() {
        tch::set_num_threads(1);
        let folder = tempfile::tempdir().unwrap();
        let (checkpoint, model) = (
            folder.path().join("run.safetensors"),
            folder.path().join("model.onnx"),
        );
        let network = settings().network.describe();
        Run::start(settings(), &network, Device::Cpu)
            .save(&checkpoint)
            .unwrap();
        run(&ExportArgs {
            checkpoint: checkpoint.clone(),
            output: model.clone(),
            weights: Storage::default(),
            name: None,
        })
        .unwrap();
        // As evaluate and visualise read them.
        for file in [checkpoint, model] {
            let trained = Trained::load(&file, Device::Cpu).unwrap();
            assert_eq!(trained.preprocessing, settings().preprocessing);
        }
    }
}

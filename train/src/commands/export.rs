//! `galmorph-train export`

use std::path::PathBuf;

use clap::Args;
use galmorph_cutout::{EarlyStop, ModelCard, Morphology, Preprocessing, Training};
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
    let card = card(name, &run.state);
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

fn card(name: String, state: &State) -> ModelCard {
    let settings = &state.settings;
    ModelCard {
        format: ModelCard::FORMAT,
        name,
        network: settings.network.to_string(),
        classes: Morphology::names().map(String::from).to_vec(),
        preprocessing: Preprocessing::default(),
        temperature: state.temperature.unwrap_or(1.0),
        early_stop: EarlyStop::Never,
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
    }
}

//! The state of a run on disk: one safetensors file that resumes exactly.
//!
//! It holds, under `weights/`, `average/` and `velocity/`, every tensor of the run, and in its metadata
//! the run's settings and how far it has come. Any reader of safetensors can open it. The random
//! numbers need no state: they are a function of the seed and of the place in the run.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use galmorph_cutout::Measurement;

use crate::artefact;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::onnx::little_endian;
use crate::optimizer::Sgd;
use crate::settings::Settings;
use crate::torch::Weights;

/// The key of the file's metadata that holds the [`State`] as JSON.
const KEY: &str = "galmorph-train";

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the run is.
    pub settings: Settings,
    /// The commit of the program that began the run, and those of others that went on with it.
    pub commit: String,
    /// The command line that began the run.
    pub command: String,
    /// Epochs that are done.
    pub epoch: u32,
    /// Batches of the current epoch that are done.
    pub batch: usize,
    /// Batches that are done in all.
    pub step: u64,
    /// The current epoch's sums.
    pub running: Running,
    /// One entry for each epoch that is done.
    pub history: Vec<EpochRecord>,
    /// What the averaged weights reached in f32 at the end of the run, at its temperature.
    pub result: Option<Measurement>,
    /// The temperature of the averaged weights' answers, fitted on the validation split at the end of the
    /// run; none in checkpoints from before there was one.
    #[serde(default)]
    pub temperature: Option<f32>,
}

/// Sums over the current epoch's batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The loss of each image, added up.
    pub loss: f64,
    /// Training views that were classified rightly.
    pub right: f64,
    /// Training views.
    pub images: u64,
    /// Seconds spent.
    pub seconds: f64,
    /// Seconds of those in which the network had no batch to compute.
    #[serde(default)]
    pub waiting_seconds: f64,
}

/// What an epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: u32,
    /// The learning rate of its last step.
    pub rate: f64,
    /// The mean training loss (cross-entropy, nats).
    pub loss: f64,
    /// The fraction of training views classified rightly.
    pub training_accuracy: f64,
    /// What the averaged weights reach on the validation split.
    pub validation: Measurement,
    /// Training images a second, without validation.
    pub images_per_second: f64,
    /// The part of that time in which the network had no batch to compute.
    #[serde(default)]
    pub waiting: f64,
}

/// Everything that a run consists of.
pub struct Run {
    /// How far it has come.
    pub state: State,
    /// The weights being trained.
    pub weights: Weights,
    /// Their running average, which is what is validated and exported.
    pub average: Weights,
    /// The optimiser.
    pub sgd: Sgd,
}

impl Run {
    /// Begins a run from random weights.
    pub fn start(settings: Settings, network: &Network, device: Device) -> Self {
        tch::manual_seed(settings.seed as i64);
        Self::start_from(settings, Weights::start(network, device))
    }

    /// Begins a run from weights that are there.
    pub fn start_from(settings: Settings, weights: Weights) -> Self {
        Self {
            average: weights.detached_copy(),
            sgd: Sgd::new(&weights, settings.weight_decay),
            weights,
            state: State {
                settings,
                commit: env!("GALMORPH_COMMIT").to_owned(),
                command: command_line(),
                epoch: 0,
                batch: 0,
                step: 0,
                running: Running::default(),
                history: Vec::new(),
                result: None,
                temperature: None,
            },
        }
    }

    /// Notes that this build goes on with a run that another one began.
    pub fn continued_by_this_program(&mut self) {
        let commits = &mut self.state.commit;
        if !commits.ends_with(env!("GALMORPH_COMMIT")) {
            commits.push_str(", ");
            commits.push_str(env!("GALMORPH_COMMIT"));
        }
    }

    /// Writes the run to a file, by rename.
    pub fn save(&self, path: &Path) -> Result<()> {
        let named = |group: &str, name: &str, tensor: &Tensor| {
            let shape: Vec<usize> = tensor.size().iter().map(|n| *n as usize).collect();
            (format!("{group}/{name}"), shape, little_endian(tensor))
        };
        let weights = self.weights.iter();
        let average = self.average.iter();
        let tensors: Vec<_> = (weights.map(|(p, tensor)| named("weights", &p.name, tensor)))
            .chain(average.map(|(p, tensor)| named("average", &p.name, tensor)))
            .chain((self.sgd.velocities()).map(|(name, tensor)| named("velocity", name, tensor)))
            .collect();

        let failed = |error: String| {
            Error::Artefact(format!(
                "cannot write checkpoint '{}': {error}",
                path.display()
            ))
        };
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| {
                TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
            })
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| failed(error.to_string()))?;
        let state =
            serde_json::to_string(&self.state).map_err(|error| failed(error.to_string()))?;
        let metadata = Some(HashMap::from([(KEY.to_owned(), state)]));
        let bytes =
            safetensors::serialize(views, &metadata).map_err(|error| failed(error.to_string()))?;
        artefact::write(path, &bytes)
    }

    /// Reads a run back.
    pub fn load(path: &Path, device: Device) -> Result<(Self, Network)> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let failed = |error: String| {
            Error::Artefact(format!(
                "cannot use checkpoint '{}': {error}",
                path.display()
            ))
        };
        Self::parse(&bytes, device).map_err(failed)
    }

    pub(crate) fn parse(
        bytes: &[u8],
        device: Device,
    ) -> std::result::Result<(Self, Network), String> {
        let text = |error: safetensors::SafeTensorError| error.to_string();
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(text)?;
        let state = metadata
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(KEY))
            .ok_or("it was not written by galmorph-train")?;
        let state: State = serde_json::from_str(state).map_err(|error| error.to_string())?;
        let preprocessing = &state.settings.preprocessing;
        preprocessing
            .validate()
            .map_err(|error| error.to_string())?;
        let network = state.settings.network.describe();

        let file = SafeTensors::deserialize(bytes).map_err(text)?;
        let tensor = |group: &str, name: &str| {
            let name = format!("{group}/{name}");
            let view = file
                .tensor(&name)
                .map_err(|_| format!("it has no tensor '{name}'"))?;
            let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
            if view.dtype() != Dtype::F32 {
                return Err(format!("its tensor '{name}' is not f32"));
            }
            Ok(Tensor::from_data_size(view.data(), &shape, Kind::Float).to_device(device))
        };
        let mut run = Self::start(state.settings.clone(), &network, device);
        run.weights.fill(|name| tensor("weights", name))?;
        run.average.fill(|name| tensor("average", name))?;
        run.sgd.fill(|name| tensor("velocity", name))?;
        run.state = state;
        Ok((run, network))
    }
}

/// The command line, without the folder of the program.
fn command_line() -> String {
    let arguments = std::env::args().skip(1).map(|argument| {
        if argument.contains(char::is_whitespace) {
            format!("'{argument}'")
        } else {
            argument
        }
    });
    std::iter::once("galmorph-train".to_owned())
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

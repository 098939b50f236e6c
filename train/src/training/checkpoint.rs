//! The state of a run in one safetensors file, from which the run resumes bit for bit.
//!
//! The file holds every tensor of the run, under `weights/`, `average/` and `velocity/`. Its metadata
//! holds the settings and the progress of the run as JSON. Any reader of safetensors can open it. Random
//! generators need no state here: every random number is a function of the seed and of a place in the
//! run.

use std::collections::HashMap;
use std::path::Path;

use galmorph_cutout::{ByClass, Measurement, Morphology, PreprocessingError, Scaling};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::optimizer::Sgd;
use super::settings::Settings;
use crate::atomic_file;
use crate::error::{Error, Result};
use crate::evaluation::EpochRecord;
use crate::network::Network;
use crate::torch::{TensorError, Weights, are_finite, little_endian};

/// The key of the file's metadata that holds the [`State`] as JSON.
const KEY: &str = "galmorph-train";

/// The settings of a run, and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The settings of the run.
    pub(crate) settings: Settings,
    /// The commit of the program that began the run, then those of other builds that continued it.
    pub(crate) commit: String,
    /// The command line that began the run.
    pub(crate) command: String,
    /// Finished epochs.
    pub(crate) epoch: u32,
    /// Finished batches of the current epoch.
    pub(crate) batch: usize,
    /// Finished batches of all epochs.
    pub(crate) step: u64,
    /// Sums over the current epoch.
    pub(crate) running: Running,
    /// One record for each finished epoch.
    pub(crate) history: Vec<EpochRecord>,
    /// What the averaged weights reach on the validation split, in f32 and at `temperature`; `None`
    /// until the run has ended.
    pub(crate) result: Option<Measurement>,
    /// The temperature that was fitted on the validation split at the end of the run. `None` until then,
    /// and in checkpoints that are older than temperatures.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// The biases that were fitted with it, if they help.
    #[serde(default)]
    pub bias: Option<ByClass<f32>>,
    /// The number of training images of each class; unknown in checkpoints from before it was recorded.
    #[serde(default)]
    pub(crate) class_images: Option<[usize; Morphology::COUNT]>,
}

/// Sums over the batches of the current epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// The sum of the images' losses, in nats.
    pub(crate) loss: f64,
    /// Training views that were classified correctly.
    pub(crate) right: f64,
    /// Training views.
    pub(crate) images: u64,
    /// Seconds that passed.
    pub(crate) seconds: f64,
    /// Seconds of those in which the network waited for a batch.
    #[serde(default)]
    pub(crate) waiting_seconds: f64,
}

impl State {
    /// How the outputs are calibrated; not at all until the run has ended.
    pub(crate) fn scaling(&self) -> Scaling {
        Scaling {
            temperature: self.temperature.unwrap_or(1.0),
            bias: self.bias,
        }
    }
}

impl Running {
    /// The mean loss of an image, in nats.
    pub(super) fn mean_loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }
}

/// Everything that makes up a run.
pub struct Run {
    /// The settings of the run, and how far it has come.
    pub state: State,
    /// The weights that are being trained.
    pub(super) weights: Weights,
    /// Their running average, which is what gets validated and exported.
    pub average: Weights,
    /// The optimizer.
    pub(super) sgd: Sgd,
}

/// Why a file is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("{0}")]
    Format(#[from] SafeTensorError),
    #[error("it was not written by galmorph-train")]
    Foreign,
    #[error("its state can't be read: {0}")]
    State(#[from] serde_json::Error),
    #[error(transparent)]
    Preprocessing(#[from] PreprocessingError),
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

impl Run {
    /// Begins a run with random weights.
    pub(crate) fn start(settings: Settings, network: &Network, device: Device) -> Self {
        tch::manual_seed(settings.seed as i64);
        Self::start_from(settings, Weights::start(network, device))
    }

    /// Begins a run with these weights.
    pub(super) fn start_from(settings: Settings, weights: Weights) -> Self {
        Self {
            average: weights.copy(),
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
                bias: None,
                class_images: None,
            },
        }
    }

    /// Notes that this build continues a run that another build began.
    pub(super) fn continued_by_this_program(&mut self) {
        let commits = &mut self.state.commit;
        if !commits.ends_with(env!("GALMORPH_COMMIT")) {
            commits.push_str(", ");
            commits.push_str(env!("GALMORPH_COMMIT"));
        }
    }

    /// Writes the checkpoint, by rename.
    ///
    /// # Errors
    /// When a value is no number: a run that diverged must not replace one that can go on.
    pub fn save(&self, path: &Path) -> Result<()> {
        // Batch normalisation's statistics are no part of a row of weights.
        let statistics = self.weights.statistics().chain(self.average.statistics());
        let rows = [self.weights.row(), self.average.row(), self.sgd.row()];
        if !are_finite(rows.into_iter().chain(statistics)) {
            // The loss of the next step would be no number either.
            return Err(Error::Diverged {
                step: self.state.step,
                loss: f64::NAN,
            });
        }
        let bytes = self
            .serialise()
            .map_err(Error::internal("make a checkpoint"))?;
        atomic_file::write(path, &bytes)
    }

    fn serialise(&self) -> std::result::Result<Vec<u8>, CheckpointError> {
        let named = |group: &str, name: &str, tensor: &Tensor| {
            let shape: Vec<usize> = tensor.size().iter().map(|n| *n as usize).collect();
            (format!("{group}/{name}"), shape, little_endian(tensor))
        };
        let weights = self.weights.iter();
        let average = self.average.iter();
        let tensors: Vec<_> = (weights.map(|(p, tensor)| named("weights", &p.name, tensor)))
            .chain(average.map(|(p, tensor)| named("average", &p.name, tensor)))
            .chain((self.sgd.velocities()).map(|(name, tensor)| named("velocity", name, &tensor)))
            .collect();
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| {
                TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
            })
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let state = serde_json::to_string(&self.state)?;
        let metadata = Some(HashMap::from([(KEY.to_owned(), state)]));
        Ok(safetensors::serialize(views, &metadata)?)
    }

    /// Reads a checkpoint, and describes its network.
    pub fn load(path: &Path, device: Device) -> Result<(Self, Network)> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Self::parse(&bytes, device).map_err(Error::unusable("checkpoint", path))
    }

    /// Reads the bytes of a checkpoint, and describes its network.
    pub(crate) fn parse(
        bytes: &[u8],
        device: Device,
    ) -> std::result::Result<(Self, Network), CheckpointError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let state = metadata
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(KEY))
            .ok_or(CheckpointError::Foreign)?;
        let state: State = serde_json::from_str(state)?;
        state.settings.preprocessing.validate()?;
        let network = state.settings.network.describe();

        let file = SafeTensors::deserialize(bytes)?;
        let tensor = |group: &str, name: &str| {
            let name = format!("{group}/{name}");
            let Ok(view) = file.tensor(&name) else {
                return Err(TensorError::Missing(name));
            };
            let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
            if view.dtype() != Dtype::F32 {
                return Err(TensorError::Unreadable(name, "it is not f32"));
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

/// The command line, without the program's folder.
pub(crate) fn command_line() -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::example_settings;

    #[test]
    fn a_run_with_a_value_that_is_no_number_is_not_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let settings = example_settings();
        let network = settings.network.describe();
        // Learned, and observed by batch normalisation.
        for kind in ["weight", "variance"] {
            for averaged in [false, true] {
                let run = Run::start(settings.clone(), &network, Device::Cpu);
                let values = if averaged { &run.average } else { &run.weights };
                let (_, tensor) = (values.iter())
                    .find(|(parameter, _)| parameter.name.ends_with(kind))
                    .unwrap();
                let _ = tch::no_grad(|| tensor.shallow_clone().fill_(f64::NAN));
                let saved = run.save(&path);
                assert!(matches!(saved, Err(Error::Diverged { .. })), "{kind}");
                assert!(!path.exists());
            }
        }
        Run::start(settings, &network, Device::Cpu)
            .save(&path)
            .unwrap();
    }
}

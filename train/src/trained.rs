//! A trained network, whichever file it is in.
//!
//! A run's checkpoint holds more (momentum, the weights before averaging); an exported model holds what
//! the daemon needs. Whoever measures, draws or starts from a network needs what both have.

use std::path::Path;

use galmorph_cutout::{ModelCard, Preprocessing};
use tch::Device;

use crate::checkpoint::{EpochRecord, Run};
use crate::error::{Error, Result};
use crate::network::{Architecture, Network};
use crate::onnx;
use crate::torch::Weights;

/// A network with its weights and what is known of them.
pub struct Trained {
    /// The BLAKE3 digest of the file, in lower-case hexadecimal.
    pub digest: String,
    /// The model's name, or its run's folder.
    pub name: String,
    /// The network and its parameters.
    pub architecture: Architecture,
    /// The network's description.
    pub network: Network,
    /// The averaged weights, f32.
    pub weights: Weights,
    /// How an image becomes the network's inputs.
    pub preprocessing: Preprocessing,
    /// The temperature of its outputs; 1 when they were not calibrated.
    pub temperature: f32,
    /// The [digest](crate::data::Dataset::digest) of the images that the temperature was fitted on, when
    /// it was.
    pub fitted_on: Option<String>,
    /// The epochs of its training; none in an exported model.
    pub history: Vec<EpochRecord>,
}

impl Trained {
    /// Opens the checkpoint of a run (`.safetensors`) or an exported model (`.onnx`), told apart by
    /// their contents.
    ///
    /// # Errors
    /// When the file can't be read or is neither of the two.
    pub fn load(path: &Path, device: Device) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let digest = blake3::hash(&bytes).to_hex().to_string();
        let refused = |what: &str, fault: String| {
            Error::Artefact(format!("cannot use {what} '{}': {fault}", path.display()))
        };
        if is_safetensors(&bytes) {
            let (run, network) =
                Run::parse(&bytes, device).map_err(|fault| refused("checkpoint", fault))?;
            return Ok(Self::of_run(path, digest, run, network));
        }
        onnx::decode(&bytes, device)
            .map(|model| Self::of_model(digest, model))
            .map_err(|fault| refused("model", fault))
    }

    fn of_run(path: &Path, digest: String, run: Run, network: Network) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().and_then(Path::file_name);
        let state = run.state;
        Self {
            digest,
            name: folder.map_or_else(
                || "run".to_owned(),
                |folder| folder.to_string_lossy().into_owned(),
            ),
            architecture: state.settings.network,
            network,
            weights: run.average,
            preprocessing: state.settings.preprocessing,
            temperature: state.temperature.unwrap_or(1.0),
            fitted_on: (state.temperature).map(|_| state.settings.validation_digest),
            history: state.history,
        }
    }

    fn of_model(digest: String, model: onnx::Decoded) -> Self {
        let ModelCard {
            name,
            preprocessing,
            temperature,
            training,
            ..
        } = model.card;
        Self {
            digest,
            name,
            architecture: model.architecture,
            network: model.network,
            weights: model.weights,
            preprocessing,
            temperature,
            fitted_on: training.and_then(|training| training.validation_digest),
            history: Vec::new(),
        }
    }
}

/// A safetensors file begins with the length of its JSON header, and the header with a brace.
fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

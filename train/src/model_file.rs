//! A trained network in a file: the checkpoint of a run, or an exported model.
//!
//! A checkpoint holds more (momentum, the weights before averaging), an exported model holds what the
//! daemon needs. Commands that measure or draw a network, or start from one, need what both have.

use std::path::Path;

use galmorph_cutout::{Framing, ModelCard, Preprocessing, Scaling};
use tch::Device;

use crate::data::Fold;
use crate::error::{Error, Result};
use crate::evaluation::{EpochRecord, Variant};
use crate::network::{Architecture, Network};
use crate::onnx;
use crate::torch::Weights;
use crate::training::{Run, StartingPoint, Teacher};

/// A network with its weights, and what is known of them.
pub(crate) struct TrainedModel {
    /// The BLAKE3 digest of the file, in lower-case hexadecimal.
    pub(crate) digest: String,
    /// The model's name; for a checkpoint, the name of its folder.
    pub(crate) name: String,
    /// The network and its parameters.
    pub(crate) architecture: Architecture,
    /// The network's description.
    pub(crate) network: Network,
    /// The averaged weights, f32.
    pub(crate) weights: Weights,
    /// How an image becomes the network's input.
    pub(crate) preprocessing: Preprocessing,
    /// How the galaxy's frame was found in the training images.
    pub(crate) framing: Framing,
    /// The [digest](crate::data::Dataset::digest) of the training images, if it is known.
    pub(crate) learned_from: Option<String>,
    /// How the outputs are calibrated.
    pub(crate) scaling: Scaling,
    /// The [digest](crate::data::Dataset::digest) of the images that the temperature was fitted on, if
    /// it was.
    pub(crate) fitted_on: Option<String>,
    /// The fold that was held out in training, if it was of folds.
    pub(crate) held_out: Option<Fold>,
    /// What was done to it after its training.
    pub(crate) variant: Variant,
    /// The epochs of the training; empty for an exported model.
    pub(crate) history: Vec<EpochRecord>,
}

impl TrainedModel {
    /// Opens a checkpoint (`.safetensors`) or an exported model (`.onnx`); the contents tell which it is.
    ///
    /// # Errors
    /// When the file can't be read or is neither of the two.
    pub(crate) fn load(path: &Path, device: Device) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let digest = blake3::hash(&bytes).to_hex().to_string();
        if is_safetensors(&bytes) {
            let (run, network) =
                Run::parse(&bytes, device).map_err(Error::unusable("checkpoint", path))?;
            return Ok(Self::of_run(path, digest, run, network));
        }
        let unusable = Error::unusable("model", path);
        let model = onnx::decode(&bytes, device).map_err(&unusable)?;
        let adaptation = onnx::adaptation(&bytes).map_err(&unusable)?;
        let variant = Variant::of(&model.card, adaptation.as_deref());
        Ok(Self::of_model(digest, model, variant))
    }

    /// What a new run needs to start from this network.
    pub(crate) fn into_starting_point(self) -> StartingPoint {
        StartingPoint {
            name: self.name,
            network: self.network,
            weights: self.weights,
        }
    }

    /// What a run needs to learn from this network.
    pub(crate) fn into_teacher(self) -> Teacher {
        Teacher {
            name: self.name,
            digest: self.digest,
            network: self.network,
            weights: self.weights,
            preprocessing: self.preprocessing,
            held_out: self.held_out,
        }
    }

    fn of_run(path: &Path, digest: String, run: Run, network: Network) -> Self {
        // "checkpoint.safetensors" alone doesn't say which folder it is in.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().and_then(Path::file_name);
        let state = run.state;
        let scaling = state.scaling();
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
            framing: Framing::Paper,
            learned_from: Some(state.settings.data_digest),
            scaling,
            fitted_on: (state.temperature).map(|_| state.settings.validation_digest),
            held_out: state.settings.fold,
            variant: Variant::default(),
            history: state.history,
        }
    }

    fn of_model(digest: String, model: onnx::Decoded, variant: Variant) -> Self {
        let scaling = model.card.scaling();
        let ModelCard {
            name,
            preprocessing,
            framing,
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
            // A card that doesn't say it is of a time when there was one.
            framing: framing.unwrap_or(Framing::Paper),
            learned_from: training.as_ref().map(|t| t.data_digest.clone()),
            scaling,
            held_out: training.as_ref().and_then(|t| Fold::try_from(t.fold?).ok()),
            fitted_on: training.and_then(|training| training.validation_digest),
            variant,
            history: Vec::new(),
        }
    }
}

/// A safetensors file begins with the length of its JSON header (eight bytes), and the header with a
/// brace.
fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

//! The settings of a run: everything that its result depends on.

use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::schedule::Schedule;
use crate::data::Targets;
use crate::network::Architecture;
use crate::torch::Precision;

/// The settings of a run. A checkpoint resumes with equal settings only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The network.
    pub(crate) network: Architecture,
    /// The BLAKE3 digest of the file that the first weights came from; `None` for random weights.
    #[serde(default)]
    pub(crate) start: Option<String>,
    /// The [digest](crate::data::Dataset::digest) of the training images.
    pub(crate) data_digest: String,
    /// The digest of the validation images.
    pub(crate) validation_digest: String,
    /// The number of training images.
    pub(crate) images: usize,
    /// The seed of all random numbers.
    pub(crate) seed: u64,
    /// Passes over the training images.
    pub(crate) epochs: u32,
    /// Images in a batch.
    pub(crate) batch: usize,
    /// How the learning rate changes.
    pub(crate) schedule: Schedule,
    /// The largest learning rate.
    pub(crate) rate: f64,
    /// The factor of each weight that is added to its gradient: L2 regularisation.
    pub(crate) weight_decay: f64,
    /// What the network learns to predict. Checkpoints that don't say are of labels.
    #[serde(default)]
    pub(crate) targets: Targets,
    /// The probability that is taken from the true class and spread over all (Szegedy et al. 2016).
    pub(crate) label_smoothing: f64,
    /// The fraction of the averaged weights that each step keeps.
    pub(crate) average_decay: f64,
    /// The precision of the network's arithmetic.
    pub(crate) precision: Precision,
    /// The random changes to the training images.
    pub(crate) augmentation: Augmentation,
}

impl Settings {
    /// The settings in which two runs differ, each as `name (value here, value there)`.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let theirs = other.fields();
        self.fields()
            .into_iter()
            .filter(|(name, value)| theirs.get(name) != Some(value))
            .map(|(name, value)| format!("{name} ({value} here, {} there)", theirs[&name]))
            .collect()
    }

    #[expect(
        clippy::expect_used,
        reason = "a struct of numbers and strings has a JSON object"
    )]
    fn fields(&self) -> serde_json::Map<String, serde_json::Value> {
        let value = serde_json::to_value(self).expect("settings can be written as JSON");
        value.as_object().expect("a struct is an object").clone()
    }
}

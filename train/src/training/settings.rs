//! The settings of a run: everything that its result depends on.

use galmorph_cutout::Preprocessing;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::schedule::Schedule;
use crate::data::{Fold, Targets};
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
    /// The fold that was held out, if the run is of folds: its galaxies are the validation images.
    #[serde(default)]
    pub(crate) fold: Option<Fold>,
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
    /// The BLAKE3 digests of the files of the networks whose answers are learned, too.
    #[serde(default)]
    pub(crate) teachers: Vec<String>,
    /// The share of their answer in what is learned; 0 without teachers.
    #[serde(default)]
    pub(crate) teacher_share: f64,
    /// The probability that is taken from the true class and spread over all (Szegedy et al. 2016).
    pub(crate) label_smoothing: f64,
    /// The parameter of the shares of mixed views (Zhang et al. 2018); 0 to mix none.
    #[serde(default)]
    pub(crate) mixup: f64,
    /// The fraction of the averaged weights that each step keeps.
    pub(crate) average_decay: f64,
    /// The precision of the network's arithmetic.
    pub(crate) precision: Precision,
    /// How an image becomes a view, in training and in validation; the model's card repeats it.
    /// Checkpoints from before it was recorded were trained with the default.
    #[serde(default)]
    pub(crate) preprocessing: Preprocessing,
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A short run of a small network, with views that are not the default ones.
    pub(crate) fn settings() -> Settings {
        Settings {
            network: "zhu2019 k=0.1 N=1".parse().unwrap(),
            start: None,
            data_digest: "d1".into(),
            validation_digest: "d2".into(),
            fold: None,
            images: 10,
            seed: 1,
            epochs: 1,
            batch: 2,
            schedule: Schedule::OneCycle,
            rate: 0.1,
            weight_decay: 1e-4,
            targets: Targets::Labels,
            teachers: Vec::new(),
            teacher_share: 0.0,
            label_smoothing: 0.0,
            mixup: 0.0,
            average_decay: 0.9,
            precision: Precision::F32,
            preprocessing: Preprocessing {
                test_scales: vec![190, 210],
                resize: 72,
                ..Preprocessing::default()
            },
            augmentation: Augmentation::default(),
        }
    }

    #[test]
    fn settings_from_before_preprocessing_was_recorded_have_the_default() {
        let mut value = serde_json::to_value(settings()).unwrap();
        value.as_object_mut().unwrap().remove("preprocessing");
        let read: Settings = serde_json::from_value(value).unwrap();
        assert_eq!(read.preprocessing, Preprocessing::default());
        let differences = settings().differences(&read);
        assert!(
            matches!(&differences[..], [one] if one.starts_with("preprocessing (")),
            "{differences:?}"
        );
    }

    #[test]
    fn every_network_of_the_paper_takes_the_views_of_the_default() {
        let wanted = Preprocessing::default().crop as usize;
        for architecture in Architecture::all() {
            if architecture.name() == "basic-resnet" {
                continue;
            }
            let shape = architecture.describe().view_shape();
            assert_eq!(shape, [3, wanted, wanted], "{architecture}");
        }
    }
}

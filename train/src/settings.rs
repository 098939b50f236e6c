//! What a run is: everything that its result depends on.

use galmorph_cutout::Preprocessing;
use serde::{Deserialize, Serialize};

use crate::augmentation::Augmentation;
use crate::network::Architecture;
use crate::schedule::Schedule;
use crate::targets::Targets;
use crate::torch::Precision;

/// The settings of a run. A checkpoint can be resumed with the same settings only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The network.
    pub network: Architecture,
    /// The BLAKE3 digest of the file with the weights that it started from; none when they were random.
    #[serde(default)]
    pub start: Option<String>,
    /// The [digest](crate::data::Dataset::digest) of the images that it learns from.
    pub data_digest: String,
    /// The digest of the images that it is measured on.
    pub validation_digest: String,
    /// How many it learns from.
    pub images: usize,
    /// The seed of everything random.
    pub seed: u64,
    /// Passes over the images.
    pub epochs: u32,
    /// Images in a batch.
    pub batch: usize,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// The largest learning rate.
    pub rate: f64,
    /// The gradient's share of each weight: L2 regularisation.
    pub weight_decay: f64,
    /// What it learns to answer; checkpoints that do not say are of labels.
    #[serde(default)]
    pub targets: Targets,
    /// The probability that is taken from the true class and spread over all (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// The part of the averaged weights that is kept each step.
    pub average_decay: f64,
    /// The kind of number to compute with.
    pub precision: Precision,
    /// How an image becomes a view, in training and in validation; the model's card repeats it.
    /// Checkpoints from before it was recorded were trained with the default.
    #[serde(default)]
    pub preprocessing: Preprocessing,
    /// How training views differ from test views.
    pub augmentation: Augmentation,
}

impl Settings {
    /// The names of the settings in which two runs differ.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let fields = |settings: &Self| match serde_json::to_value(settings) {
            Ok(serde_json::Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let theirs = fields(other);
        fields(self)
            .into_iter()
            .filter(|(name, value)| theirs.get(name) != Some(value))
            .map(|(name, value)| {
                let there = theirs.get(&name).cloned().unwrap_or_default();
                format!("{name} ({value} here, {there} there)")
            })
            .collect()
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
            images: 10,
            seed: 1,
            epochs: 1,
            batch: 2,
            schedule: Schedule::OneCycle,
            rate: 0.1,
            weight_decay: 1e-4,
            targets: Targets::Labels,
            label_smoothing: 0.0,
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
    fn every_network_takes_the_views_of_the_default() {
        let wanted = Preprocessing::default().crop as usize;
        for name in Architecture::NAMES {
            let network = name.parse::<Architecture>().unwrap().describe();
            let shape = network.nodes[0].shape;
            assert_eq!((shape.width, shape.height), (wanted, wanted), "{name}");
        }
    }
}

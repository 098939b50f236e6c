//! An evaluation as a file: everything that was measured of one network on one set of images.

use std::path::Path;

use galmorph_cutout::{CalibrationError, Measurement, ModelCard, Recall, ScaleAccuracy, Scaling};
use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::balanced::Balanced;
use super::by::ByColumn;
use super::epoch::EpochRecord;
use super::paper::{self, Figures};
use crate::data::group;
use crate::error::{Error, Result};
use crate::metrics::{
    self, ByLabel, Calibration, CoverageReport, Estimate, Metrics, PurityCurve, Roc,
};
use crate::torch::Precision;

/// What was measured of a network: the contents of `evaluation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The version of this description; see [`Evaluation::FORMAT`].
    pub(crate) format: u32,
    /// What was evaluated.
    pub subject: Subject,
    /// The part of the labels: a split (`train`, `validation` or `test`), or a fold (`fold 0`),
    /// or `out of fold`.
    pub(crate) split: String,
    /// The digest of its images and labels.
    pub(crate) data_digest: String,
    /// The number of images.
    pub images: usize,
    /// Images that the network gave no answer to.
    pub(crate) unanswered: u64,
    /// The test scales Q, in pixels.
    pub test_scales: Vec<u32>,
    /// The number of positions in which the network saw each view: 1, or 8 with the symmetries of the
    /// square.
    pub symmetries: usize,
    /// The metrics of one test scale at a time, at the model's temperature.
    pub per_scale: Vec<AtScale>,
    /// The mean of these accuracies (the paper's Table 6). It is not the accuracy of the averaged answers.
    pub(crate) mean_of_scales: Option<Estimate>,
    /// The metrics of the answers averaged over the test scales, at the model's temperature: what the
    /// daemon answers.
    pub averaged: Metrics,
    /// The ROC curves of the averaged answers, class by class.
    pub roc: Vec<Roc>,
    /// How well calibrated the averaged answers are.
    pub(crate) calibration: CalibrationReport,
    /// Sets of classes with a coverage that was asked. Empty in evaluations from before there were sets.
    #[serde(default)]
    pub(crate) coverage: Vec<CoverageReport>,
    /// Samples of each class.
    #[serde(default)]
    pub(crate) purity: Vec<PurityCurve>,
    /// The decision by equal recall.
    #[serde(default)]
    pub(crate) balanced: Option<Balanced>,
    /// The accuracy by the columns that were asked for.
    #[serde(default)]
    pub(crate) by: Vec<ByColumn>,
    /// The epochs of the training, if they are known.
    #[serde(default)]
    pub history: Vec<EpochRecord>,
    /// What the paper reports of a network of this kind, if it does.
    #[serde(default)]
    pub(crate) paper: Option<Figures>,
}

/// The network that is evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The model's name.
    pub model: String,
    /// The network and its hyperparameters, as in the model card.
    pub(crate) network: String,
    /// The number of learned values.
    pub(crate) parameters: usize,
    /// Multiply-adds for one view.
    pub(crate) multiply_adds: usize,
    /// The temperature of the outputs, and the biases if there are any.
    #[serde(flatten)]
    pub(crate) scaling: Scaling,
    /// The precision of the arithmetic.
    pub(crate) precision: Precision,
    /// What was done to the network after its training.
    #[serde(default)]
    pub(crate) variant: Variant,
}

/// What was done to a network after its training. Two variants of one network give other answers, so what was measured
/// of one says nothing of the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Variant {
    /// The BLAKE3 digest of the record of its adaptation to another survey, if it was adapted.
    adaptation: Option<String>,
    /// Whether it computes in 8 bits.
    eight_bits: bool,
}

impl Variant {
    /// The variant of a model with this card, and with this record if it was adapted.
    pub(crate) fn of(card: &ModelCard, adaptation: Option<&str>) -> Self {
        let digest = |record: &str| blake3::hash(record.as_bytes()).to_hex().to_string();
        Self {
            adaptation: adaptation.map(digest),
            eight_bits: card.quantisation.is_some(),
        }
    }
}

/// The metrics of one test scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtScale {
    /// The test scale Q in pixels.
    pub(crate) scale: u32,
    /// The metrics of this scale's views alone.
    pub(crate) metrics: Metrics,
}

/// How well calibrated the confidence is, without and with the model's temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CalibrationReport {
    /// At a temperature of 1.
    pub(crate) before: Calibration,
    /// At the model's temperature.
    pub(crate) after: Calibration,
    /// Whether that temperature was fitted on these same images. This makes `after` a little too good;
    /// `cross_fitted` is the estimate for other images.
    pub(crate) fitted_on_these_images: bool,
    /// When each half of the images is answered at the temperature fitted on the other half. `None` if a
    /// half has no best temperature.
    pub(crate) cross_fitted: Option<CrossFittedError>,
    /// What the calibration error of `after` would be if the network were perfectly calibrated.
    #[serde(default)]
    pub(crate) perfect: Option<Estimate>,
    /// The calibration of `after`, label by label.
    #[serde(default)]
    pub(crate) by_label: Vec<ByLabel>,
}

/// The calibration at temperatures that were fitted on other images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CrossFittedError {
    /// The temperatures fitted on the images with an even index, and on those with an odd index.
    pub(crate) temperatures: [f32; 2],
    /// Whether biases were fitted with them.
    #[serde(default)]
    pub(crate) biased: bool,
    /// The expected calibration error, as in [`Calibration`].
    pub(crate) error: Estimate,
    /// The mean negative log-likelihood, in nats.
    pub(crate) negative_log_likelihood: Estimate,
    /// The Brier score.
    pub(crate) brier_score: Estimate,
}

impl Evaluation {
    /// The version that this program writes, and the only one that it reads.
    pub(crate) const FORMAT: u32 = 1;

    /// Measures the answers of a network to the images of `part`, whose digest is `data_digest`.
    /// `fitted_on` is the digest of the images that its temperature was fitted on, if it is known.
    ///
    /// # Errors
    /// When there is no image.
    pub(crate) fn new(
        subject: Subject,
        (part, data_digest): (&str, &str),
        answers: &Answers,
        fitted_on: Option<&str>,
    ) -> Result<Self> {
        let scaling = subject.scaling;
        let predictions = answers.averaged(scaling);
        let averaged = metrics::metrics(&predictions);
        let groups: Vec<u8> = answers.ids().iter().map(|id| group(id)).collect();
        let calibration = calibration(answers, scaling, fitted_on == Some(data_digest))
            .ok_or_else(|| Error::Input(format!("no galaxy in the split '{part}'")))?;
        let at_scales: Vec<_> = (0..answers.scales().len())
            .map(|number| answers.at_scale(number, scaling))
            .collect();
        let per_scale = (answers.scales().iter().zip(&at_scales))
            .map(|(scale, predictions)| AtScale {
                scale: *scale,
                metrics: metrics::metrics(predictions),
            })
            .collect();
        Ok(Self {
            format: Self::FORMAT,
            paper: paper::figures(&subject.network),
            subject,
            split: part.to_owned(),
            data_digest: data_digest.to_owned(),
            images: predictions.len(),
            unanswered: averaged.confusion.unanswered.iter().sum(),
            test_scales: answers.scales().to_vec(),
            symmetries: answers.symmetries().count(),
            per_scale,
            mean_of_scales: metrics::mean_accuracy(&at_scales),
            averaged,
            roc: metrics::curves(&predictions),
            calibration,
            coverage: metrics::coverage(&predictions, &groups),
            purity: metrics::purity_curves(&predictions, &groups),
            balanced: Balanced::of(&predictions),
            by: Vec::new(),
            history: Vec::new(),
        })
    }

    /// What the card of the model says of these images.
    pub(crate) fn measurement(&self) -> Measurement {
        // A card has no room for "undefined"; the number of images in the same entry is 0.
        let value = |estimate: Option<Estimate>| estimate.map_or(0.0, |estimate| estimate.value);
        let per_scale = self.per_scale.iter().map(|at| ScaleAccuracy {
            scale: at.scale,
            accuracy: value(at.metrics.accuracy),
        });
        let per_class = self.averaged.per_class.iter().map(|class| Recall {
            class: class.class.clone(),
            images: class.images as usize,
            recall: value(class.recall),
        });
        let calibration = &self.calibration;
        Measurement {
            of: Some(self.split.clone()),
            images: self.images,
            accuracy: value(self.averaged.accuracy),
            per_scale: per_scale.collect(),
            per_class: per_class.collect(),
            calibration: Some(CalibrationError {
                before: calibration.before.error.value,
                after: calibration.after.error.value,
                cross_fitted: calibration
                    .cross_fitted
                    .as_ref()
                    .map(|found| found.error.value),
            }),
        }
    }

    /// Reads an `evaluation.json`.
    ///
    /// # Errors
    /// When the file can't be read, is of another kind, or has another version.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Self::parse(&bytes).map_err(Error::unusable("evaluation", path))
    }

    fn parse(bytes: &[u8]) -> std::result::Result<Self, RecordError> {
        // The format first: an evaluation of another format may lack every other field.
        let value: serde_json::Value = serde_json::from_slice(bytes)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(Self::FORMAT) => Ok(serde_json::from_value(value)?),
            Some(format) => Err(RecordError::Format(format)),
            None => Err(RecordError::NoFormat),
        }
    }
}

/// Why a file is no evaluation that can be read.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("it has format {0}, and this program reads format {known}; evaluate again", known = Evaluation::FORMAT)]
    Format(u64),
    #[error("it states no format (was it written by galmorph-train evaluate?)")]
    NoFormat,
}

fn calibration(
    answers: &Answers,
    scaling: Scaling,
    fitted_on_these_images: bool,
) -> Option<CalibrationReport> {
    let with = |scaling| metrics::calibration(&answers.averaged(scaling), scaling);
    let crossed = answers.best_scaling().and_then(|best| best.cross_fitted);
    let cross_fitted = crossed.and_then(|crossed| {
        let found = metrics::calibration(&crossed.predictions, scaling)?;
        Some(CrossFittedError {
            temperatures: crossed.scalings.map(|scaling| scaling.temperature),
            biased: crossed
                .scalings
                .iter()
                .any(|scaling| scaling.bias.is_some()),
            error: found.error,
            negative_log_likelihood: found.negative_log_likelihood,
            brier_score: found.brier_score,
        })
    });
    let predictions = answers.averaged(scaling);
    Some(CalibrationReport {
        before: with(Scaling::NONE)?,
        after: with(scaling)?,
        fitted_on_these_images,
        cross_fitted,
        perfect: metrics::perfectly_calibrated(&predictions),
        by_label: metrics::by_label(&predictions),
    })
}

//! An evaluation as a file: everything that was measured of one network on one set of images.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::paper::{self, Figures};
use crate::checkpoint::EpochRecord;
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use crate::metrics::{self, Calibration, Estimate, Metrics, Roc};
use crate::torch::Precision;

/// What was measured of a network: the contents of `evaluation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The version of this description; see [`Evaluation::FORMAT`].
    pub format: u32,
    /// What was evaluated.
    pub subject: Subject,
    /// The split of the labels: `train`, `validation` or `test`.
    pub split: String,
    /// The digest of its images and labels.
    pub data_digest: String,
    /// How many images.
    pub images: usize,
    /// How many of them the network gave no answer to.
    pub unanswered: u64,
    /// The test scales Q, in pixels.
    pub test_scales: Vec<u32>,
    /// In how many positions each view was seen: 1, or 8 with the symmetries of the square.
    pub symmetries: usize,
    /// The metrics of one test scale at a time, at the model's temperature.
    pub per_scale: Vec<AtScale>,
    /// The mean of their accuracies (the paper's Table 6), which is not the accuracy of the averaged
    /// answers.
    pub mean_of_scales: Option<Estimate>,
    /// The metrics of the answers averaged over the test scales, at the model's temperature: what
    /// the daemon answers.
    pub averaged: Metrics,
    /// The ROC curves of the averaged answers, class by class.
    pub roc: Vec<Roc>,
    /// How honest the averaged answers' confidence is.
    pub calibration: CalibrationReport,
    /// The epochs of the training, where they are known.
    #[serde(default)]
    pub history: Vec<EpochRecord>,
    /// The paper's figures for a network of this kind, where it has some.
    #[serde(default)]
    pub paper: Option<Figures>,
}

/// What is evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The model's name.
    pub model: String,
    /// The network and its parameters, as in the model card.
    pub network: String,
    /// How many values were learned.
    pub parameters: usize,
    /// Multiply-adds for one view.
    pub multiply_adds: usize,
    /// The temperature that is applied to its outputs.
    pub temperature: f32,
    /// The kind of number that it computed with.
    pub precision: Precision,
}

/// The metrics of one test scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtScale {
    /// The test scale Q in pixels.
    pub scale: u32,
    /// What the views of this scale alone come to.
    pub metrics: Metrics,
}

/// How honest the confidence is, without and with the model's temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// At a temperature of 1.
    pub before: Calibration,
    /// At the model's temperature.
    pub after: Calibration,
    /// Whether that temperature was fitted on these very images, which flatters `after` a little;
    /// `cross_fitted` is the estimate for images that it was not fitted on.
    pub fitted_on_these_images: bool,
    /// When one half of these images is answered at the temperature fitted on the other; none where
    /// there is no best temperature.
    pub cross_fitted: Option<CrossFittedError>,
}

/// The calibration of images at temperatures that were fitted without them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossFittedError {
    /// The temperatures fitted on the images of even and of odd number.
    pub temperatures: [f32; 2],
    /// The expected calibration error, as in [`Calibration`].
    pub error: Estimate,
    /// The mean negative log-likelihood, in nats.
    pub negative_log_likelihood: Estimate,
    /// The Brier score.
    pub brier_score: Estimate,
}

impl Evaluation {
    /// The version that this program writes, and the only one that it reads.
    pub const FORMAT: u32 = 1;

    /// Measures the answers of a network. `fitted_on` is the digest of the images that its temperature
    /// was fitted on, where it is known.
    ///
    /// # Errors
    /// When there is no image.
    pub fn new(
        subject: Subject,
        (split, dataset): (Split, &Dataset),
        answers: &Answers,
        fitted_on: Option<&str>,
    ) -> Result<Self> {
        let temperature = subject.temperature;
        let predictions = answers.averaged(temperature);
        let averaged = metrics::metrics(&predictions);
        let calibration = calibration(answers, temperature, fitted_on == Some(&dataset.digest))
            .ok_or_else(|| Error::Input(format!("no galaxy in the split '{split}'")))?;
        let at_scales: Vec<_> = (0..answers.scales().len())
            .map(|number| answers.at_scale(number, temperature))
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
            split: split.to_string(),
            data_digest: dataset.digest.clone(),
            images: predictions.len(),
            unanswered: averaged.confusion.unanswered.iter().sum(),
            test_scales: answers.scales().to_vec(),
            symmetries: answers.symmetries().count(),
            per_scale,
            mean_of_scales: metrics::mean_accuracy(&at_scales),
            averaged,
            roc: metrics::curves(&predictions),
            calibration,
            history: Vec::new(),
        })
    }

    /// Reads an `evaluation.json`.
    ///
    /// # Errors
    /// When it can't be read, is none, or was written by a program of another version.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let refused = |reason: String| {
            Error::Artefact(format!(
                "cannot use evaluation '{}': {reason}",
                path.display()
            ))
        };
        // The format first: another format may lack every other field.
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(Self::FORMAT) => {}
            Some(format) => {
                return Err(refused(format!(
                    "it has format {format}, and this program reads format {}; evaluate again",
                    Self::FORMAT
                )));
            }
            None => {
                return Err(refused(
                    "it states no format (written by galmorph-train evaluate?)".into(),
                ));
            }
        }
        serde_json::from_value(value).map_err(|error| refused(error.to_string()))
    }
}

fn calibration(
    answers: &Answers,
    temperature: f32,
    fitted_on_these_images: bool,
) -> Option<CalibrationReport> {
    let at = |temperature| metrics::calibration(&answers.averaged(temperature), temperature);
    let cross_fitted = metrics::cross_fitted(&answers.views()).and_then(|crossed| {
        let found = metrics::calibration(&crossed.predictions, temperature)?;
        Some(CrossFittedError {
            temperatures: crossed.temperatures,
            error: found.error,
            negative_log_likelihood: found.negative_log_likelihood,
            brier_score: found.brier_score,
        })
    });
    Some(CalibrationReport {
        before: at(1.0)?,
        after: at(temperature)?,
        fitted_on_these_images,
        cross_fitted,
    })
}

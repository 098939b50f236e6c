//! Where a model comes from, and what it reached.

use serde::{Deserialize, Serialize};

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The number of images it was trained on.
    pub images: usize,
    /// The BLAKE3 digest, in hexadecimal, of the labels and the image files.
    pub data_digest: String,
    /// The same digest of the validation set, on which its epochs were compared and its temperature was
    /// fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_digest: Option<String>,
    /// The fold of the galaxies that was held out as the validation set, where the training was of folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<u8>,
    /// The seed of everything random.
    pub seed: u64,
    /// The number of passes over the images.
    pub epochs: u32,
    /// The commit of the training program, or `unknown`.
    pub commit: String,
    /// The command line that trained it.
    pub command: String,
}

/// A measurement on one set of labelled images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Which images, where `calibrate` took the measurement from an evaluation: `validation`, `test`, `fold 2`, or
    /// `out of fold`, by networks of the same kind that were each trained without the images that it answered. Absent: the
    /// validation set of the training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The number of images.
    pub images: usize,
    /// The fraction classified correctly when the views are averaged.
    pub accuracy: f64,
    /// The fraction classified correctly from one view alone, for each test scale.
    pub per_scale: Vec<ScaleAccuracy>,
    /// The recall of each class, views averaged ("class accuracy" in the paper).
    pub per_class: Vec<Recall>,
    /// How well calibrated the confidence is; `None` when the temperature was not fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationError>,
}

/// The expected calibration error (Guo et al. 2017, with 15 bins of equal width), views averaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationError {
    /// At a temperature of 1.
    pub before: f64,
    /// At the card's temperature, on the images that it was fitted on.
    pub after: f64,
    /// With each half of the images at the temperature that was fitted on the other half: the estimate
    /// for images that the temperature was not fitted on. `None` when a half has no best temperature.
    pub cross_fitted: Option<f64>,
}

/// The accuracy at one test scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleAccuracy {
    /// The test scale Q in pixels.
    pub scale: u32,
    /// The fraction classified correctly.
    pub accuracy: f64,
}

/// The recall of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// The class's short name.
    pub class: String,
    /// The number of images that the labels put in this class.
    pub images: usize,
    /// The fraction of those that were classified correctly.
    pub recall: f64,
}

//! Two models on the same images: how far their predictions are apart, and which is better.
//!
//! Storing a model in 8 bits, or computing it in another precision, should change nothing. This compares
//! such a model with the original, image by image. The two accuracies alone would hide changes in both
//! directions. Of two different models it says whether the difference is more than chance.

use std::collections::HashMap;
use std::path::Path;

use galmorph_cutout::{Morphology, Scaling};
use galmorph_output::readable;

use super::answers::Answers;
use crate::error::{Error, Result};
use crate::metrics::{self, Comparison, Pair, Prediction};

/// A model beside another one.
pub(crate) struct Against {
    /// How far the predictions are apart.
    pub(crate) agreement: Agreement,
    /// Which model is right how often.
    pub(crate) comparison: Comparison,
}

/// The differences between two models' predictions for the same images.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Agreement {
    /// The number of images.
    images: usize,
    /// Images with the same label.
    same_label: usize,
    /// The largest difference of a probability.
    largest: f64,
    /// The mean over the images of the largest difference among an image's five probabilities.
    mean: f64,
}

/// One row of `predictions.csv`. The label and the probabilities are `None` where there was no answer.
struct Earlier {
    truth: Option<Morphology>,
    label: Option<Morphology>,
    probabilities: [Option<f32>; Morphology::COUNT],
}

/// Compares answers with those in the `predictions.csv` of another evaluation.
///
/// # Errors
/// When the file can't be read, or holds predictions for other images or labels.
pub(crate) fn against(answers: &Answers, scaling: Scaling, path: &Path) -> Result<Against> {
    let earlier = read(path)?;
    let predictions = answers.averaged(scaling);
    if earlier.len() != predictions.len() {
        return Err(Error::Input(format!(
            "'{}' has the answers to {} images, not to these {}",
            readable(path),
            earlier.len(),
            predictions.len()
        )));
    }
    let mut agreement = Agreement {
        images: predictions.len(),
        ..Agreement::default()
    };
    let mut pairs = Vec::with_capacity(predictions.len());
    for (id, prediction) in answers.ids().iter().zip(&predictions) {
        let other = earlier.get(id).ok_or_else(|| {
            Error::Input(format!("'{}' has no answer to galaxy {id}", readable(path)))
        })?;
        if other.truth != Some(prediction.truth) {
            return Err(Error::Input(format!(
                "'{}' has another class for galaxy {id} than {}",
                readable(path),
                prediction.truth
            )));
        }
        agreement.same_label += usize::from(prediction.label() == other.label);
        let difference = largest_difference(prediction, &other.probabilities);
        agreement.largest = agreement.largest.max(difference);
        agreement.mean += difference / agreement.images as f64;
        pairs.push(Pair {
            truth: prediction.truth,
            label: prediction.label(),
            other: other.label,
        });
    }
    let comparison = metrics::compare(&pairs)
        .ok_or_else(|| Error::Input(format!("'{}' has no answer", readable(path))))?;
    Ok(Against {
        agreement,
        comparison,
    })
}

/// The largest difference of a probability; 1 if only one of the two models has an answer.
fn largest_difference(now: &Prediction, then: &[Option<f32>; Morphology::COUNT]) -> f64 {
    let then = then.iter().copied().collect::<Option<Vec<f32>>>();
    match (now.answer, then) {
        (Some(now), Some(then)) => (now.values().iter().zip(then))
            .map(|(a, b)| f64::from((a - b).abs()))
            .fold(0.0, f64::max),
        (None, None) => 0.0,
        _ => 1.0,
    }
}

fn read(path: &Path) -> Result<HashMap<String, Earlier>> {
    let unreadable = Error::input_file::<csv::Error>("predictions", path);
    let mut table = csv::Reader::from_path(path).map_err(&unreadable)?;
    let header = table.headers().map_err(&unreadable)?;
    let column = |name: &str| {
        (header.iter().position(|cell| cell == name)).ok_or_else(|| {
            Error::Input(format!(
                "'{}' has no column '{name}' (is it a predictions.csv of galmorph-train evaluate?)",
                readable(path)
            ))
        })
    };
    let (id, truth, label) = (column("id")?, column("truth")?, column("label")?);
    let mut probabilities = [0; Morphology::COUNT];
    for class in Morphology::ALL {
        probabilities[class.id()] = column(&format!("p_{}", class.name()))?;
    }
    table
        .records()
        .map(|row| {
            let row = row.map_err(&unreadable)?;
            let cell = |column: usize| row.get(column).unwrap_or_default();
            let earlier = Earlier {
                truth: cell(truth).parse().ok(),
                label: cell(label).parse().ok(),
                probabilities: probabilities.map(|column| cell(column).parse().ok()),
            };
            Ok((cell(id).to_owned(), earlier))
        })
        .collect()
}

impl std::fmt::Display for Agreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the same label for {} of {} images ({:.2} %); probabilities differ by {:.4} at most, {:.5} on average",
            self.same_label,
            self.images,
            100.0 * self.same_label as f64 / self.images.max(1) as f64,
            self.largest,
            self.mean
        )
    }
}

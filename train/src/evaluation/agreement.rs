//! How far the predictions of two models are apart.
//!
//! Storing a model in 8 bits, or computing it in another precision, should change nothing. This compares
//! such a model with the original, image by image. The two accuracies alone would hide changes in both
//! directions.

use std::collections::HashMap;
use std::path::Path;

use galmorph_cutout::Morphology;

use super::answers::Answers;
use crate::error::{Error, Result};
use crate::metrics::Prediction;

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

/// One row of `predictions.csv`: the label and the probabilities; `None` where there was no answer.
type Earlier = (Option<Morphology>, [Option<f32>; Morphology::COUNT]);

/// Compares answers with those in the `predictions.csv` of another evaluation.
///
/// # Errors
/// When the file can't be read, or holds predictions for other images.
pub(crate) fn agreement(answers: &Answers, temperature: f32, path: &Path) -> Result<Agreement> {
    let earlier = read(path)?;
    let predictions = answers.averaged(temperature);
    if earlier.len() != predictions.len() {
        return Err(Error::Input(format!(
            "'{}' has the answers to {} images, not to these {}",
            path.display(),
            earlier.len(),
            predictions.len()
        )));
    }
    let mut total = Agreement {
        images: predictions.len(),
        ..Agreement::default()
    };
    for (id, prediction) in answers.ids().iter().zip(&predictions) {
        let (label, probabilities) = earlier.get(id).ok_or_else(|| {
            Error::Input(format!("'{}' has no answer to galaxy {id}", path.display()))
        })?;
        total.same_label += usize::from(prediction.label() == *label);
        let difference = largest_difference(prediction, probabilities);
        total.largest = total.largest.max(difference);
        total.mean += difference / total.images as f64;
    }
    Ok(total)
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
                path.display()
            ))
        })
    };
    let (id, label) = (column("id")?, column("label")?);
    let mut probabilities = [0; Morphology::COUNT];
    for class in Morphology::ALL {
        probabilities[class.id()] = column(&format!("p_{}", class.name()))?;
    }
    table
        .records()
        .map(|row| {
            let row = row.map_err(&unreadable)?;
            let cell = |column: usize| row.get(column).unwrap_or_default();
            let label = cell(label).parse().ok();
            let values = probabilities.map(|column| cell(column).parse().ok());
            Ok((cell(id).to_owned(), (label, values)))
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

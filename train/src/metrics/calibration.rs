//! Calibration: whether predictions with a confidence of 0.9 are right nine times in ten.

use galmorph_cutout::{Estimate, Morphology, Scaling};
use serde::{Deserialize, Serialize};

use super::Prediction;
use super::interval::{Bootstrap, mean, measured, proportion};

/// The bins of the reliability curve, as many as in Guo et al. 2017.
pub(crate) const BINS: usize = 15;

/// The value that replaces a probability of 0 before its logarithm: the smallest step from 1, as in
/// scikit-learn.
pub(super) const LEAST_PROBABILITY: f64 = f64::EPSILON;

/// How well calibrated a set of predictions is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    /// The temperature of the predictions, and the biases if there are any.
    #[serde(flatten)]
    pub scaling: Scaling,
    /// The expected calibration error (Guo et al. 2017, equation 3, over [`BINS`] bins of equal width):
    /// the mean distance between confidence and accuracy. On a finite set of images it is never quite 0,
    /// however good the network is.
    pub error: Estimate,
    /// The mean negative log-likelihood of the true class, in nats.
    pub negative_log_likelihood: Estimate,
    /// The Brier score: the mean over images of the squared distance between the probabilities and
    /// the truth, summed over the classes; 0 to 2.
    pub brier_score: Estimate,
    /// The reliability curve; bins without an image are left out.
    pub reliability: Vec<Bin>,
}

/// The images with about the same confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bin {
    /// The lower end of the confidence, which is not part of the bin.
    pub above: f64,
    /// The upper end of the confidence, which is part of the bin.
    pub to: f64,
    /// The number of images.
    pub images: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The fraction of them that is correct, with Wilson's interval.
    pub accuracy: Estimate,
}

/// Sums over the images of a bin.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    images: u64,
    right: u64,
    confidence: f64,
}

/// Measures how well calibrated the predictions with a scaling are; `None` without an image.
///
/// The error has the interval of the basic bootstrap, the likelihood and the score that of the
/// percentile bootstrap.
pub(crate) fn calibration(
    predictions: &[Prediction],
    scaling: impl Into<Scaling>,
) -> Option<Calibration> {
    let likelihood: Vec<f64> = predictions.iter().map(negative_log_likelihood).collect();
    let brier: Vec<f64> = predictions.iter().map(brier_score).collect();
    let sure: Vec<Sure> = predictions.iter().map(Sure::of).collect();
    let statistics = |times: &[u32]| {
        vec![
            expected_error(&bins(&sure, times)),
            mean(&likelihood, times),
            mean(&brier, times),
        ]
    };
    let once = vec![1; predictions.len()];
    let values = statistics(&once);
    let bootstrap = Bootstrap::new(predictions.len(), statistics);
    let mut error = measured(values[0], bootstrap.basic(0, values[0]?))?;
    error.low = error.low.max(0.0);
    let mean_of = |number: usize| measured(values[number], bootstrap.percentile(number));
    Some(Calibration {
        scaling: scaling.into(),
        error,
        negative_log_likelihood: mean_of(1)?,
        brier_score: mean_of(2)?,
        reliability: reliability(&bins(&sure, &once)),
    })
}

/// The expected calibration error alone; `None` without an image.
pub(crate) fn calibration_error(predictions: &[Prediction]) -> Option<f64> {
    let sure: Vec<Sure> = predictions.iter().map(Sure::of).collect();
    expected_error(&bins(&sure, &vec![1; sure.len()]))
}

/// The mean negative log-likelihood of the true classes, in nats; NaN without an image.
pub(crate) fn log_loss(predictions: &[Prediction]) -> f64 {
    mean_negative_log_likelihood(predictions.iter().copied())
}

/// The mean negative log-likelihood of the true class, in nats; NaN without an image.
pub(super) fn mean_negative_log_likelihood(predictions: impl Iterator<Item = Prediction>) -> f64 {
    let (mut sum, mut images) = (0.0, 0.0);
    for prediction in predictions {
        sum += negative_log_likelihood(&prediction);
        images += 1.0;
    }
    sum / images
}

/// The confidence of a prediction, and whether it is correct.
pub(super) struct Sure {
    pub(super) confidence: f64,
    bin: usize,
    pub(super) right: bool,
}

impl Sure {
    pub(super) fn of(prediction: &Prediction) -> Self {
        let confidence = f64::from(prediction.confidence());
        let bin = (confidence * BINS as f64).ceil() as usize;
        Self {
            confidence,
            bin: bin.clamp(1, BINS) - 1,
            right: prediction.is_right(),
        }
    }
}

pub(super) fn bins(sure: &[Sure], times: &[u32]) -> [Sums; BINS] {
    let mut bins = [Sums::default(); BINS];
    for (sure, times) in sure.iter().zip(times) {
        let bin = &mut bins[sure.bin];
        bin.images += u64::from(*times);
        bin.right += u64::from(sure.right) * u64::from(*times);
        bin.confidence += sure.confidence * f64::from(*times);
    }
    bins
}

pub(super) fn expected_error(bins: &[Sums; BINS]) -> Option<f64> {
    let images: u64 = bins.iter().map(|bin| bin.images).sum();
    let distance = |bin: &Sums| (bin.right as f64 - bin.confidence).abs();
    (images > 0).then(|| bins.iter().map(distance).sum::<f64>() / images as f64)
}

fn reliability(bins: &[Sums; BINS]) -> Vec<Bin> {
    let edge = |number: usize| number as f64 / BINS as f64;
    (bins.iter().enumerate())
        .filter_map(|(number, bin)| {
            let images = bin.images as f64;
            Some(Bin {
                above: edge(number),
                to: edge(number + 1),
                images: bin.images,
                confidence: bin.confidence / images,
                accuracy: proportion(bin.right, bin.images)?,
            })
        })
        .collect()
}

fn negative_log_likelihood(prediction: &Prediction) -> f64 {
    let probability = f64::from(prediction.probability(prediction.truth));
    -probability.clamp(LEAST_PROBABILITY, 1.0).ln()
}

fn brier_score(prediction: &Prediction) -> f64 {
    let squares = Morphology::ALL.map(|class| {
        let truth = f64::from(u8::from(class == prediction.truth));
        (f64::from(prediction.probability(class)) - truth).powi(2)
    });
    squares.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::tests::prediction;
    use super::*;
    use Morphology::{Round, Spiral};

    /// Ten predictions of this confidence, of which `right` are correct.
    fn ten(confidence: f32, right: usize) -> Vec<Prediction> {
        let row = [confidence, 1.0 - confidence, 0.0, 0.0, 0.0];
        (0..10)
            .map(|n| prediction(if n < right { Round } else { Spiral }, row))
            .collect()
    }

    #[test]
    fn the_error_is_the_distance_of_confidence_from_accuracy() {
        let images = [ten(0.75, 5), ten(1.0, 10)].concat();
        let found = calibration(&images, 1.0).unwrap();
        assert!((found.error.value - 0.125).abs() < 1e-12);
        assert_eq!(calibration_error(&images), Some(found.error.value));
        assert!(found.error.low < 0.125 && 0.125 < found.error.high);
        assert_eq!(found.reliability.len(), 2);
        let bin = &found.reliability[0];
        assert_eq!(
            (bin.images, bin.confidence, bin.accuracy.value),
            (10, 0.75, 0.5)
        );
        assert!(bin.above < 0.75 && 0.75 <= bin.to);
        assert_eq!(found.reliability[1].to, 1.0);
    }

    #[test]
    fn certain_and_right_is_free_and_certain_and_wrong_is_finite() {
        let right = calibration(&ten(1.0, 10), 1.0).unwrap();
        assert_eq!(right.negative_log_likelihood.value, 0.0);
        assert_eq!(right.brier_score.value, 0.0);
        let wrong = calibration(&ten(1.0, 0), 1.0).unwrap();
        assert!((wrong.negative_log_likelihood.value - 36.04).abs() < 0.01);
        assert_eq!(wrong.brier_score.value, 2.0);
        assert_eq!(wrong.error.value, 1.0);
    }

    #[test]
    fn of_no_images_there_is_none() {
        assert_eq!(calibration(&[], 1.0), None);
        assert_eq!(calibration_error(&[]), None);
    }
}

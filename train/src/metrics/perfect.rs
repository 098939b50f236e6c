//! What the calibration error of a perfectly calibrated network would be, and the error label by label.
//!
//! On a finite number of galaxies the expected calibration error is never 0: in each bin the fraction that
//! is right scatters about the confidence, and the error counts the distance. A network is badly calibrated
//! only where its error is larger than chance.

use galmorph_cutout::{Estimate, Morphology};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Prediction;
use super::calibration::{Sure, bins, expected_error};
use super::interval::{RESAMPLES, ascending_quantile, proportion};

/// The seed of the simulated galaxies.
const SEED: u64 = 2020;

/// The calibration of the predictions with one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ByLabel {
    /// The label's short name.
    pub(crate) label: String,
    /// How many predictions have it.
    pub(crate) images: u64,
    /// Their mean confidence.
    pub(crate) confidence: f64,
    /// The fraction of them that is right, with Wilson's interval.
    pub(crate) accuracy: Estimate,
    /// Their expected calibration error.
    pub(crate) error: f64,
    /// What it would be under perfect calibration.
    pub(crate) perfect: Estimate,
}

/// The expected calibration error that these confidences would have if each were the probability of being
/// right: the mean over [`RESAMPLES`] simulations, and the interval in which 95 % of them lie. `None`
/// without an image.
pub(crate) fn perfectly_calibrated(predictions: &[Prediction]) -> Option<Estimate> {
    let sure: Vec<Sure> = predictions.iter().map(Sure::of).collect();
    simulate(sure)
}

fn simulate(mut sure: Vec<Sure>) -> Option<Estimate> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let once = vec![1; sure.len()];
    let mut errors = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for sure in &mut sure {
            sure.right = random.random::<f64>() < sure.confidence;
        }
        errors.push(expected_error(&bins(&sure, &once))?);
    }
    errors.sort_unstable_by(f64::total_cmp);
    Some(Estimate {
        value: errors.iter().sum::<f64>() / errors.len() as f64,
        low: ascending_quantile(&errors, 0.025)?,
        high: ascending_quantile(&errors, 0.975)?,
    })
}

/// The calibration of each label that occurs.
pub(crate) fn by_label(predictions: &[Prediction]) -> Vec<ByLabel> {
    let of = |label: Morphology| {
        let labelled = predictions.iter().filter(|p| p.label() == Some(label));
        let sure: Vec<Sure> = labelled.map(Sure::of).collect();
        let images = sure.len();
        let right = sure.iter().filter(|sure| sure.right).count();
        Some(ByLabel {
            label: label.name().to_owned(),
            images: images as u64,
            confidence: sure.iter().map(|sure| sure.confidence).sum::<f64>() / images as f64,
            accuracy: proportion(right as u64, images as u64)?,
            error: expected_error(&bins(&sure, &vec![1; images]))?,
            perfect: simulate(sure)?,
        })
    };
    Morphology::ALL.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::prediction;
    use super::*;
    use Morphology::{Round, Spiral};

    fn galaxies(count: usize, confidence: f32, right: usize) -> Vec<Prediction> {
        let row = [confidence, 1.0 - confidence, 0.0, 0.0, 0.0];
        (0..count)
            .map(|n| prediction(if n < right { Round } else { Spiral }, row))
            .collect()
    }

    #[test]
    fn chance_alone_makes_an_error_that_falls_with_the_number_of_galaxies() {
        // In one bin it is the mean distance of a binomial from its mean: sqrt(2 p (1 - p) / (pi n)).
        for count in [100, 10_000] {
            let found = perfectly_calibrated(&galaxies(count, 0.75, 0)).unwrap();
            let wanted = (2.0 * 0.75 * 0.25 / (std::f64::consts::PI * count as f64)).sqrt();
            let close = (found.value / wanted - 1.0).abs() < 0.05;
            assert!(close, "{found:?}, wanted {wanted}");
            assert!(found.low < wanted && wanted < found.high);
        }
        assert_eq!(perfectly_calibrated(&[]), None);
    }

    #[test]
    fn each_label_has_its_own_error() {
        let mut all = galaxies(100, 0.75, 75);
        all.push(prediction(Spiral, [0.0, 0.0, 0.0, 0.0, 1.0]));
        all.push(prediction(Spiral, [f32::NAN; 5]));
        let found = by_label(&all);
        let names: Vec<&str> = found.iter().map(|f| f.label.as_str()).collect();
        assert_eq!(names, ["round", "spiral"]);
        assert_eq!((found[0].images, found[0].error), (100, 0.0));
        assert_eq!((found[0].confidence, found[0].accuracy.value), (0.75, 0.75));
        assert_eq!((found[1].images, found[1].perfect.high), (1, 0.0));
    }
}

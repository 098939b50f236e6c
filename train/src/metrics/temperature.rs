//! Temperature scaling: one number that calibrates the confidence (Guo et al. 2017, section 4.2).
//!
//! The temperature is fitted to what the daemon answers: the *average* over an image's views, each at
//! the temperature. It is not fitted to single views, because the average of confident views that
//! disagree is less confident than they are.

use galmorph_cutout::{Morphology, Probabilities, Scaling};

use super::Prediction;
use super::calibration::mean_negative_log_likelihood;

/// The search covers temperatures from `1 / LIMIT` to `LIMIT`.
const LIMIT: f64 = 20.0;

/// The number of steps of equal ratio from 1 to the limit.
const STEPS: i32 = 24;

/// The precision of the temperature's logarithm. The likelihood is computed from 32-bit probabilities
/// and can't tell finer differences.
const TOLERANCE: f64 = 1e-4;

/// The network's outputs for the views of one image, and its true class.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Views<'a> {
    /// The class of the image's label.
    pub truth: Morphology,
    /// One softmax output for each view.
    pub rows: &'a [[f32; Morphology::COUNT]],
}

impl Views<'_> {
    /// The prediction at a temperature, or with biases too, as the daemon computes it.
    pub(crate) fn at(&self, scaling: impl Into<Scaling>) -> Prediction {
        Prediction {
            truth: self.truth,
            answer: Probabilities::average(self.rows, scaling),
        }
    }
}

/// Predictions at temperatures that were fitted on other images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CrossFitted {
    /// What was fitted on the images with an even index, and on those with an odd index.
    pub scalings: [Scaling; 2],
    /// All images in their order, each at the temperature of the half that it is not in.
    pub predictions: Vec<Prediction>,
}

/// The temperature that makes the true classes most likely. `None` if there is no best one: a network
/// without an error could always be surer, and a network that knows nothing is never unsure enough.
pub(crate) fn fit(images: &[Views]) -> Option<f32> {
    let loss = |log: f64| {
        let temperature = log.exp() as f32;
        mean_negative_log_likelihood(images.iter().map(|views| views.at(temperature)))
    };
    // The likelihood of an average may have several peaks, so a coarse search covers the whole range
    // first.
    let place = |step: i32| LIMIT.ln() * f64::from(step) / f64::from(STEPS);
    let best = (-STEPS..=STEPS)
        .map(|step| (step, loss(place(step))))
        .filter(|(_, loss)| loss.is_finite())
        .min_by(|(_, a), (_, b)| a.total_cmp(b))?
        .0;
    if best.abs() == STEPS {
        return None;
    }
    let log = golden_section(loss, place(best - 1), place(best + 1));
    Some(log.exp() as f32)
}

/// Fits a temperature, or biases too, on each half of the images (even and odd indices), and applies it to
/// the other half. This estimates what it does for images that it was not fitted on. `None` if nothing can
/// be fitted to a half.
pub(crate) fn cross_fitted(
    images: &[Views],
    fit: impl Fn(&[Views]) -> Option<Scaling>,
) -> Option<CrossFitted> {
    let half =
        |first: usize| -> Vec<Views> { images.iter().skip(first).step_by(2).copied().collect() };
    let scalings = [fit(&half(0))?, fit(&half(1))?];
    let predictions = (images.iter().enumerate())
        .map(|(number, views)| views.at(scalings[1 - number % 2]))
        .collect();
    Some(CrossFitted {
        scalings,
        predictions,
    })
}

/// The place of the minimum between two ends (Kiefer 1953).
fn golden_section(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (f(left), f(right));
    while high - low > TOLERANCE {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = f(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = f(right);
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Morphology::{InBetween, Round};

    type Row = [f32; Morphology::COUNT];

    fn temperature(images: &[Views]) -> Option<Scaling> {
        fit(images).map(Scaling::from)
    }

    /// A network that says 0.99 and is right nine times in ten.
    fn too_sure() -> (Row, Vec<Morphology>) {
        let truth = (0..200).map(|n| if n % 10 < 9 { Round } else { InBetween });
        ([0.99, 0.01, 0.0, 0.0, 0.0], truth.collect())
    }

    fn views<'a>(rows: &'a [Row], truth: &[Morphology]) -> Vec<Views<'a>> {
        truth
            .iter()
            .map(|truth| Views {
                truth: *truth,
                rows,
            })
            .collect()
    }

    #[test]
    fn a_network_that_is_too_sure_is_cooled_to_its_accuracy() {
        let (row, truth) = too_sure();
        let rows = [row; 4];
        let images = views(&rows, &truth);
        let temperature = fit(&images).unwrap();
        // Of two classes it divides the log odds: ln 99 becomes ln 9.
        assert!((temperature - 99.0_f32.ln() / 9.0_f32.ln()).abs() < 2e-3);
        let answer = images[0].at(temperature).answer.unwrap();
        assert!((answer.confidence() - 0.9).abs() < 1e-3);
    }

    #[test]
    fn the_average_is_fitted_and_not_its_views() {
        // The views' mean confidence is 0.795, and the answer is right nine times in ten.
        let rows = [[0.99, 0.01, 0.0, 0.0, 0.0], [0.6, 0.4, 0.0, 0.0, 0.0]];
        let images = views(&rows, &too_sure().1);
        let temperature = fit(&images).unwrap();
        assert!(temperature < 1.0);
        let answer = images[0].at(temperature).answer.unwrap();
        assert!((answer.confidence() - 0.9).abs() < 1e-3);
    }

    #[test]
    fn each_half_is_answered_at_the_temperature_of_the_other() {
        let sure = [[0.99, 0.01, 0.0, 0.0, 0.0]];
        let surer = [[0.999, 0.001, 0.0, 0.0, 0.0]];
        let truth = too_sure().1;
        // Twice each, so that either half has every tenth image wrong.
        let images: Vec<Views> = (truth.iter())
            .flat_map(|truth| {
                [&sure, &surer].map(|rows| Views {
                    truth: *truth,
                    rows,
                })
            })
            .collect();
        let found = cross_fitted(&images, temperature).unwrap();
        let [even, odd] = found.scalings.map(|scaling| scaling.temperature);
        assert!((even - 99.0_f32.ln() / 9.0_f32.ln()).abs() < 2e-3);
        assert!((odd - 999.0_f32.ln() / 9.0_f32.ln()).abs() < 2e-3);
        assert_eq!(found.predictions[0], images[0].at(odd));
        assert_eq!(found.predictions[1], images[1].at(even));
    }

    #[test]
    fn without_an_error_or_a_clue_there_is_no_best_temperature() {
        let rows = [[0.9, 0.1, 0.0, 0.0, 0.0]];
        assert_eq!(fit(&views(&rows, &[Round; 10])), None);
        assert_eq!(fit(&views(&rows, &[InBetween; 10])), None);
        assert_eq!(fit(&[]), None);
        assert_eq!(cross_fitted(&views(&rows, &[Round]), temperature), None);
    }

    #[test]
    fn impossible_truths_and_silence_do_not_disturb_the_fit() {
        let (row, mut truth) = too_sure();
        let rows = [row];
        let wanted = fit(&views(&rows, &truth)).unwrap();
        truth.push(Morphology::Spiral);
        let mut images = views(&rows, &truth);
        let silent = [[f32::NAN; Morphology::COUNT]];
        images.push(Views {
            truth: Round,
            rows: &silent,
        });
        assert!((fit(&images).unwrap() - wanted).abs() < 2e-3);
    }
}

//! Metrics of a network's predictions, as numbers with 95 % intervals.
//!
//! Everything here is a function of labelled predictions alone: no network, no file, no torch. So each
//! metric has one definition, which the training loop, the model card, the paper's tables and the tests
//! against scikit-learn share.
//!
//! Four conventions hold throughout:
//!
//! - An image without an answer (the network gave NaN) is wrong. It is in no column of the confusion
//!   matrix. In metrics of probabilities it counts as certain of every class but its own.
//! - An undefined value is `None`, never 0: the precision of a class that was never predicted, the
//!   recall of a class that does not occur, the AUC without a positive or without a negative.
//! - What is fitted to galaxies (thresholds) is measured on other galaxies: each of some groups at what was
//!   fitted to the other groups.
//! - Averages over classes are weighted by class size, as in the paper's Table 4, and taken over the
//!   classes for which the metric is defined.

mod bias;
mod calibration;
mod conformal;
mod confusion;
mod interval;
mod paired;
mod perfect;
mod purity;
mod roc;
#[cfg(test)]
mod scikit_learn;
mod summary;
mod temperature;

pub(crate) use bias::fit_biased;
pub(crate) use calibration::{Calibration, calibration, calibration_error, log_loss};
pub(crate) use conformal::{CoverageReport, Sets, coverage, fit_conformal};
pub(crate) use confusion::Confusion;
pub(crate) use interval::{Bootstrap, Interval, proportion};
pub(crate) use paired::{Comparison, Difference, Pair, compare};
pub(crate) use perfect::{ByLabel, by_label, perfectly_calibrated};
#[cfg(test)]
use purity::lowest_threshold;
pub(crate) use purity::{PurityCurve, purity, purity_curves};
#[cfg(test)]
use roc::Ranking;
pub(crate) use roc::{Roc, curves};
pub(crate) use summary::{Metrics, mean_accuracy, metrics};
pub(crate) use temperature::{CrossFitted, Views, cross_fitted, fit};

pub(crate) use galmorph_cutout::Estimate;
use galmorph_cutout::{Morphology, Probabilities};

/// The prediction for one image, and its true class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The class of the image's label.
    pub truth: Morphology,
    /// The predicted probabilities; `None` if the network gave a value that is not a number.
    pub answer: Option<Probabilities>,
}

impl Prediction {
    /// The most probable class.
    pub fn label(&self) -> Option<Morphology> {
        self.answer.map(|answer| answer.label())
    }

    /// Whether the most probable class is the true one.
    pub fn is_right(&self) -> bool {
        self.label() == Some(self.truth)
    }

    /// The predicted probability of a class.
    pub fn probability(&self, class: Morphology) -> f32 {
        match self.answer {
            Some(answer) => answer.values()[class.id()],
            None if class == self.truth => 0.0,
            None => 1.0,
        }
    }

    /// The predicted probability of the most probable class.
    pub fn confidence(&self) -> f32 {
        self.answer.map_or(1.0, |answer| answer.confidence())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A prediction with these probabilities.
    pub(crate) fn prediction(truth: Morphology, row: [f32; Morphology::COUNT]) -> Prediction {
        Prediction {
            truth,
            answer: Probabilities::average([&row], 1.0),
        }
    }

    #[test]
    fn no_answer_is_certain_of_everything_else() {
        let silent = prediction(Morphology::Cigar, [f32::NAN; 5]);
        assert_eq!(silent.label(), None);
        assert!(!silent.is_right());
        assert_eq!(silent.confidence(), 1.0);
        assert_eq!(silent.probability(Morphology::Cigar), 0.0);
        assert_eq!(silent.probability(Morphology::Round), 1.0);
    }
}

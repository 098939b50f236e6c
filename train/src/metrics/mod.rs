//! How good a network's answers are, as numbers with 95 % intervals.
//!
//! Everything here is a function of labelled answers alone: no network, no file, no torch. So each metric
//! has one definition, which the training loop, the model card, the paper's tables and the tests
//! against scikit-learn share.
//!
//! Three conventions hold throughout:
//!
//! - An image without an answer (the network gave NaN) is wrong: it is in no column of the confusion matrix,
//!   and wherever probabilities are asked for it counts as certain of every class but its own.
//! - What is undefined is `None`, never 0: the precision of a class that was never predicted, the
//!   recall of one that does not occur, the AUC where there is no positive or no negative.
//! - Averages over classes are weighted by class size, as in the paper's Table 4, over the classes where
//!   the metric is defined.

mod calibration;
mod confusion;
mod interval;
mod roc;
mod summary;
mod temperature;

pub use calibration::{BINS, Bin, Calibration, calibration, calibration_error};
pub use confusion::Confusion;
pub use interval::{Bootstrap, Estimate, Interval, RESAMPLES, proportion, wilson};
pub use roc::{Ranking, Roc, RocPoint, curves};
pub use summary::{ClassMetrics, Metrics, Weighted, mean_accuracy, metrics};
pub use temperature::{CrossFitted, Views, cross_fitted, fit};

use galmorph_cutout::{Morphology, Probabilities};

/// The answer to one image, and the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The class that the image is labelled with.
    pub truth: Morphology,
    /// What was answered; `None` when the network gave something that is not a number.
    pub answer: Option<Probabilities>,
}

impl Prediction {
    /// The most probable class.
    pub fn label(&self) -> Option<Morphology> {
        self.answer.map(|answer| answer.label())
    }

    /// Whether that is the true one.
    pub fn is_right(&self) -> bool {
        self.label() == Some(self.truth)
    }

    /// The probability that was given to a class.
    pub fn probability(&self, class: Morphology) -> f32 {
        match self.answer {
            Some(answer) => answer.values()[class.id()],
            None if class == self.truth => 0.0,
            None => 1.0,
        }
    }

    /// The probability that was given to the label.
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

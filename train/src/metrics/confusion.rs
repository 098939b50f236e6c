//! The confusion matrix, and the metrics that follow from it: accuracy, precision, recall and F1
//! (section 5.1).

use galmorph_cutout::{Estimate, Morphology};
use serde::{Deserialize, Serialize};

use super::Prediction;
use super::interval::proportion;

/// The number of images of each class that were given each label. Rows are the true classes, columns the
/// labels. (The caption of the paper's Table 5 swaps them; its row sums are the class sizes.)
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// `counts[truth][label]`.
    pub counts: [[u64; Morphology::COUNT]; Morphology::COUNT],
    /// Images of each class that got no label.
    pub unanswered: [u64; Morphology::COUNT],
}

impl Confusion {
    /// Counts every prediction once.
    pub fn of(predictions: &[Prediction]) -> Self {
        let mut confusion = Self::default();
        for prediction in predictions {
            confusion.add(prediction.truth, prediction.label(), 1);
        }
        confusion
    }

    /// Adds a number of images with this class and label.
    pub fn add(&mut self, truth: Morphology, label: Option<Morphology>, images: u64) {
        match label {
            Some(label) => self.counts[truth.id()][label.id()] += images,
            None => self.unanswered[truth.id()] += images,
        }
    }

    /// The number of images.
    pub fn images(&self) -> u64 {
        Morphology::ALL
            .map(|class| self.of_class(class))
            .iter()
            .sum()
    }

    /// The number of images of a class.
    pub fn of_class(&self, class: Morphology) -> u64 {
        let id = class.id();
        self.counts[id].iter().sum::<u64>() + self.unanswered[id]
    }

    /// The number of images that were given the label of a class.
    pub fn labelled(&self, class: Morphology) -> u64 {
        self.counts.iter().map(|row| row[class.id()]).sum()
    }

    /// The number of images of a class that were given its label.
    pub fn right(&self, class: Morphology) -> u64 {
        self.counts[class.id()][class.id()]
    }

    /// The fraction of all images with the correct label (equation 9), with Wilson's interval.
    pub fn accuracy(&self) -> Option<Estimate> {
        let right = Morphology::ALL.map(|class| self.right(class));
        proportion(right.iter().sum(), self.images())
    }

    /// The fraction of the images with this label that are of its class (equation 10), with Wilson's
    /// interval. Undefined when no image has the label.
    pub fn precision(&self, class: Morphology) -> Option<Estimate> {
        proportion(self.right(class), self.labelled(class))
    }

    /// The fraction of the images of this class that have its label (equation 11; "class accuracy" in
    /// the paper), with Wilson's interval. Undefined when no image is of the class.
    pub fn recall(&self, class: Morphology) -> Option<Estimate> {
        proportion(self.right(class), self.of_class(class))
    }

    /// The harmonic mean of precision and recall (equation 12). For a class that occurs and is never
    /// predicted it is 0, not undefined.
    pub fn f1(&self, class: Morphology) -> Option<f64> {
        let either = self.of_class(class) + self.labelled(class);
        (either > 0).then(|| 2.0 * self.right(class) as f64 / either as f64)
    }

    /// The mean of a metric over the classes for which it is defined, weighted by class size.
    pub fn weighted_mean(&self, metric: impl Fn(Morphology) -> Option<f64>) -> Option<f64> {
        let (mut sum, mut images) = (0.0, 0);
        for class in Morphology::ALL {
            if let Some(value) = metric(class) {
                sum += value * self.of_class(class) as f64;
                images += self.of_class(class);
            }
        }
        (images > 0).then(|| sum / images as f64)
    }

    /// The fraction of the images of a class that got a label, with Wilson's interval.
    pub fn rate(&self, truth: Morphology, label: Morphology) -> Option<Estimate> {
        proportion(self.counts[truth.id()][label.id()], self.of_class(truth))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::prediction;
    use super::*;
    use Morphology::{Cigar, EdgeOn, Round, Spiral};

    fn value(estimate: Option<Estimate>) -> Option<f64> {
        estimate.map(|estimate| estimate.value)
    }

    #[test]
    fn rows_are_the_truth_and_silence_is_wrong() {
        let confusion = Confusion::of(&[
            prediction(Round, [0.6, 0.4, 0.0, 0.0, 0.0]),
            prediction(Round, [0.1, 0.0, 0.0, 0.0, 0.9]),
            prediction(Spiral, [0.0, 0.0, 0.0, 0.0, 1.0]),
            prediction(Spiral, [f32::NAN; 5]),
        ]);
        assert_eq!(confusion.counts[Round.id()], [1, 0, 0, 0, 1]);
        assert_eq!(confusion.unanswered[Spiral.id()], 1);
        assert_eq!(confusion.images(), 4);
        assert_eq!(value(confusion.accuracy()), Some(0.5));
        assert_eq!(value(confusion.precision(Spiral)), Some(0.5));
        assert_eq!(value(confusion.recall(Spiral)), Some(0.5));
        assert_eq!(confusion.f1(Round), Some(2.0 / 3.0));
    }

    #[test]
    fn what_is_undefined_is_left_out_of_the_mean() {
        // Cigars are never predicted, edge-on galaxies do not occur.
        let confusion = Confusion::of(&[
            prediction(Round, [1.0, 0.0, 0.0, 0.0, 0.0]),
            prediction(Cigar, [1.0, 0.0, 0.0, 0.0, 0.0]),
            prediction(Round, [0.0, 0.0, 0.0, 1.0, 0.0]),
        ]);
        assert_eq!(confusion.precision(Cigar), None);
        assert_eq!(confusion.f1(Cigar), Some(0.0));
        assert_eq!(confusion.recall(EdgeOn), None);
        assert_eq!(value(confusion.precision(EdgeOn)), Some(0.0));
        assert_eq!(confusion.f1(Spiral), None);
        let precision = |class| value(confusion.precision(class));
        assert_eq!(confusion.weighted_mean(precision), Some(0.5));
        let recall = |class| value(confusion.recall(class));
        assert_eq!(confusion.weighted_mean(recall), Some(1.0 / 3.0));
        assert_eq!(Confusion::default().weighted_mean(recall), None);
    }
}

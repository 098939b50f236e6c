//! From the network's outputs to an answer.

use crate::{Morphology, Scaling};

/// The probability of each class, in the order of their ids; sums to one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probabilities([f32; Morphology::COUNT]);

/// The average of the views of an image so far.
#[derive(Debug, Clone)]
pub struct Average {
    // In f64, so that the average does not depend on the order of the views.
    sum: [f64; Morphology::COUNT],
    seen: usize,
    scaling: Scaling,
}

impl Average {
    /// An average of no views yet. The card's scaling, or a temperature alone, will be applied to each
    /// view; see [`Probabilities::average`].
    pub fn new(scaling: impl Into<Scaling>) -> Self {
        Self {
            sum: [0.0; Morphology::COUNT],
            seen: 0,
            scaling: scaling.into(),
        }
    }

    /// Adds a view: a row of the softmax.
    pub fn add(&mut self, row: &[f32; Morphology::COUNT]) {
        for (total, value) in self.sum.iter_mut().zip(self.scaling.apply(row)) {
            *total += f64::from(value);
        }
        self.seen += 1;
    }

    /// The number of views so far.
    pub const fn seen(&self) -> usize {
        self.seen
    }

    /// The sums of the second most and of the most probable class; `None` when any sum is not finite.
    pub(crate) fn leaders(&self) -> Option<[f64; 2]> {
        let mut sums = self.sum;
        sums.sort_unstable_by(f64::total_cmp);
        let [.., second, first] = sums;
        let are_numbers = sums.iter().all(|sum| sum.is_finite());
        are_numbers.then_some([second, first])
    }

    /// The average of the views so far; `None` when there are none, or when a value is not finite.
    pub fn answer(&self) -> Option<Probabilities> {
        let mean = self.sum.map(|total| (total / self.seen as f64) as f32);
        let is_finite = mean.iter().all(|p| p.is_finite());
        is_finite.then_some(Probabilities(mean))
    }
}

impl Probabilities {
    /// Averages the softmax outputs of an image's views, one row for each test scale (section 4.3). The
    /// card's scaling ([`ModelCard::scaling`](crate::ModelCard::scaling)), or a temperature alone, is applied
    /// to each row first.
    ///
    /// A temperature T divides the logits by T. On probabilities that is a power of 1/T, renormalised
    /// (Guo et al. 2017). At 1 the outputs stay as they are.
    ///
    /// Returns `None` when there is no row, or when a value is not finite.
    pub fn average<'a>(
        rows: impl IntoIterator<Item = &'a [f32; Morphology::COUNT]>,
        scaling: impl Into<Scaling>,
    ) -> Option<Self> {
        let mut average = Average::new(scaling);
        rows.into_iter().for_each(|row| average.add(row));
        average.answer()
    }

    /// Probabilities that were computed elsewhere, such as those of a catalog's row. They sum to 1.
    pub const fn from_values(values: [f32; Morphology::COUNT]) -> Self {
        Self(values)
    }

    /// The values, in the order of the classes' ids.
    pub const fn values(&self) -> &[f32; Morphology::COUNT] {
        &self.0
    }

    /// The values as a catalog's row and `galmorph classify` write them; see [`shortest`]. What is computed from these
    /// is what anyone computes who reads a row.
    pub fn as_written(&self) -> [f64; Morphology::COUNT] {
        self.0.map(shortest)
    }

    /// The most probable class; of equally probable ones, that with the lowest id.
    pub fn label(&self) -> Morphology {
        let mut best = Morphology::Round;
        for class in Morphology::ALL {
            if self.0[class.id()] > self.0[best.id()] {
                best = class;
            }
        }
        best
    }

    /// The probability of the most probable class.
    pub fn confidence(&self) -> f32 {
        self.0[self.label().id()]
    }

    /// The Shannon entropy in nats: 0 when one class is certain, ln 5 = 1.609 when all are equally
    /// probable.
    pub fn entropy(&self) -> f32 {
        self.0
            .iter()
            .filter(|p| **p > 0.0)
            .map(|p| -p * p.ln())
            .sum()
    }
}

/// The double that reads as the float does: 0.3, where a cast would give 0.30000001192092896.
pub fn shortest(value: f32) -> f64 {
    value
        .to_string()
        .parse()
        .expect("what Rust prints for a float is a number")
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Exact on purpose: the values are representable.
mod tests {
    use super::*;

    // Sums of powers of two, so that the averages are exact.
    const SURE: [f32; 5] = [0.0625, 0.0625, 0.0, 0.125, 0.75];
    const UNSURE: [f32; 5] = [0.4375, 0.1875, 0.125, 0.125, 0.125];

    #[test]
    fn the_average_is_over_views_and_the_label_is_its_largest() {
        let average = Probabilities::average([&SURE, &UNSURE], 1.0).unwrap();
        assert_eq!(average.values(), &[0.25, 0.125, 0.0625, 0.125, 0.4375]);
        assert_eq!(average.label(), Morphology::Spiral);
        assert_eq!(average.confidence(), 0.4375);
    }

    #[test]
    fn entropy_runs_from_nothing_to_ln_5() {
        let certain = Probabilities::average([&[0.0, 1.0, 0.0, 0.0, 0.0]], 1.0).unwrap();
        assert!(certain.entropy().abs() < 1e-6);
        let blank = Probabilities::average([&[0.2; 5]], 1.0).unwrap();
        assert!((blank.entropy() - 5.0_f32.ln()).abs() < 1e-5);
    }

    #[test]
    fn a_temperature_is_the_softmax_of_divided_logits() {
        let logits = [2.0_f32, 1.0, 0.5, -1.0, 0.0];
        let softmax = |t: f32| {
            let e = logits.map(|x| (x / t).exp());
            let total: f32 = e.iter().sum();
            e.map(|x| x / total)
        };
        let tempered = Probabilities::average([&softmax(1.0)], 1.7).unwrap();
        for (ours, wanted) in tempered.values().iter().zip(softmax(1.7)) {
            assert!((ours - wanted).abs() < 1e-6);
        }
    }

    #[test]
    fn a_bias_is_added_to_the_logit_of_its_class() {
        let scaling = Scaling {
            temperature: 2.0,
            bias: Some(crate::ByClass([0.5, -0.5, 0.0, 0.0, 0.0])),
        };
        let row = [0.5, 0.25, 0.125, 0.0625, 0.0625_f32];
        let logits = [0.5_f32, -0.5, 0.0, 0.0, 0.0].iter().zip(row);
        let powers: Vec<f32> = logits.map(|(b, p)| (p.ln() / 2.0 + b).exp()).collect();
        let total: f32 = powers.iter().sum();
        let scaled = Probabilities::average([&row], scaling).unwrap();
        for (ours, wanted) in scaled.values().iter().zip(powers) {
            assert!((ours - wanted / total).abs() < 1e-6);
        }
        assert_eq!(scaling.to_string(), "2.000 and biases");
    }

    #[test]
    fn no_views_or_a_nan_is_no_answer() {
        assert_eq!(Probabilities::average([], 1.0), None);
        let poisoned = [f32::NAN, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(Probabilities::average([&SURE, &poisoned], 1.0), None);
    }
}

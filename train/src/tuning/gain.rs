//! What a change of the last layer gains, on galaxies that it was not fitted to.

use galmorph_cutout::{Estimate, Morphology, Probabilities, Scaling};
use serde::Serialize;

use super::Examples;
use super::layer::{CLASSES, Logits, softmax};
use crate::metrics::{Bootstrap, Comparison, Pair, Prediction, compare};

/// A probability below this counts as this.
const LEAST_PROBABILITY: f64 = f64::EPSILON;

/// Labelled galaxies with the logits of each view.
pub(crate) struct Answered {
    /// The galaxies' classes.
    classes: Vec<Morphology>,
    /// The softmax of the views.
    rows: Vec<Vec<[f32; CLASSES]>>,
    /// The negative log-likelihood of each, among classes that are equally common.
    losses: Vec<f64>,
    /// What each counts in the mean loss.
    weights: Vec<f64>,
}

/// What was gained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Gain {
    /// The number of galaxies.
    pub(crate) galaxies: usize,
    /// The mean negative log-likelihood before, in nats. Each class counts alike.
    pub(crate) loss_before: f64,
    /// The same afterwards.
    pub(crate) loss_after: f64,
    /// The former minus the latter, with the bootstrap's 95 % interval over galaxies.
    pub(crate) gained: Estimate,
    /// The accuracy before.
    pub(crate) accuracy_before: f64,
    /// The accuracy afterwards.
    pub(crate) accuracy_after: f64,
    /// The latter minus the former, with an interval.
    pub(crate) accuracy_gained: Estimate,
    /// The gain of the mean recall over the classes that have labels.
    pub(crate) mean_recall_gained: Estimate,
}

impl Answered {
    /// Galaxies that were answered: all of the examples, in their order.
    pub(crate) fn new(examples: &Examples, answers: &[Vec<Logits>], log_prior: &Logits) -> Self {
        let all: Vec<usize> = (0..examples.len()).collect();
        Self {
            classes: examples.classes.clone(),
            rows: answers.iter().map(|views| rows(views)).collect(),
            losses: losses(examples, &all, answers, log_prior),
            weights: examples.weights(&all),
        }
    }

    /// The softmax of each galaxy's views.
    pub(crate) fn rows(&self) -> &[Vec<[f32; CLASSES]>] {
        &self.rows
    }

    /// The predictions with a scaling.
    pub(crate) fn predictions(&self, scaling: Scaling) -> Vec<Prediction> {
        let all = self.classes.iter().zip(&self.rows);
        all.map(|(truth, rows)| Prediction {
            truth: *truth,
            answer: Probabilities::average(rows, scaling),
        })
        .collect()
    }

    /// What these answers gain over earlier ones to the same galaxies; `None` without galaxies.
    pub(crate) fn gain_over(&self, before: &Self) -> Option<(Gain, Comparison)> {
        let mean =
            |losses: &[f64]| -> f64 { losses.iter().zip(&self.weights).map(|(l, w)| l * w).sum() };
        let bootstrap = Bootstrap::new(self.losses.len(), |times| {
            let (mut gain, mut all) = (0.0, 0.0);
            for (galaxy, times) in times.iter().enumerate() {
                let weight = self.weights[galaxy] * f64::from(*times);
                gain += weight * (before.losses[galaxy] - self.losses[galaxy]);
                all += weight;
            }
            vec![Some(gain / all)]
        });
        let interval = bootstrap.percentile(0)?;
        let (now, then) = (
            self.predictions(Scaling::NONE),
            before.predictions(Scaling::NONE),
        );
        let pairs = now.iter().zip(&then).map(|(now, then)| Pair {
            truth: now.truth,
            label: now.label(),
            other: then.label(),
        });
        let comparison = compare(&pairs.collect::<Vec<_>>())?;
        let (loss_before, loss_after) = (mean(&before.losses), mean(&self.losses));
        let gain = Gain {
            galaxies: self.losses.len(),
            loss_before,
            loss_after,
            gained: Estimate {
                value: loss_before - loss_after,
                low: interval.low,
                high: interval.high,
            },
            accuracy_before: comparison.all.there,
            accuracy_after: comparison.all.here,
            accuracy_gained: comparison.all.advantage,
            mean_recall_gained: comparison.mean_recall,
        };
        Some((gain, comparison))
    }
}

/// The softmax of some views.
pub(super) fn rows(views: &[Logits]) -> Vec<[f32; CLASSES]> {
    let row = |logits: &Logits| softmax(logits).map(|p| p as f32);
    views.iter().map(row).collect()
}

/// The negative log-likelihood of each galaxy's class, among classes that are equally common. The probability
/// is the mean over the views.
pub(super) fn losses(
    examples: &Examples,
    of: &[usize],
    answers: &[Vec<Logits>],
    log_prior: &Logits,
) -> Vec<f64> {
    let loss = |(galaxy, views): (&usize, &Vec<Logits>)| {
        let truth = examples.classes[*galaxy].id();
        let probability = |logits: &Logits| {
            let even: Logits = std::array::from_fn(|k| logits[k] - log_prior[k]);
            softmax(&even)[truth]
        };
        let mean = views.iter().map(probability).sum::<f64>() / views.len() as f64;
        -mean.max(LEAST_PROBABILITY).ln()
    };
    of.iter().zip(answers).map(loss).collect()
}

#[cfg(test)]
mod tests {
    use super::super::LastLayer;
    use super::super::examples::tests::examples;
    use super::*;

    #[test]
    fn the_same_answers_gain_nothing_and_sure_ones_gain_all() {
        let examples = examples([10; CLASSES], 1.0, 2);
        let even: Logits = [0.0; CLASSES];
        let ignorant = LastLayer::ignorant(3, &even);
        let nothing: Vec<_> = (0..50).map(|g| examples.logits(g, &ignorant)).collect();
        let sure = |galaxy: usize| {
            let mut logits = even;
            logits[examples.classes[galaxy].id()] = 50.0;
            vec![logits; 2]
        };
        let sure: Vec<_> = (0..50).map(sure).collect();
        let of = |answers: &[Vec<Logits>]| Answered::new(&examples, answers, &even);
        let (same, _) = of(&nothing).gain_over(&of(&nothing)).unwrap();
        assert_eq!(
            (same.gained.value, same.gained.low, same.gained.high),
            (0.0, 0.0, 0.0)
        );
        let (all, comparison) = of(&sure).gain_over(&of(&nothing)).unwrap();
        assert!((all.gained.value - 5.0_f64.ln()).abs() < 1e-9, "{all:?}");
        assert_eq!(comparison.all.here, 1.0);
    }
}

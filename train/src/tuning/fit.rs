//! The regression: a last layer that is held to an earlier one.

use super::Examples;
use super::layer::{CLASSES, LastLayer, Logits, add, dot, softmax};
use super::minimise::minimise;

/// What the regression begins with.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    /// The layer.
    pub(crate) layer: LastLayer,
    /// The change of the layer, to begin with at the next strength. It is of standardised features.
    change: Vec<f64>,
}

/// Fits the layer to some galaxies. What is minimised is the mean negative log-likelihood of their views, each
/// class counting alike, plus `hold / 2` times the squared length of the change from `start`. Features
/// are standardised for that, and divided by the root of their number, so that a hold means about the same for
/// every network. A class without a label keeps its weights.
///
/// `begin` is a fit to the same galaxies at another hold, from which this one is reached sooner.
pub(crate) fn fit(
    examples: &Examples,
    of: &[usize],
    start: &LastLayer,
    log_prior: &Logits,
    hold: f64,
    begin: Option<&Fitted>,
) -> Fitted {
    let views = Views::of(examples, of, start, log_prior);
    let features = start.features();
    let learns = examples.counts(of).map(|count| count > 0);
    let mut change = begin.map_or_else(
        || vec![0.0; CLASSES * (features + 1)],
        |fitted| fitted.change.clone(),
    );
    minimise(&mut change, |change, gradient| {
        views.loss(change, hold, learns, gradient)
    });
    let mut layer = start.clone();
    for class in 0..CLASSES {
        let own = &change[class * (features + 1)..(class + 1) * (features + 1)];
        let (constant, own) = (own[features], &own[..features]);
        layer.bias[class] += constant;
        for (feature, change) in own.iter().enumerate() {
            let weight = change * views.scale[feature];
            layer.weight[class * features + feature] += weight;
            layer.bias[class] -= weight * views.mean[feature];
        }
    }
    Fitted { layer, change }
}

/// The views of some galaxies.
struct Views {
    /// `[views, features + 1]`: the standardised features, and a 1.
    inputs: Vec<f64>,
    /// The logits that the first layer gives, among classes that are equally common.
    start: Vec<Logits>,
    classes: Vec<usize>,
    weights: Vec<f64>,
    mean: Vec<f64>,
    /// What a feature is multiplied by; 0 for one that never changes.
    scale: Vec<f64>,
}

impl Views {
    fn of(examples: &Examples, of: &[usize], layer: &LastLayer, log_prior: &Logits) -> Self {
        let features = layer.features();
        let all = || of.iter().flat_map(|galaxy| examples.views_of(*galaxy));
        let count = (of.len() * examples.views) as f64;
        let mut mean = vec![0.0; features];
        for view in all() {
            add(&mut mean, count.recip(), view);
        }
        let mut variance = vec![0.0; features];
        for view in all() {
            for feature in 0..features {
                variance[feature] += (view[feature] - mean[feature]).powi(2) / count;
            }
        }
        let root = (features as f64).sqrt();
        // Below that, the differences are rounding.
        let is_alive = |variance: f64, mean: f64| variance > 1e-12 * (mean * mean + 1e-6);
        let scale: Vec<f64> = (variance.iter().zip(&mean))
            .map(|(variance, mean)| {
                if is_alive(*variance, *mean) {
                    (variance.sqrt() * root).recip()
                } else {
                    0.0
                }
            })
            .collect();
        let mut views = Self {
            inputs: Vec::with_capacity(of.len() * examples.views * (features + 1)),
            start: Vec::new(),
            classes: Vec::new(),
            weights: Vec::new(),
            mean,
            scale,
        };
        for (galaxy, weight) in of.iter().zip(examples.weights(of)) {
            for view in examples.views_of(*galaxy) {
                let values = (0..features).map(|f| (view[f] - views.mean[f]) * views.scale[f]);
                views.inputs.extend(values);
                views.inputs.push(1.0);
                let logits = layer.logits(view);
                views
                    .start
                    .push(std::array::from_fn(|k| logits[k] - log_prior[k]));
                views.classes.push(examples.classes[*galaxy].id());
                views.weights.push(weight / examples.views as f64);
            }
        }
        views
    }

    /// The loss of a change, and its gradient.
    fn loss(
        &self,
        change: &[f64],
        hold: f64,
        learns: [bool; CLASSES],
        gradient: &mut [f64],
    ) -> f64 {
        let length = change.len() / CLASSES;
        for (slope, value) in gradient.iter_mut().zip(change) {
            *slope = hold * value;
        }
        let mut loss = hold / 2.0 * dot(change, change);
        for (number, input) in self.inputs.chunks_exact(length).enumerate() {
            let (truth, weight) = (self.classes[number], self.weights[number]);
            let logits: Logits = std::array::from_fn(|k| {
                self.start[number][k] + dot(&change[k * length..(k + 1) * length], input)
            });
            let probabilities = softmax(&logits);
            loss -= weight * probabilities[truth].max(f64::MIN_POSITIVE).ln();
            for (class, probability) in probabilities.iter().enumerate() {
                let slope = weight * (probability - f64::from(u8::from(class == truth)));
                add(
                    &mut gradient[class * length..(class + 1) * length],
                    slope,
                    input,
                );
            }
        }
        for (class, learns) in learns.iter().enumerate() {
            if !learns {
                gradient[class * length..(class + 1) * length].fill(0.0);
            }
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::tests::examples;
    use super::*;

    const EVEN: Logits = [0.0; CLASSES];

    fn old() -> LastLayer {
        LastLayer {
            weight: (0..15)
                .map(|n| f64::from(n * 7 % 11) / 10.0 - 0.5)
                .collect(),
            bias: [0.5, -0.25, 0.0, 1.0, -1.0],
        }
    }

    fn all(examples: &Examples) -> Vec<usize> {
        (0..examples.len()).collect()
    }

    #[test]
    fn the_more_it_is_held_the_closer_it_stays_to_the_old_layer() {
        let examples = examples([30; CLASSES], 1.0, 3);
        let distance = |hold| {
            let fitted = fit(&examples, &all(&examples), &old(), &EVEN, hold, None);
            let old = old().weight;
            let differences = fitted.layer.weight.iter().zip(&old);
            differences
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        let distances = [1e6, 1.0, 0.01, 1e-4].map(distance);
        assert!(distances[0] < 1e-5, "{distances:?}");
        assert!(distances.is_sorted(), "{distances:?}");
    }

    #[test]
    fn a_fit_that_begins_with_another_ends_in_the_same_place() {
        let examples = examples([30; CLASSES], 1.0, 3);
        let fit = |hold, begin| fit(&examples, &all(&examples), &old(), &EVEN, hold, begin);
        let (plain, begun) = (fit(0.01, None), fit(0.01, Some(&fit(1.0, None))));
        for (a, b) in plain.layer.weight.iter().zip(&begun.layer.weight) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn a_class_without_a_label_keeps_its_weights() {
        let examples = examples([20, 20, 0, 20, 20], 1.0, 3);
        let fitted = fit(&examples, &all(&examples), &old(), &EVEN, 1e-3, None);
        assert_eq!(fitted.layer.of(2), old().of(2));
        assert_eq!(fitted.layer.bias[2], old().bias[2]);
        assert_ne!(fitted.layer.of(1), old().of(1));
    }

    #[test]
    fn how_many_labels_a_class_has_does_not_make_it_likelier() {
        // Features that say nothing, and four times as many labels of one class.
        let mut examples = examples([80, 20, 20, 20, 20], 0.0, 3);
        examples.features.fill(1.0);
        let prior: Logits = [0.4_f64, 0.3, 0.1, 0.1, 0.1].map(f64::ln);
        let ignorant = LastLayer::ignorant(3, &prior);
        let fitted = fit(&examples, &all(&examples), &ignorant, &prior, 1e-4, None);
        let found = softmax(&fitted.layer.logits(&[1.0; 3]));
        for (found, prior) in found.iter().zip(prior) {
            assert!((found - prior.exp()).abs() < 1e-3, "{found}");
        }
    }
}

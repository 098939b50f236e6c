//! The last layer of a network as numbers.

use galmorph_cutout::{Morphology, Scaling};

/// The number of classes.
pub(super) const CLASSES: usize = Morphology::COUNT;

/// One logit for each class.
pub(crate) type Logits = [f64; CLASSES];

/// A matrix and a bias that make the logits of a view's features.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LastLayer {
    /// The weights, class by class: `[classes, features]`.
    pub(crate) weight: Vec<f64>,
    /// The biases.
    pub(crate) bias: Logits,
}

impl LastLayer {
    /// A layer that knows nothing: its answer is the mix, whatever the features.
    pub(crate) fn ignorant(features: usize, log_prior: &Logits) -> Self {
        Self {
            weight: vec![0.0; CLASSES * features],
            bias: *log_prior,
        }
    }

    /// The same layer with the model's calibration in it, so that its outputs need none.
    pub(crate) fn calibrated(mut self, scaling: Scaling) -> Self {
        let temperature = f64::from(scaling.temperature);
        for weight in &mut self.weight {
            *weight /= temperature;
        }
        for (class, bias) in self.bias.iter_mut().enumerate() {
            let added = scaling.bias.map_or(0.0, |bias| f64::from(bias.0[class]));
            *bias = *bias / temperature + added;
        }
        self
    }

    /// The number of features.
    pub(crate) fn features(&self) -> usize {
        self.weight.len() / CLASSES
    }

    /// The logits of a view.
    pub(crate) fn logits(&self, features: &[f64]) -> Logits {
        std::array::from_fn(|class| self.bias[class] + dot(self.of(class), features))
    }

    /// The weights of a class.
    pub(super) fn of(&self, class: usize) -> &[f64] {
        let features = self.features();
        &self.weight[class * features..(class + 1) * features]
    }
}

/// The product of two vectors, in a form that the compiler makes vector instructions of.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// Adds a multiple of a vector to another one.
pub(super) fn add(to: &mut [f64], factor: f64, of: &[f64]) {
    for (to, of) in to.iter_mut().zip(of) {
        *to += factor * of;
    }
}

/// The probabilities of logits.
pub(super) fn softmax(logits: &Logits) -> Logits {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers = logits.map(|logit| (logit - largest).exp());
    let total: f64 = powers.iter().sum();
    powers.map(|power| power / total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use galmorph_cutout::{ByClass, Probabilities};

    #[test]
    fn a_calibrated_layer_answers_as_the_model_does_with_its_calibration() {
        let layer = LastLayer {
            weight: (0..15).map(|n| f64::from(n * 7 % 11) - 5.0).collect(),
            bias: [0.5, -0.25, 0.0, 1.0, -1.0],
        };
        let features = [0.25, 1.5, -0.5];
        let scaling = Scaling {
            temperature: 0.7,
            bias: Some(ByClass([0.1, -0.2, 0.4, -0.1, -0.2])),
        };
        let row = softmax(&layer.logits(&features)).map(|p| p as f32);
        let wanted = Probabilities::average([&row], scaling).unwrap();
        let found = softmax(&layer.calibrated(scaling).logits(&features));
        for (found, wanted) in found.iter().zip(wanted.values()) {
            assert!((found - f64::from(*wanted)).abs() < 1e-6);
        }
    }

    #[test]
    fn a_product_counts_every_value() {
        let values: Vec<f64> = (1..=19).map(f64::from).collect();
        assert_eq!(dot(&values, &values), 19.0 * 20.0 * 39.0 / 6.0);
    }
}

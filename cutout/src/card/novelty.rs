//! What the network's measure of novelty means.

use serde::{Deserialize, Serialize};

use super::CardError;

/// How novel the galaxies are that the network was not trained on, but that are of its kind.
///
/// The novelty of an image is the cosine distance of its features from the nearest of some reference
/// features of the training images, 0 to 2. It is the graph's second output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Novelty {
    /// An image above this is unlike what the network was trained on.
    pub threshold: f64,
    /// The novelty below which a fraction of held-out galaxies lies, by rising fraction.
    pub quantiles: Vec<NoveltyQuantile>,
}

/// The novelty below which a fraction of held-out galaxies lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoveltyQuantile {
    /// The fraction, 0 to 1.
    pub fraction: f64,
    /// The novelty.
    pub novelty: f64,
}

impl Novelty {
    /// The fraction of held-out galaxies that are less novel than this, 0 to 1, interpolated between the
    /// quantiles; `None` for what is no number.
    pub fn rank(&self, novelty: f32) -> Option<f64> {
        let novelty = f64::from(novelty);
        if novelty.is_nan() {
            return None;
        }
        let above = self.quantiles.partition_point(|q| q.novelty < novelty);
        let Some(upper) = self.quantiles.get(above) else {
            return Some(1.0);
        };
        let Some(lower) = above.checked_sub(1).map(|below| &self.quantiles[below]) else {
            return Some(upper.fraction);
        };
        let part = (novelty - lower.novelty) / (upper.novelty - lower.novelty);
        Some(lower.fraction + part * (upper.fraction - lower.fraction))
    }

    /// Whether an image is unlike what the network was trained on. What is no number is.
    pub fn is_novel(&self, novelty: f32) -> bool {
        novelty.is_nan() || f64::from(novelty) > self.threshold
    }

    pub(super) fn check(&self) -> Result<(), CardError> {
        let fault = |text: String| Err(CardError::Nonsense(format!("novelty: {text}")));
        if !(0.0..=2.0).contains(&self.threshold) {
            return fault(format!("a threshold of {}, must be 0 to 2", self.threshold));
        }
        if self.quantiles.is_empty() {
            return fault("it has no quantiles".into());
        }
        for quantile in &self.quantiles {
            if !(0.0..=1.0).contains(&quantile.fraction) || !(0.0..=2.0).contains(&quantile.novelty)
            {
                return fault(format!(
                    "the quantile {} is {}, must be 0 to 1 and 0 to 2",
                    quantile.fraction, quantile.novelty
                ));
            }
        }
        for pair in self.quantiles.windows(2) {
            let [lower, higher] = pair else { continue };
            if lower.fraction >= higher.fraction || lower.novelty > higher.novelty {
                return fault(format!(
                    "the quantile {} comes before {}",
                    lower.fraction, higher.fraction
                ));
            }
        }
        Ok(())
    }
}

//! What the network's measure of another camera means.

use serde::{Deserialize, Serialize};

use super::CardError;
use crate::{ByClass, Morphology};

/// How far the features of galaxies that the network was not trained on, but that are of its kind and its camera,
/// lie from what the features of the training images span.
///
/// The residual of an image is the length of what is left of its features when their mean and their principal
/// directions, both of the training images, are taken away. It is the graph's third output. Worse seeing, another
/// stretch or bands in another order make it grow. A single galaxy says little; the mean rank of a night's galaxies says
/// whether they look like those of the training camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The ranks hold for answers that are at least this confident, 0 to 1. Others have a larger residual at any camera.
    pub confidence: f64,
    /// A night looks like another camera's if its mean rank is surely above this, 0.5 to 1.
    pub threshold: f64,
    /// For each label the residuals of confident held-out galaxies (of all labels, where there were fewer than 20), by rising rank: the first is the smallest, the last the
    /// largest, and as many galaxies lie between any two neighbours. At least two.
    pub quantiles: ByClass<Vec<f64>>,
}

impl Residual {
    /// The fraction of held-out galaxies of this label whose residual is smaller, 0 to 1, interpolated between the
    /// quantiles. What is no number has rank 1.
    pub fn rank(&self, label: Morphology, residual: f32) -> f64 {
        let quantiles = &self.quantiles[label];
        let residual = f64::from(residual);
        if residual.is_nan() {
            return 1.0;
        }
        let above = quantiles.partition_point(|quantile| *quantile < residual);
        let Some(upper) = quantiles.get(above) else {
            return 1.0;
        };
        let Some(below) = above.checked_sub(1) else {
            return 0.0;
        };
        let lower = quantiles[below];
        let part = (residual - lower) / (upper - lower);
        (below as f64 + part) / (quantiles.len() - 1) as f64
    }

    pub(super) fn check(&self) -> Result<(), CardError> {
        let fault = |text: String| Err(CardError::Nonsense(format!("residual: {text}")));
        if !(0.0..=1.0).contains(&self.confidence) {
            return fault(format!(
                "a confidence of {}, must be 0 to 1",
                self.confidence
            ));
        }
        if !(0.5..=1.0).contains(&self.threshold) {
            return fault(format!(
                "a threshold of {}, must be 0.5 to 1",
                self.threshold
            ));
        }
        for (class, quantiles) in self.quantiles.iter() {
            if quantiles.len() < 2 {
                return fault(format!(
                    "{class} has {} quantiles, must be 2 or more",
                    quantiles.len()
                ));
            }
            let are_lengths = quantiles
                .iter()
                .all(|quantile| *quantile >= 0.0 && quantile.is_finite());
            if !are_lengths || !quantiles.is_sorted() {
                return fault(format!(
                    "the quantiles of {class} are not lengths that rise"
                ));
            }
        }
        Ok(())
    }
}

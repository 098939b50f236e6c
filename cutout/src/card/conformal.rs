//! Thresholds for sets of classes that contain the true one as often as was asked.

use serde::{Deserialize, Serialize};

use super::CardError;
use crate::{ByClass, Morphology};

/// Thresholds of split conformal prediction (Vovk, Gammerman & Shafer 2005; Sadinle, Lei & Wasserman 2019).
///
/// A galaxy's set has its most probable class, and each other class whose probability reaches the
/// threshold. The thresholds were fitted on galaxies that the network was not trained on, so that the
/// true class is in the set of a further galaxy *of the same kind* with the probability that was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformal {
    /// How many galaxies of each class the thresholds were fitted on.
    pub galaxies: ByClass<u64>,
    /// The thresholds, by rising coverage.
    pub levels: Vec<Coverage>,
}

/// The thresholds for one coverage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// The probability that the true class is in the set, above 0 and below 1.
    pub coverage: f64,
    /// The least probability of a class in a set, 0 to 1, for [`Guarantee::Overall`].
    pub overall: f64,
    /// The same for each class, for [`Guarantee::ByClass`]. Where a class has too few galaxies for the
    /// coverage it is 0, and the class is in every set.
    pub by_class: ByClass<f64>,
}

/// For whom a coverage holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// For all galaxies together. The sets are the smallest, but a rare class may be missed more often.
    Overall,
    /// For the galaxies of each class alone (Mondrian conformal prediction).
    ByClass,
}

/// There are no thresholds for a coverage.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the model has no thresholds for a coverage of {asked} (it has {known})")]
pub struct UnknownCoverage {
    asked: f64,
    known: String,
}

impl Conformal {
    /// The least probability of each class in a set of this coverage, for
    /// [`PredictionSet::new`](crate::PredictionSet::new).
    ///
    /// # Errors
    /// When the card has no thresholds for the coverage. Another coverage is never taken in its place.
    pub fn thresholds(
        &self,
        coverage: f64,
        guarantee: Guarantee,
    ) -> Result<ByClass<f64>, UnknownCoverage> {
        let is_meant = |level: &&Coverage| (level.coverage - coverage).abs() < 1e-9;
        let Some(level) = self.levels.iter().find(is_meant) else {
            let known: Vec<_> = (self.levels.iter())
                .map(|level| level.coverage.to_string())
                .collect();
            return Err(UnknownCoverage {
                asked: coverage,
                known: known.join(", "),
            });
        };
        Ok(match guarantee {
            Guarantee::Overall => ByClass([level.overall; Morphology::COUNT]),
            Guarantee::ByClass => level.by_class,
        })
    }

    pub(super) fn check(&self) -> Result<(), CardError> {
        let fault = |text: String| Err(CardError::Nonsense(format!("conformal: {text}")));
        if self.levels.is_empty() {
            return fault("it has no coverage".into());
        }
        for level in &self.levels {
            if !(level.coverage > 0.0 && level.coverage < 1.0) {
                return fault(format!(
                    "a coverage of {}, must be above 0 and below 1",
                    level.coverage
                ));
            }
            let thresholds = level.by_class.0.iter().chain([&level.overall]);
            for threshold in thresholds {
                if !(0.0..=1.0).contains(threshold) {
                    return fault(format!("a threshold of {threshold}, must be 0 to 1"));
                }
            }
        }
        for pair in self.levels.windows(2) {
            let [lower, higher] = pair else { continue };
            if lower.coverage >= higher.coverage {
                return fault(format!(
                    "the coverage {} comes before {}",
                    lower.coverage, higher.coverage
                ));
            }
            let rises = |class: Morphology| higher.by_class[class] > lower.by_class[class];
            if higher.overall > lower.overall || Morphology::ALL.into_iter().any(rises) {
                return fault(format!(
                    "a threshold rises from the coverage {} to {}",
                    lower.coverage, higher.coverage
                ));
            }
        }
        Ok(())
    }
}

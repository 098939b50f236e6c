//! Thresholds for samples of one class with a known purity.

use serde::{Deserialize, Serialize};

use super::CardError;
use crate::{ByClass, Estimate, Morphology};

/// How pure and how complete a sample of one class is when it takes the galaxies whose probability of the
/// class reaches a threshold.
///
/// Purity depends on how common the classes are: these figures hold for a survey with the class mix of the
/// galaxies that they were measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purity {
    /// Measured on galaxies of the clean sample: the volunteers agreed on the class of each.
    pub clean: ByClass<Vec<PurityLevel>>,
    /// Measured on galaxies as a survey delivers them, each counted as the class that most volunteers
    /// chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<ByClass<Vec<PurityLevel>>>,
}

/// One purity, and what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurityLevel {
    /// The purity that the threshold was chosen for, above 0 and below 1.
    pub wanted: f64,
    /// The least probability of the class, 0 to 1.
    pub threshold: f64,
    /// The fraction of the sample that is of the class, on galaxies that the threshold was not chosen by.
    pub purity: Estimate,
    /// The fraction of the galaxies of the class that is in the sample, on the same galaxies.
    pub completeness: Estimate,
}

impl Purity {
    /// The level of the least purity that is at least `wanted`, for a sample of `class` among clean
    /// galaxies; `None` if the model reaches no such purity.
    pub fn level(&self, class: Morphology, wanted: f64) -> Option<&PurityLevel> {
        let mut levels = self.clean[class].iter();
        levels.find(|level| level.wanted >= wanted - 1e-9)
    }

    pub(super) fn check(&self) -> Result<(), CardError> {
        check(&self.clean)?;
        self.representative.as_ref().map_or(Ok(()), check)
    }
}

fn check(levels: &ByClass<Vec<PurityLevel>>) -> Result<(), CardError> {
    for (class, levels) in levels.iter() {
        let fault = |text: String| Err(CardError::Nonsense(format!("purity of {class}: {text}")));
        for level in levels {
            if !(level.wanted > 0.0 && level.wanted < 1.0) {
                return fault(format!(
                    "a purity of {}, must be above 0 and below 1",
                    level.wanted
                ));
            }
            if !(0.0..=1.0).contains(&level.threshold) {
                return fault(format!(
                    "a threshold of {}, must be 0 to 1",
                    level.threshold
                ));
            }
            for Estimate { value, low, high } in [level.purity, level.completeness] {
                if !(0.0 <= low && low <= value && value <= high && high <= 1.0) {
                    return fault(format!(
                        "{value} in the interval {low} to {high}, must be ascending from 0 to 1"
                    ));
                }
            }
        }
        for pair in levels.windows(2) {
            let [lower, higher] = pair else { continue };
            if lower.wanted >= higher.wanted || lower.threshold > higher.threshold {
                return fault(format!(
                    "the threshold {} for {} comes before {} for {}",
                    lower.threshold, lower.wanted, higher.threshold, higher.wanted
                ));
            }
        }
    }
    Ok(())
}

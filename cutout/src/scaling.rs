//! How the network's probabilities are calibrated.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ByClass, Morphology};

/// Temperature scaling (Guo et al. 2017), with a bias for each class where that helps (Alexandari, Kundaje
/// & Shrikumar 2020, "bias-corrected temperature scaling").
///
/// The logits are divided by the temperature, and the class's bias is added. A network that was trained
/// on mixed images is unsure of rare classes most of all, and one temperature for all can't mend that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The temperature; 1 leaves the logits as they are.
    pub temperature: f32,
    /// What is added to the logit of each class, in nats. They sum to 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias: Option<ByClass<f32>>,
}

impl Scaling {
    /// The outputs as they are.
    pub const NONE: Self = Self {
        temperature: 1.0,
        bias: None,
    };

    /// Applies it to a row of the softmax: a power of 1/T and a factor of exp(bias), renormalised.
    pub(crate) fn apply(self, row: &[f32; Morphology::COUNT]) -> [f32; Morphology::COUNT] {
        if self == Self::NONE {
            return *row;
        }
        let mut powers = row.map(|p| p.powf(self.temperature.recip()));
        if let Some(bias) = self.bias {
            for (power, bias) in powers.iter_mut().zip(bias.0) {
                *power *= bias.exp();
            }
        }
        let total: f32 = powers.iter().sum();
        powers.map(|p| p / total)
    }
}

impl From<f32> for Scaling {
    /// A temperature alone.
    fn from(temperature: f32) -> Self {
        Self {
            temperature,
            bias: None,
        }
    }
}

/// The temperature, and whether there are biases.
impl fmt::Display for Scaling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3}", self.temperature)?;
        if self.bias.is_some() {
            formatter.write_str(" and biases")?;
        }
        Ok(())
    }
}

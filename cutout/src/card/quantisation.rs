//! How a network was rounded to another arithmetic than that of its training.

use serde::{Deserialize, Serialize};

use super::CardError;

/// How a network was rounded to 8-bit arithmetic: its graph multiplies whole numbers.
///
/// Weights that are merely stored in 8 bits, and multiplied in f32, are not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantisation {
    /// The arithmetic.
    pub arithmetic: QuantisedArithmetic,
    /// The number of training images from which the ranges of values were found.
    pub images: usize,
    /// The bits of a weight, 7 or 8. With 7, two products fit into 16 bits, which processors with AVX2 and nothing newer
    /// are faster with.
    #[serde(default = "all_bits", skip_serializing_if = "has_all_bits")]
    pub weight_bits: u8,
}

const fn all_bits() -> u8 {
    8
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn has_all_bits(bits: &u8) -> bool {
    *bits == all_bits()
}

/// An arithmetic of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuantisedArithmetic {
    /// Activations of 8 bits without a sign, times weights of 8 bits with one, summed in 32 bits.
    Int8,
}

impl Quantisation {
    pub(super) fn check(&self) -> Result<(), CardError> {
        if self.images == 0 {
            return Err(CardError::Nonsense(
                "quantisation: found from no image".into(),
            ));
        }
        if !(7..=8).contains(&self.weight_bits) {
            return Err(CardError::Nonsense(format!(
                "quantisation: weights of {} bits, must be 7 or 8",
                self.weight_bits
            )));
        }
        Ok(())
    }
}

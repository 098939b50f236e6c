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
        Ok(())
    }
}

//! The record of one training epoch.
//!
//! It is defined here and not in the training loop, because an evaluation carries the history of its
//! network, and figures draw it.

use galmorph_cutout::Measurement;
use serde::{Deserialize, Serialize};

/// What one epoch of training came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch's number, counted from 1.
    pub(crate) epoch: u32,
    /// The learning rate of its last step.
    pub(crate) rate: f64,
    /// The mean training loss (cross-entropy, nats).
    pub(crate) loss: f64,
    /// The fraction of training views that were classified correctly.
    pub(crate) training_accuracy: f64,
    /// What the averaged weights reach on the validation split.
    pub(crate) validation: Measurement,
    /// Training images a second, without validation.
    pub(crate) images_per_second: f64,
    /// The fraction of the time in which the network waited for a batch.
    #[serde(default)]
    pub(crate) waiting: f64,
}

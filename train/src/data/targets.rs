//! What a network learns to predict.

use serde::{Deserialize, Serialize};

/// What the loss compares the network's output with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Targets {
    /// The label: all probability is on one class.
    #[default]
    Labels,
    /// The volunteers' vote fractions for the five classes, as `galmorph-train select --soft-targets`
    /// writes them.
    Votes,
}

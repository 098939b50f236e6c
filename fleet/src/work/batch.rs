//! What is answered together.

use std::time::Instant;

use super::Outcome;
use super::database::Standing;
use crate::stream::Delivery;

/// A delivered item on its way.
pub(super) struct Taken {
    pub(super) delivery: Delivery,
    /// Since when it can't be read, if it was tried before.
    pub(super) late_since: Option<Instant>,
    pub(super) key: Vec<u8>,
    pub(super) before: Option<Standing>,
    pub(super) outcome: Option<Outcome>,
}

/// What is answered together.
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) taken: Vec<Taken>,
    pub(super) open: usize,
}

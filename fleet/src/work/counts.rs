//! What a worker did.

use super::database::Written;

/// What a worker did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    /// Files with a row that says why they have no answer.
    pub(crate) rejected: u64,
    /// Files whose row was there already.
    pub(crate) known: u64,
    /// Of the rejected ones, those that could not be read, or ended their workers.
    pub(crate) given_up: u64,
}

impl Counts {
    pub(super) fn with(mut self, written: &Written) -> Self {
        self.answered += written.answered;
        self.rejected += written.rejected;
        self.known += written.known;
        self
    }

    pub(super) fn all(&self) -> u64 {
        self.answered + self.rejected + self.known
    }
}

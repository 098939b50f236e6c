//! What a worker did.

use std::ops::AddAssign;

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

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.answered += more.answered;
        self.rejected += more.rejected;
        self.known += more.known;
        self.given_up += more.given_up;
    }
}

impl Counts {
    pub(super) fn all(&self) -> u64 {
        self.answered + self.rejected + self.known
    }
}

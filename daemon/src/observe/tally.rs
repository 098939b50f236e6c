//! What was recorded, counted: for the summary, for progress, and for whoever else watches.

use std::collections::BTreeMap;

use galmorph_cutout::Morphology;

use galmorph_catalog::{Entry, Verdict};

/// What was recorded since the start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Files with an answer, by class.
    pub(crate) classified: [u64; Morphology::COUNT],
    /// Files whose content had its answer already.
    pub(crate) known: u64,
    /// Files rejected, by kind of fault.
    pub(crate) rejected: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Files that the network answered for, in this run.
    pub(crate) fn classified_total(&self) -> u64 {
        self.classified.iter().sum()
    }

    /// Files that were rejected.
    pub(crate) fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, entry: &Entry) {
        match &entry.verdict {
            Verdict::Classified(answer) => self.classified[answer.label().id()] += 1,
            Verdict::Known => self.known += 1,
            Verdict::Rejected { kind, .. } => *self.rejected.entry(kind).or_default() += 1,
        }
    }
}

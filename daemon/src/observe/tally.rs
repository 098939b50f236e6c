//! Files recorded, counted for the summary, the progress line and the status.

use std::collections::BTreeMap;

use galmorph_cutout::Morphology;

use galmorph_catalog::{Entry, Verdict};

/// Files recorded since the start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Files that the network classified, by class.
    pub(crate) classified: [u64; Morphology::COUNT],
    /// Files whose content was already classified.
    pub(crate) known: u64,
    /// Files rejected, by kind of fault.
    pub(crate) rejected: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Files that the network classified.
    pub(crate) fn classified_total(&self) -> u64 {
        self.classified.iter().sum()
    }

    /// Files that were rejected.
    pub(crate) fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Counts one more file.
    pub(crate) fn add(&mut self, entry: &Entry) {
        match &entry.verdict {
            Verdict::Classified(answer) => self.classified[answer.label().id()] += 1,
            Verdict::Known => self.known += 1,
            Verdict::Rejected { reason, .. } => {
                *self.rejected.entry(reason.as_str()).or_default() += 1;
            }
        }
    }
}

//! The mark beside a partition's committed offset: how far its files were handed out.
//!
//! Kafka counts no deliveries, and a consumer that dies says nothing. So a worker commits, before it touches a file, how far
//! it goes, in the text that Kafka keeps with each committed offset. Who gets the partition next reads it: what lies between the offset
//! and the mark was in the hands of a worker that is gone, and is tried one by one, with each try counted in the same text.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts in a mark, at most: brokers take texts of 4096 bytes (`offset.metadata.max.bytes`), and a count has 18 or so.
const MOST_COUNTS: usize = 150;

/// What is said beside a committed offset. Its absence says that nothing beyond the offset was handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The offset behind the last file that was handed out.
    pub(super) until: i64,
    /// Who wrote it.
    pub(super) worker: String,
    /// How often files were handed out, by their offsets, where that is more than once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tries: BTreeMap<i64, u64>,
}

impl Mark {
    /// As it is committed.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("a mark is a tree of plain values")
    }

    /// What was committed. What somebody else wrote there, as tools do that set offsets, is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Leaves out counts if there are too many for the broker: the lowest, but never that of the file that is tried now.
    pub(super) fn shorten(&mut self, tried_now: Option<i64>) {
        if self.tries.len() <= MOST_COUNTS {
            return;
        }
        let mut counts: Vec<(i64, u64)> = self.tries.iter().map(|(at, n)| (*at, *n)).collect();
        counts.sort_by_key(|(at, count)| (Some(*at) != tried_now, Reverse(*count)));
        counts.truncate(MOST_COUNTS);
        self.tries = counts.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_fits() {
        let mut mark = Mark {
            until: i64::MAX,
            worker: "w".repeat(300),
            tries: (0..1000).map(|at| (i64::MAX - at, 3)).collect(),
        };
        mark.tries.insert(7, 2);
        mark.shorten(Some(7));
        assert_eq!(mark.tries[&7], 2, "the file that is tried now is counted");
        assert_eq!(Mark::read(&mark.text()), Some(mark.clone()));
        assert!(mark.text().len() <= 4096, "{}", mark.text().len());
        for text in ["", "reset by hand", "{}"] {
            assert_eq!(Mark::read(text), None);
        }
    }
}

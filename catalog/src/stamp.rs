//! What tells one content of a file from another without reading it.

use std::fs::Metadata;

use jiff::Timestamp;

use crate::time;

/// A file's size and modification time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The size in bytes.
    pub bytes: u64,
    /// The modification time, with all the digits that the file system gives.
    pub modified: Timestamp,
}

impl Stamp {
    /// The stamp of a file with these metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            modified: time::nearest(
                metadata
                    .modified()
                    .expect("Linux has a modification time for every file"),
            ),
        }
    }

    /// Of this file and another one of the same image: their size together and the later time.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            modified: self.modified.max(other.modified),
        }
    }
}

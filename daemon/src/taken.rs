//! A file under way: what the intake and the pipeline say to each other.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::clock;

/// A file that the intake gives to the pipeline.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Taken {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How it was when it was taken.
    pub(crate) stamp: Stamp,
    /// When it was found, as the catalog writes times.
    pub(crate) first_seen: String,
    /// When it was seen to arrive; none if a scan found it.
    pub(crate) arrived: Option<Instant>,
    /// How often it was tried before.
    pub(crate) failures: u32,
}

/// What tells a file's content from an earlier one without reading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Its size.
    pub(crate) bytes: u64,
    /// Its modification time, as the catalog writes it.
    pub(crate) modified: String,
}

/// How a file left the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finished {
    /// Its row is committed.
    Recorded,
    /// It was being written while it was read.
    Changed,
    /// It is no longer there.
    Gone,
    /// It could not be read just now.
    Transient(String),
}

/// A file's way out, and the file it is about.
pub(crate) type FinishedFile = (PathBuf, Finished);

/// What tells this content from another.
pub(crate) fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        bytes: metadata.len(),
        modified: metadata
            .modified()
            .map_or_else(|_| String::new(), clock::exact),
    }
}

/// Since when a file is where and what it is: the kernel's own time of the last change, which moving it
/// and setting its modification time change as well.
pub(crate) fn changed(metadata: &Metadata) -> SystemTime {
    let (seconds, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let parts = Duration::from_nanos(nanoseconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if seconds < 0 {
        epoch.checked_sub(whole)
    } else {
        epoch.checked_add(whole)
    };
    time.and_then(|time| time.checked_add(parts))
        .unwrap_or(epoch)
}

/// Everything but absence may pass: a mount that hangs, a permission that is being set.
pub(crate) fn io_fault(path: &Path, error: &io::Error) -> Finished {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Finished::Gone,
        _ => Finished::Transient(format!("cannot read '{}': {error}", path.display())),
    }
}

//! A file under way: what the intake and the pipeline say to each other.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use galmorph_catalog::Stamp;
use jiff::Timestamp;

/// A file that the intake gives to the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TakenFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How it was when it was taken.
    pub(crate) stamp: Stamp,
    /// What is known of its way so far.
    pub(crate) origin: Origin,
}

/// What is known of a file's way before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// When it was found.
    pub(crate) first_seen: Timestamp,
    /// When it was seen to arrive; `None` when a scan found it.
    pub(crate) arrived: Option<Instant>,
    /// How often it could not be read.
    pub(crate) failures: u32,
}

impl Origin {
    /// That of a file which is found just now.
    pub(crate) fn now() -> Self {
        Self {
            first_seen: Timestamp::now(),
            arrived: None,
            failures: 0,
        }
    }
}

/// How a file left the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Departure {
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
pub(crate) type DepartedFile = (PathBuf, Departure);

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
pub(crate) fn io_fault(path: &Path, error: &io::Error) -> Departure {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Departure::Gone,
        _ => Departure::Transient(format!("cannot read '{}': {error}", path.display())),
    }
}

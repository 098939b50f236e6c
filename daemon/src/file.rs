//! A file on its way: what the intake and the pipeline tell each other about it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use galmorph_catalog::Stamp;
use galmorph_catalog::readable;
use jiff::Timestamp;

/// A file that the intake gives to the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TakenFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its size and time when it was taken.
    pub(crate) stamp: Stamp,
    /// How it got here.
    pub(crate) origin: Origin,
}

/// How a file got into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// When it was found.
    pub(crate) first_seen: Timestamp,
    /// When it was seen to arrive; `None` when a scan found it.
    pub(crate) arrived: Option<Instant>,
    /// How often it could not be read since then.
    pub(crate) failures: u32,
}

impl Origin {
    /// Of a file that is found just now.
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
    /// It changed after it was taken.
    Changed,
    /// It is no longer there.
    Gone,
    /// It could not be read just now.
    Transient(String),
}

/// A file, and how it left the pipeline.
pub(crate) type DepartedFile = (PathBuf, Departure);

/// Since when a file has been where it is and as it is: the kernel's own time of the last change. Moving a
/// file and setting its modification time change it as well.
pub(crate) fn changed_at(metadata: &Metadata) -> SystemTime {
    let (seconds, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let part = u64::try_from(nanoseconds).expect("the part of a second is not negative");
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if seconds < 0 {
        epoch.checked_sub(whole)
    } else {
        epoch.checked_add(whole)
    };
    time.and_then(|time| time.checked_add(Duration::from_nanos(part)))
        .expect("a SystemTime holds every time of the kernel")
}

/// What an error of the file system means for a file. All but absence may pass: a mount that hangs, a
/// permission that is being set.
pub(crate) fn io_fault(path: &Path, error: &io::Error) -> Departure {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Departure::Gone,
        _ => Departure::Transient(format!("cannot read '{}': {error}", readable(path))),
    }
}

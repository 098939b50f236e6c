//! A file on its way: what the intake and the pipeline tell each other about it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use galmorph_catalog::{CatalogError, FileStatus, Reader, RequiredModel, Stamp};
use galmorph_cutout::FramingSettings;
use galmorph_output::readable;
use jiff::Timestamp;

/// A file that the intake gives to the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TakenFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How it was when it was taken.
    pub(crate) seen: Seen,
    /// How it got here.
    pub(crate) origin: Origin,
}

#[cfg(test)]
impl TakenFile {
    /// One that is nowhere.
    pub(crate) fn named(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            seen: Seen {
                stamp: Stamp::default(),
                changed: SystemTime::UNIX_EPOCH,
                inode: (0, 0),
            },
            origin: Origin::now(),
        }
    }
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

/// A file as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its size and modification time.
    pub(crate) stamp: Stamp,
    /// When anything about it was changed last, by the kernel's clock.
    pub(crate) changed: SystemTime,
    // The numbers of its device and of its inode: another file under the name has others.
    inode: (u64, u64),
}

impl Seen {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            stamp: Stamp::of(metadata),
            changed: changed_at(metadata),
            inode: (metadata.dev(), metadata.ino()),
        }
    }

    /// Whether it is the same file, with the same content as far as its size and time tell. Who may read it
    /// or how many names it has may have changed.
    pub(crate) fn is_same_content(&self, other: &Self) -> bool {
        (self.stamp, self.inode) == (other.stamp, other.inode)
    }

    /// Whether nothing about it was changed for this long. A time in the future is another machine's, and
    /// says nothing.
    pub(crate) fn is_left_alone_for(&self, settle: Duration) -> bool {
        SystemTime::now()
            .duration_since(self.changed)
            .is_ok_and(|age| age >= settle)
    }
}

/// What the intake asks the recorder for.
#[derive(Debug)]
pub(crate) enum Errand {
    /// To move a file that has its answer and was left alone. It ends in a [`Departure`].
    Move(TakenFile),
    /// To take the mark from a file that can't be tried again.
    Unmark(PathBuf),
}

/// How a file left the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Its row is committed.
    Recorded,
    /// It was moved there.
    Moved(PathBuf),
    /// It was to be moved, and somebody has it open for writing.
    Busy,
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

/// How a file stands with the catalog that has these metadata, and whose image is framed like this.
pub(crate) fn file_status(
    catalog: &Reader,
    path: &Path,
    metadata: &Metadata,
    wanted: RequiredModel,
    framing: &FramingSettings,
) -> Result<FileStatus, CatalogError> {
    let (stamp, changed) = (Stamp::of(metadata), changed_at(metadata));
    catalog.file_status(path, stamp, changed, wanted, framing)
}

/// What an error of the file system means for a file. All but absence may pass: a mount that hangs, a
/// permission that is being set.
pub(crate) fn io_fault(path: &Path, error: &io::Error) -> Departure {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Departure::Gone,
        _ => Departure::Transient(format!("cannot read '{}': {error}", readable(path))),
    }
}

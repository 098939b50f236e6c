//! A file on its way: what the intake and the pipeline tell each other about it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use galmorph_catalog::{
    CatalogError, FileState, FileStatus, Reader, RequiredModel, RequiredPicture, Stamp,
};
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
                is_whole: true,
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
    /// How often in a row it was read again because something about it had changed, but neither size nor time.
    pub(crate) repeats: u32,
}

impl Origin {
    /// Of a file that is found just now.
    pub(crate) fn now() -> Self {
        Self {
            first_seen: Timestamp::now(),
            arrived: None,
            failures: 0,
            repeats: 0,
        }
    }
}

/// A file as it was when it was looked at; or the files of one image, that have a band each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its size and modification time. Of several files, their size together and the latest time.
    pub(crate) stamp: Stamp,
    /// When anything about it was changed last, by the kernel's clock.
    pub(crate) changed: SystemTime,
    /// False when some files of several are missing or empty.
    pub(crate) is_whole: bool,
    // The numbers of its device and of its inode: another file under the name has others.
    inode: (u64, u64),
}

impl Seen {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            stamp: Stamp::of(metadata),
            changed: changed_at(metadata),
            is_whole: true,
            inode: (metadata.dev(), metadata.ino()),
        }
    }

    /// Of the files of one image, in the order of their bands; `None` where one is missing. `None` of no file at all.
    pub(crate) fn of_all(files: &[Option<Metadata>]) -> Option<Self> {
        let mut all: Option<Self> = None;
        for (place, file) in files.iter().enumerate() {
            let Some(file) = file else {
                continue;
            };
            let mut one = Self::of(file);
            // The same files in another order are others.
            one.inode.1 = one.inode.1.wrapping_add(place as u64);
            all = Some(all.map_or(one, |all| Self {
                stamp: all.stamp.and(one.stamp),
                changed: all.changed.max(one.changed),
                is_whole: true,
                inode: (mix(all.inode.0, one.inode.0), mix(all.inode.1, one.inode.1)),
            }));
        }
        let is_there = |file: &Option<Metadata>| file.as_ref().is_some_and(|file| file.len() > 0);
        let is_whole = files.iter().all(is_there);
        all.map(|all| Self { is_whole, ..all })
    }

    /// How long ago it was modified; `None` when that lies in the future.
    pub(crate) fn age(&self) -> Option<Duration> {
        let modified = SystemTime::from(self.stamp.modified);
        SystemTime::now().duration_since(modified).ok()
    }

    /// How long nothing about it was changed; `None` when the last change lies in the future.
    pub(crate) fn left_alone(&self) -> Option<Duration> {
        SystemTime::now().duration_since(self.changed).ok()
    }

    /// Whether it is the same file, with the same content as far as its size and time tell. Who may read it
    /// or how many names it has may have changed.
    pub(crate) fn is_same_content(&self, other: &Self) -> bool {
        (self.stamp, self.inode) == (other.stamp, other.inode)
    }

    /// Whether nothing about it was changed for this long. A time in the future is another machine's, and
    /// says nothing.
    pub(crate) fn is_left_alone_for(&self, settle: Duration) -> bool {
        self.left_alone().is_some_and(|age| age >= settle)
    }
}

/// One number of several. It differs if one of them does, as good as always.
const fn mix(all: u64, one: u64) -> u64 {
    all.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23) ^ one
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
fn changed_at(metadata: &Metadata) -> SystemTime {
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

/// How a file stands with the catalog that is like this, and whose image is shown like this.
pub(crate) fn file_status(
    catalog: &Reader,
    path: &Path,
    seen: &Seen,
    wanted: RequiredModel,
    picture: RequiredPicture,
) -> Result<FileStatus, CatalogError> {
    let now = FileState {
        stamp: seen.stamp,
        changed: seen.changed,
        is_whole: seen.is_whole,
    };
    catalog.file_status(path, &now, wanted, picture)
}

/// What an error of the file system means for a file. All but absence may pass: a mount that hangs, a
/// permission that is being set.
pub(crate) fn io_fault(path: &Path, error: &io::Error) -> Departure {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Departure::Gone,
        _ => Departure::Transient(format!("cannot read '{}': {error}", readable(path))),
    }
}

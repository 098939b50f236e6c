//! The questions that each file is asked before it goes into the queue.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Intake;
use super::delay::Delayed;
use super::queue::Lane;
use crate::config::After;
use crate::file::{Origin, TakenFile, changed};
use galmorph_catalog::Stamp;
use galmorph_catalog::{FileStatus, StaleReason};

/// How a file came to be considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Found as it lies there; it has settled if it is old enough.
    Found,
    /// Closed or renamed into place: it has settled, at this moment.
    Complete(Instant),
    /// It has just come to be, or to change.
    Young,
}

impl Intake<'_> {
    pub(super) fn consider(&mut self, path: PathBuf, metadata: &Metadata, cause: Cause) {
        if self.under_way.contains_key(&path) {
            // A scan only sees that it is there; that is no news.
            if cause != Cause::Found {
                self.touched.insert(path, cause);
            }
            return;
        }
        // Whatever it was when it was put there, it is looked at again when its turn comes.
        if !matches!(cause, Cause::Complete(_)) && self.is_known(&path) {
            return;
        }
        let stamp = Stamp::of(metadata);
        // Whoever wrote it may have kept its size, and within one tick of the clock its time: what was
        // written just now is read in any case, and its digest says whether it is new.
        let lane = match cause {
            Cause::Complete(_) => Some(Lane::Fresh),
            Cause::Found | Cause::Young => self.lane(&path, stamp),
        };
        let known = self.forget(&path);
        let Some(lane) = lane else {
            // Later scans also find what was done since.
            self.report.unchanged += u64::from(cause == Cause::Found && self.full_scans == 1);
            return;
        };
        let mut delayed = known.unwrap_or_else(|| Delayed {
            stamp: None,
            origin: Origin::now(),
        });
        let settled = match cause {
            Cause::Complete(moment) => {
                delayed.origin.arrived = Some(moment);
                true
            }
            Cause::Young => false,
            Cause::Found => age(metadata).is_some_and(|age| age >= self.options.settle),
        };
        if settled {
            self.take(path, stamp, delayed, lane, changed(metadata));
        } else {
            self.delay_until_settled(path, stamp, delayed);
        }
    }

    /// Whether a file waits, or is ready to go, or was given up.
    fn is_known(&self, path: &Path) -> bool {
        self.waiting.contains(path) || self.ready.contains(path) || self.given_up.contains(path)
    }

    /// Takes a file out of where it waits, and says what was known of it.
    fn forget(&mut self, path: &Path) -> Option<Delayed> {
        let ready = self.ready.remove(path).map(|file| Delayed {
            stamp: None,
            origin: file.origin,
        });
        self.waiting.remove(path).or(ready)
    }

    /// Where a file belongs that a scan found; none if it is done.
    pub(super) fn lane(&self, path: &Path, stamp: Stamp) -> Option<Lane> {
        let standing = match self.catalog.file_status(path, stamp, self.wanted) {
            Ok(standing) => standing,
            Err(error) => {
                log::warn!("{error}; '{}' is read again", path.display());
                FileStatus::New
            }
        };
        match standing {
            FileStatus::Done => {
                let folder = self.options.selection.folder_of(path);
                let moves = folder.is_some_and(|folder| folder.after == After::Move);
                // A link stays where it is.
                (moves && !path.is_symlink()).then_some(Lane::Answered)
            }
            FileStatus::Stale {
                reason: StaleReason::OtherModel,
                ..
            } => Some(Lane::Answered),
            FileStatus::New | FileStatus::Stale { .. } => Some(Lane::Backlog),
        }
    }

    pub(super) fn take(
        &mut self,
        path: PathBuf,
        stamp: Stamp,
        delayed: Delayed,
        lane: Lane,
        since: SystemTime,
    ) {
        let file = TakenFile {
            path,
            stamp,
            origin: delayed.origin,
        };
        self.ready.push(file, lane, since);
    }
}

/// How long ago a file was modified; none if that lies in the future.
fn age(metadata: &Metadata) -> Option<Duration> {
    let modified = metadata.modified().ok()?;
    SystemTime::now().duration_since(modified).ok()
}

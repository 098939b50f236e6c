//! The questions that each file is asked before it goes into the queue.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Intake;
use super::delay::Delayed;
use super::queue::Lane;
use crate::config::After;
use crate::file::{Origin, TakenFile, changed_at};
use galmorph_catalog::Stamp;
use galmorph_catalog::{FileStatus, StaleReason};

/// Why a file is considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A scan found it. It has settled if it is old enough.
    Found,
    /// It was closed after writing or renamed into place, at this moment. So it has settled.
    Complete(Instant),
    /// It has just appeared, and may still be written to.
    Appeared,
}

impl Intake<'_> {
    /// Puts a file into the queue, lets it settle first, or leaves it alone.
    pub(super) fn consider(&mut self, path: PathBuf, metadata: &Metadata, cause: Cause) {
        if self.under_way.contains_key(&path) {
            // That a scan finds it says nothing new.
            if cause != Cause::Found {
                self.touched.insert(path, cause);
            }
            return;
        }
        // It is looked at again when its turn comes, so another notice of it changes nothing.
        if !matches!(cause, Cause::Complete(_)) && self.is_known(&path) {
            return;
        }
        let stamp = Stamp::of(metadata);
        // A file that was just written may have kept its size and, within one tick of the clock, its time.
        // So it is read in any case, and its digest says whether it is new.
        let lane = match cause {
            Cause::Complete(_) => Some(Lane::Fresh),
            Cause::Found | Cause::Appeared => self.lane(&path, stamp),
        };
        let earlier = self.withdraw(&path);
        let Some(lane) = lane else {
            // Only the first scan counts them: later ones also find files that were done since.
            self.report.unchanged += u64::from(cause == Cause::Found && self.full_scans == 1);
            return;
        };
        let mut origin = earlier.map_or_else(Origin::now, |earlier| earlier.origin);
        let settled = match cause {
            Cause::Complete(moment) => {
                origin.arrived = Some(moment);
                true
            }
            Cause::Appeared => false,
            Cause::Found => age(metadata).is_some_and(|age| age >= self.options.settle),
        };
        if settled {
            self.enqueue(path, stamp, origin, lane, changed_at(metadata));
        } else {
            self.delay_until_settled(path, stamp, origin);
        }
    }

    /// Whether a file waits to settle or in the queue, or was given up.
    fn is_known(&self, path: &Path) -> bool {
        self.delayed.contains(path) || self.queue.contains(path) || self.given_up.contains(path)
    }

    /// Takes a file out of where it waits.
    fn withdraw(&mut self, path: &Path) -> Option<Delayed> {
        let queued = self.queue.remove(path).map(|file| Delayed {
            stamp: None,
            origin: file.origin,
        });
        self.delayed.remove(path).or(queued)
    }

    /// The lane of the queue for a file that a scan found; `None` when the file is done.
    pub(super) fn lane(&self, path: &Path, stamp: Stamp) -> Option<Lane> {
        let status = match self.catalog.file_status(path, stamp, self.required) {
            Ok(status) => status,
            Err(error) => {
                // Reading a file that is done costs time and does no harm; leaving one out would.
                log::warn!("{error}; '{}' is read again", path.display());
                FileStatus::New
            }
        };
        match status {
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

    pub(super) fn enqueue(
        &mut self,
        path: PathBuf,
        stamp: Stamp,
        origin: Origin,
        lane: Lane,
        since: SystemTime,
    ) {
        let file = TakenFile {
            path,
            stamp,
            origin,
        };
        self.queue.push(file, lane, since);
    }
}

/// How long ago a file was modified; `None` when that lies in the future.
fn age(metadata: &Metadata) -> Option<Duration> {
    let modified = metadata
        .modified()
        .expect("Linux has a modification time for every file");
    SystemTime::now().duration_since(modified).ok()
}

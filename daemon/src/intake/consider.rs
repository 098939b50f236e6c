//! The questions that each file is asked before it goes into the queue.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Intake;
use super::queue::Lane;
use super::settle::Wait;
use crate::catalog::{Standing, Why};
use crate::clock;
use crate::folder::After;
use crate::taken::{Stamp, Taken, changed, stamp};

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
        let stamp = stamp(metadata);
        // Whoever wrote it may have kept its size, and within one tick of the clock its time: what was
        // written just now is read in any case, and its digest says whether it is new.
        let lane = match cause {
            Cause::Complete(_) => Some(Lane::Fresh),
            Cause::Found | Cause::Young => self.lane(&path, &stamp),
        };
        let known = self.forget(&path);
        let Some(lane) = lane else {
            // Later scans also find what was done since.
            self.report.unchanged += u64::from(cause == Cause::Found && self.full_scans == 1);
            return;
        };
        let mut wait = known.unwrap_or_else(|| Wait {
            stamp: None,
            first_seen: clock::now(),
            arrived: None,
            failures: 0,
        });
        let settled = match cause {
            Cause::Complete(moment) => {
                wait.arrived = Some(moment);
                true
            }
            Cause::Young => false,
            Cause::Found => age(metadata).is_some_and(|age| age >= self.plan.settle),
        };
        if settled {
            self.take(path, stamp, wait, lane, changed(metadata));
        } else {
            self.let_settle(path, stamp, wait);
        }
    }

    /// Whether a file waits, or is ready to go, or was given up.
    fn is_known(&self, path: &Path) -> bool {
        self.waiting.contains(path) || self.ready.contains(path) || self.given_up.contains(path)
    }

    /// Takes a file out of where it waits, and says what was known of it.
    fn forget(&mut self, path: &Path) -> Option<Wait> {
        let ready = self.ready.remove(path).map(|file| Wait {
            stamp: None,
            first_seen: file.first_seen,
            arrived: file.arrived,
            failures: file.failures,
        });
        self.waiting.remove(path).or(ready)
    }

    /// Where a file belongs that a scan found; none if it is done.
    pub(super) fn lane(&self, path: &Path, stamp: &Stamp) -> Option<Lane> {
        let standing = match self.catalog.standing(path, stamp, self.wanted) {
            Ok(standing) => standing,
            Err(error) => {
                log::warn!("{error}; '{}' is read again", path.display());
                Standing::New
            }
        };
        match standing {
            Standing::Done => {
                let folder = self.plan.selection.folder_of(path);
                let moves = folder.is_some_and(|folder| folder.after == After::Move);
                // A link stays where it is.
                (moves && !path.is_symlink()).then_some(Lane::Answered)
            }
            Standing::Again {
                why: Why::OtherModel,
                ..
            } => Some(Lane::Answered),
            Standing::New | Standing::Again { .. } => Some(Lane::Backlog),
        }
    }

    pub(super) fn take(
        &mut self,
        path: PathBuf,
        stamp: Stamp,
        wait: Wait,
        lane: Lane,
        since: SystemTime,
    ) {
        let file = Taken {
            path,
            stamp,
            first_seen: wait.first_seen,
            arrived: wait.arrived,
            failures: wait.failures,
        };
        self.ready.push(file, lane, since);
    }
}

/// How long ago a file was modified; none if that lies in the future.
fn age(metadata: &Metadata) -> Option<Duration> {
    let modified = metadata.modified().ok()?;
    SystemTime::now().duration_since(modified).ok()
}

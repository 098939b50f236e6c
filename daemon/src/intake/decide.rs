//! The questions that each file is asked before it goes into the queue, or is moved.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Intake;
use super::delay::Delayed;
use super::queue::Lane;
use crate::file::{Origin, Seen, TakenFile};
use galmorph_catalog::{FileStatus, StaleReason};
use galmorph_output::readable;

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

/// What is to be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// To judge it.
    Read(Lane),
    /// To move it: it has its answer.
    Move,
}

impl Intake<'_> {
    /// Puts a file into the queue, lets it settle first, or leaves it alone.
    pub(super) fn consider(&mut self, path: PathBuf, seen: Seen, cause: Cause) {
        if self.under_way.contains_key(&path) {
            // That a scan finds it says nothing new.
            if cause != Cause::Found {
                self.touched.insert(path, cause);
            }
            return;
        }
        if !matches!(cause, Cause::Complete(_)) {
            // One that waits to be moved must not hide another one that took its place.
            if let Some(before) = self.delayed.get(&path).and_then(|delayed| delayed.before)
                && !before.is_same_content(&seen)
            {
                let origin = self
                    .withdraw(&path)
                    .map_or_else(Origin::now, |earlier| earlier.origin);
                return self.read_when_settled(path, seen, origin);
            }
            // It is looked at again when its turn comes, so another notice of it changes nothing.
            if self.is_known(&path) {
                return;
            }
        }
        // A file that was just written may have kept its size and, within one tick of the clock, its time.
        // So it is read in any case, and its digest says whether it is new.
        let task = match cause {
            Cause::Complete(_) => Some(Task::Read(Lane::Fresh)),
            Cause::Found | Cause::Appeared => self.task(&path, &seen),
        };
        let earlier = self.withdraw(&path);
        if task.is_none_or(|task| task == Task::Move) {
            // Only the first scan counts them: later ones also find files that were done since.
            self.report.unchanged += u64::from(cause == Cause::Found && self.full_scans == 1);
        }
        let mut origin = earlier.map_or_else(Origin::now, |earlier| earlier.origin);
        let settle = self.options.settle;
        match (task, cause) {
            (None, _) => {}
            (Some(Task::Move), _) if seen.is_left_alone_for(settle) => {
                self.move_unless_written(path, seen, origin);
            }
            (Some(Task::Read(lane)), Cause::Complete(moment)) => {
                origin.arrived = Some(moment);
                if self.options.selection.set_of(&path).is_some() {
                    // One of its files is complete. The others may be written to.
                    self.read_when_settled(path, seen, origin);
                } else {
                    self.enqueue(path, seen, origin, lane);
                }
            }
            (Some(Task::Read(lane)), Cause::Found)
                if seen.age().is_some_and(|age| age >= settle) =>
            {
                self.enqueue(path, seen, origin, lane);
            }
            (Some(_), _) => self.delay_until_settled(path, seen, origin),
        }
    }

    /// Whether a file waits to settle or in the queue, or was given up.
    fn is_known(&self, path: &Path) -> bool {
        self.delayed.contains(path) || self.queue.contains(path) || self.given_up.contains(path)
    }

    /// Takes a file out of where it waits.
    fn withdraw(&mut self, path: &Path) -> Option<Delayed> {
        let queued = self.queue.remove(path).map(|file| Delayed {
            before: None,
            must_read: true,
            origin: file.origin,
        });
        self.delayed.remove(path).or(queued)
    }

    /// What is to be done with a file that now is like this; `None` when nothing is. Of those that were
    /// moved only the ones with a row are ours.
    pub(super) fn task(&self, path: &Path, seen: &Seen) -> Option<Task> {
        let selection = &self.options.selection;
        let status = match selection.status(&self.catalog, path, seen, self.required) {
            Ok(status) => status,
            Err(error) => {
                // Reading a file that is done costs time and does no harm; leaving one out would.
                log::warn!("{error}; '{}' is read again", readable(path));
                FileStatus::New
            }
        };
        let is_relocated = self.options.selection.is_relocated(path);
        match status {
            FileStatus::Done { rejected } => {
                let folder = self.options.selection.folder_of(path);
                let moves =
                    folder.is_some_and(|folder| folder.destination(path, rejected).is_some());
                // An empty file is a place that somebody keeps for later, and a missing one may still come. A
                // relative link would lead elsewhere from there.
                let may_move = || {
                    let mut files = selection.files_of(path).into_iter();
                    seen.is_whole && seen.stamp.bytes > 0 && !files.any(|file| file.is_symlink())
                };
                (moves && may_move()).then_some(Task::Move)
            }
            FileStatus::New if is_relocated => None,
            FileStatus::Stale {
                reason: StaleReason::OtherAnswer,
                ..
            } => (!is_relocated).then_some(Task::Read(Lane::Answered)),
            FileStatus::New | FileStatus::Stale { .. } => Some(Task::Read(Lane::Backlog)),
        }
    }

    /// Has a file read, whatever the catalog says of it, as soon as it has settled.
    pub(super) fn read_when_settled(&mut self, path: PathBuf, seen: Seen, origin: Origin) {
        let settle = self.options.settle;
        if seen.age().is_some_and(|age| age >= settle) {
            return self.enqueue(path, seen, origin, Lane::Fresh);
        }
        let delayed = Delayed {
            before: Some(seen),
            must_read: true,
            origin,
        };
        self.delay(path, Instant::now() + settle, delayed);
    }

    /// Puts a file into the queue. A set of which files are missing waits for them first.
    pub(super) fn enqueue(&mut self, path: PathBuf, seen: Seen, origin: Origin, lane: Lane) {
        let wait = self.options.band_wait;
        if !seen.is_whole && !seen.is_left_alone_for(wait) {
            log::debug!("'{}' waits for its other bands", readable(&path));
            let waited = seen.left_alone().unwrap_or_default();
            let delayed = Delayed {
                before: Some(seen),
                must_read: true,
                origin,
            };
            return self.delay(path, Instant::now() + wait.saturating_sub(waited), delayed);
        }
        let file = TakenFile { path, seen, origin };
        self.queue.push(file, lane, seen.changed);
    }
}

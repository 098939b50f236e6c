//! When a file that has its answer may be moved, and the look at it afterwards.
//!
//! An answer comes as soon as a file is closed, and the file may be opened again: by a writer that appends,
//! that fills it from several sides, or that sets its times. So only the move waits. A file is moved when
//! nothing about it was changed for as long as files must settle, and nobody has it open for writing as far
//! as that can be seen. It is looked at again when it has lain in its new place for as long: whoever had it
//! open all the same has changed it there, and it is judged again where it is.
//!
//! Files in `done` and `rejected` are not scanned. What the kernel tells about one that has a row is heeded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::decide::{Cause, Task};
use super::delay::Delayed;
use super::departures::DRAIN_ATTEMPTS;
use super::scan::MARKED_STEP;
use super::{Intake, UnderWay};
use crate::file::{Errand, Origin, Seen, TakenFile};
use crate::writers::{Writers, writers};
use galmorph_output::readable;

/// The shortest pause before a file that somebody writes to is looked at again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// The kernel's times of changes are behind by less than this.
const TICK: Duration = Duration::from_millis(20);

/// How often in a row a file is read again of which neither size nor time has changed.
pub(super) const REPEATS: u32 = 3;

/// How long it is believed that a file is being written to of which no more is heard. Its size may have been
/// changed by its name: there is no close after that.
const BELIEF: Duration = Duration::from_hours(1);

/// How many files that are being written to are remembered.
const WRITTEN: usize = 16_384;

/// The files that were written to and not closed since, as the kernel tells. It is what is known where
/// [`writers`] may not ask.
#[derive(Debug, Default)]
pub(super) struct BeingWritten {
    files: Mutex<HashMap<PathBuf, Instant>>,
}

impl BeingWritten {
    /// It was written to.
    pub(super) fn insert(&self, path: PathBuf) {
        let mut files = self.lock();
        if files.len() < WRITTEN || files.contains_key(&path) {
            files.insert(path, Instant::now());
        }
    }

    /// It was closed, or has left its place.
    pub(super) fn remove(&self, path: &Path) {
        self.lock().remove(path);
    }

    /// Whether it is being written to.
    pub(super) fn contains(&self, path: &Path) -> bool {
        let mut files = self.lock();
        let is_believed = files.get(path).is_some_and(|last| last.elapsed() < BELIEF);
        if !is_believed {
            files.remove(path);
        }
        is_believed
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Instant>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake<'_> {
    /// A file has its answer, and its row is committed.
    pub(super) fn after_answer(&mut self, path: PathBuf, known: &UnderWay) {
        let Ok(Some(seen)) = self.options.selection.look(&path) else {
            return;
        };
        let origin = Origin {
            repeats: known.origin.repeats,
            ..Origin::now()
        };
        if !seen.is_same_content(&known.seen) {
            // The answer is one for what was there before.
            return self.read_when_settled(path, seen, origin);
        }
        if seen != known.seen {
            // It may be: the row's time is later than the change, so no scan heeds it.
            return self.read_again(path, seen, origin);
        }
        if self.options.selection.moves(&path) && self.task(&path, &seen) == Some(Task::Move) {
            if seen.is_left_alone_for(self.options.settle) {
                self.move_unless_written(path, seen, Origin::now());
            } else {
                self.delay_until_settled(path, seen, Origin::now());
            }
        } else if self.options.drain || !self.delayed.is_full() {
            // Whatever takes its place at once may get a time from before the row's, which no scan heeds.
            let delayed = Delayed {
                before: Some(seen),
                must_read: false,
                origin,
            };
            self.delay(path, Instant::now() + TICK, delayed);
        }
    }

    /// Reads a file once more, of which something has changed but neither size nor time. Where that goes on, because somebody
    /// changes permissions without end or the file system's times don't hold still, it is left to the next scan.
    pub(super) fn read_again(&mut self, path: PathBuf, seen: Seen, origin: Origin) {
        if origin.repeats >= REPEATS {
            return log::info!(
                "'{}' keeps changing, and is left to the next scan",
                readable(&path)
            );
        }
        let delayed = Delayed {
            before: Some(seen),
            must_read: true,
            origin: Origin {
                repeats: origin.repeats + 1,
                ..origin
            },
        };
        self.delay(path, Instant::now() + self.options.settle, delayed);
    }

    /// Moves a file that was left alone; one that somebody has open for writing is looked at again later.
    pub(super) fn move_unless_written(&mut self, path: PathBuf, seen: Seen, origin: Origin) {
        if self.is_being_written(&path) {
            return self.wait_for_writer(path, seen, origin);
        }
        log::debug!("moves '{}'", readable(&path));
        let known = UnderWay {
            seen,
            origin,
            is_move: true,
        };
        self.under_way.insert(path.clone(), known);
        self.errands
            .push_back(Errand::Move(TakenFile { path, seen, origin }));
    }

    /// Looks again, in a while, at a file that somebody writes to.
    pub(super) fn wait_for_writer(&mut self, path: PathBuf, seen: Seen, origin: Origin) {
        log::debug!("'{}' is open for writing", readable(&path));
        let failures = origin.failures + u32::from(self.options.drain);
        if failures >= DRAIN_ATTEMPTS {
            let path = readable(&path);
            let fault =
                format!("'{path}' has its answer, and is not moved: it is open for writing");
            log::warn!("{fault}");
            self.report.abandoned.push(fault);
            return;
        }
        let delayed = Delayed {
            before: Some(seen),
            must_read: false,
            origin: Origin { failures, ..origin },
        };
        let pause = self.options.settle.max(SHORTEST_PAUSE);
        self.delay(path, Instant::now() + pause, delayed);
    }

    /// Whether somebody has a file of an image open for writing, as far as that can be seen.
    pub(super) fn is_being_written(&self, path: &Path) -> bool {
        let files = self.options.selection.files_of(path);
        files.iter().any(|file| match writers(file) {
            Writers::Some => true,
            Writers::None(_) => false,
            Writers::Unknown => {
                let listener = self.listener.as_ref();
                listener.is_some_and(|listener| listener.being_written().contains(file))
            }
        })
    }

    /// A file was moved. It is looked at once more.
    pub(super) fn after_move(&mut self, to: PathBuf) {
        if let Ok(Some(seen)) = self.options.selection.look(&to) {
            self.delay_until_settled(to, seen, Origin::now());
        }
    }

    /// Looks at the next files that are marked to be tried again, after the one named `last`. A scan finds
    /// those that lie in the folders, but not those that were moved; and a mark that can lead to nothing is
    /// taken away. False when there are no more.
    pub(super) fn advance_marked(&mut self, last: &mut PathBuf) -> bool {
        let marked = match self.catalog.marked(last, MARKED_STEP) {
            Ok(marked) => marked,
            Err(error) => {
                log::warn!("{error}; the next scan finds the files that are to be tried again");
                return false;
            }
        };
        let Some(end) = marked.last() else {
            return false;
        };
        last.clone_from(end);
        for path in marked {
            self.consider_marked(path);
        }
        true
    }

    fn consider_marked(&mut self, path: PathBuf) {
        let selection = &self.options.selection;
        let Some(folder) = selection.folder_of(&path) else {
            // It belongs to another configuration.
            return;
        };
        // A mount that is away comes back, with its files.
        let is_there = match selection.look(&path) {
            Ok(found) => found,
            Err(error) if is_absence(&error) && folder.path.is_dir() => None,
            Err(_) => return,
        };
        let why = match is_there {
            None => "is not there",
            Some(seen) if selection.is_relocated(&path) => {
                return self.consider(path, seen, Cause::Found);
            }
            Some(_) if selection.takes(&path) => return,
            Some(_) => "is none of the files that are taken",
        };
        if !self.under_way.contains_key(&path) {
            log::info!(
                "'{}' {why}, and is not tried again; its row stays as it is",
                readable(&path)
            );
            self.errands.push_back(Errand::Unmark(path));
        }
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

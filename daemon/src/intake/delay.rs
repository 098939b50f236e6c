//! Files that are not to be taken yet: they may still be written to, or are to be tried again.
//!
//! Each has a moment at which it is looked at again. There is room for a bounded number, and a later scan
//! finds the others. A drain has no later scan, so it leaves no file out: its scan waits for room instead,
//! and only files that come back from the pipeline go beyond the bound.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Intake;
use super::decide::Task;
use super::queue::Lane;
use crate::file::{Origin, Seen, io_fault};

/// A file that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delayed {
    /// How it was when it was last looked at; `None` when it is taken however it is now.
    pub(super) before: Option<Seen>,
    /// Whether it is read whatever the catalog says of it.
    pub(super) must_read: bool,
    /// How it got here.
    pub(super) origin: Origin,
}

/// The files that wait, by the moment at which each is looked at again.
#[derive(Debug)]
pub(super) struct DelayQueue {
    files: HashMap<PathBuf, (Instant, Delayed)>,
    // May name a file that has left, or that has another moment by now. The map decides.
    by_moment: BinaryHeap<Reverse<(Instant, PathBuf)>>,
    capacity: usize,
}

impl DelayQueue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            files: HashMap::new(),
            by_moment: BinaryHeap::new(),
            capacity,
        }
    }

    /// Lets a file wait until `moment`. False when there is no room.
    fn admit(&mut self, path: PathBuf, moment: Instant, delayed: Delayed) -> bool {
        if self.is_full() && !self.files.contains_key(&path) {
            return false;
        }
        self.insert(path, moment, delayed);
        true
    }

    /// Lets a file wait until `moment`, even beyond the bound.
    fn insert(&mut self, path: PathBuf, moment: Instant, delayed: Delayed) {
        self.by_moment.push(Reverse((moment, path.clone())));
        self.files.insert(path, (moment, delayed));
    }

    /// Whether there is no room for another file.
    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= self.capacity
    }

    /// Takes a file out before its moment.
    pub(super) fn remove(&mut self, path: &Path) -> Option<Delayed> {
        self.files.remove(path).map(|(_, delayed)| delayed)
    }

    /// Whether a file waits.
    pub(super) fn contains(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// The file, if it waits.
    pub(super) fn get(&self, path: &Path) -> Option<&Delayed> {
        self.files.get(path).map(|(_, delayed)| delayed)
    }

    /// A file whose moment has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<(PathBuf, Delayed)> {
        loop {
            let moment = self.next_moment()?;
            if moment > now {
                return None;
            }
            let Reverse((_, path)) = self.by_moment.pop()?;
            if let Some((_, delayed)) = self.files.remove(&path) {
                return Some((path, delayed));
            }
        }
    }

    /// When the next file is due.
    pub(super) fn next_moment(&mut self) -> Option<Instant> {
        loop {
            let Reverse((moment, path)) = self.by_moment.peek()?;
            if self.files.get(path).is_some_and(|(due, _)| due == moment) {
                return Some(*moment);
            }
            self.by_moment.pop();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl Intake<'_> {
    /// Lets a file wait. If there is no room, a scan finds it at that moment.
    pub(super) fn delay(&mut self, path: PathBuf, moment: Instant, delayed: Delayed) {
        if self.options.drain {
            self.delayed.insert(path, moment, delayed);
        } else if !self.delayed.admit(path, moment, delayed) {
            self.scan_by(moment);
        }
    }

    /// Lets a file wait until it has stayed as it is for as long as files must settle.
    pub(super) fn delay_until_settled(&mut self, path: PathBuf, seen: Seen, origin: Origin) {
        let moment = Instant::now() + self.options.settle;
        let delayed = Delayed {
            before: Some(seen),
            must_read: false,
            origin,
        };
        self.delay(path, moment, delayed);
    }

    /// Looks again at a file that has waited: it is gone, has changed again, or can be taken or moved.
    pub(super) fn recheck(&mut self, path: PathBuf, delayed: Delayed) {
        let seen = match self.options.selection.look(&path) {
            Ok(Some(seen)) => seen,
            Ok(None) => return,
            Err(error) => {
                let fault = io_fault(&path, &error);
                return self.retry_if_needed(path, fault, &delayed);
            }
        };
        let origin = delayed.origin;
        if delayed
            .before
            .is_some_and(|before| !before.is_same_content(&seen))
        {
            return self.read_when_settled(path, seen, origin);
        }
        let task = if delayed.must_read {
            Some(Task::Read(Lane::Fresh))
        } else {
            self.task(&path, &seen)
        };
        match task {
            Some(Task::Read(_)) => self.enqueue(path, seen, origin, Lane::Fresh),
            Some(Task::Move) if delayed.before == Some(seen) => {
                self.move_unless_written(path, seen, origin);
            }
            Some(Task::Move) => self.delay_until_settled(path, seen, origin),
            // It was moved, and somebody has taken it along.
            None if self.options.selection.is_relocated(&path) && self.is_being_written(&path) => {
                self.wait_for_writer(path, seen, origin);
            }
            // Within a tick of the kernel's clock, the catalog can't tell a change from what it has.
            None if delayed.before.is_some_and(|before| before != seen) => {
                self.read_again(path, seen, origin);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn delayed(failures: u32) -> Delayed {
        Delayed {
            before: None,
            must_read: true,
            origin: Origin {
                failures,
                ..Origin::now()
            },
        }
    }

    #[test]
    fn files_come_out_at_their_latest_moment_and_in_order() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut queue = DelayQueue::new(10);
        queue.admit("/a".into(), at(1), delayed(0));
        queue.admit("/b".into(), at(2), delayed(0));
        queue.admit("/c".into(), at(3), delayed(0));
        queue.admit("/a".into(), at(4), delayed(7));
        assert!(queue.remove(Path::new("/c")).is_some());
        assert_eq!(queue.next_moment(), Some(at(2)));
        assert!(queue.due(at(1)).is_none());
        let (path, _) = queue.due(at(9)).unwrap();
        assert_eq!(path, Path::new("/b"));
        let (path, last) = queue.due(at(9)).unwrap();
        assert_eq!((path.as_path(), last.origin.failures), (Path::new("/a"), 7));
        assert!(queue.due(at(9)).is_none() && queue.is_empty());
    }

    #[test]
    fn a_full_queue_takes_no_more_files_and_keeps_its_own() {
        let mut queue = DelayQueue::new(1);
        let now = Instant::now();
        assert!(queue.admit("/a".into(), now, delayed(0)));
        assert!(!queue.admit("/b".into(), now, delayed(0)));
        assert!(queue.admit("/a".into(), now, delayed(1)));
    }
}

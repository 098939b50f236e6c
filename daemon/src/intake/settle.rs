//! Files that are not to be taken yet: still being written, as far as we can tell, or to be tried again.
//!
//! Each has a moment at which it is looked at again. There is room for a bounded number; who is turned
//! away is found by a later scan. A drain turns nobody away, so that it knows whom it gave up on: its
//! scan waits instead, and only those who come back from the pipeline go beyond the bound.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Intake;
use super::queue::Lane;
use crate::taken::{Stamp, changed, io_fault, stamp};

/// A file that waits.
#[derive(Debug, Clone)]
pub(super) struct Wait {
    /// How it was when it was last looked at; none if it is to be taken however it is.
    pub(super) stamp: Option<Stamp>,
    /// When it was found.
    pub(super) first_seen: String,
    /// When it was seen to arrive; none if a scan found it.
    pub(super) arrived: Option<Instant>,
    /// How often it could not be read.
    pub(super) failures: u32,
}

/// All that wait.
#[derive(Debug)]
pub(super) struct WaitingRoom {
    files: HashMap<PathBuf, (Instant, Wait)>,
    // May name a file that has left, or has another moment by now: the map decides.
    by_moment: BinaryHeap<Reverse<(Instant, PathBuf)>>,
    capacity: usize,
}

impl WaitingRoom {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            files: HashMap::new(),
            by_moment: BinaryHeap::new(),
            capacity,
        }
    }

    /// Lets a file wait until `moment`; false when there is no room.
    fn admit(&mut self, path: PathBuf, moment: Instant, wait: Wait) -> bool {
        if self.is_full() && !self.files.contains_key(&path) {
            return false;
        }
        self.insert(path, moment, wait);
        true
    }

    /// Lets a file wait until `moment`, room or no room.
    fn insert(&mut self, path: PathBuf, moment: Instant, wait: Wait) {
        self.by_moment.push(Reverse((moment, path.clone())));
        self.files.insert(path, (moment, wait));
    }

    /// Whether nobody else is let in.
    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= self.capacity
    }

    /// Takes a file out before its moment.
    pub(super) fn remove(&mut self, path: &Path) -> Option<Wait> {
        self.files.remove(path).map(|(_, wait)| wait)
    }

    /// Whether a file waits.
    pub(super) fn contains(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// A file whose moment has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<(PathBuf, Wait)> {
        loop {
            let moment = self.next_moment()?;
            if moment > now {
                return None;
            }
            let Reverse((_, path)) = self.by_moment.pop()?;
            if let Some((_, wait)) = self.files.remove(&path) {
                return Some((path, wait));
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
    /// Lets a file wait, or another scan find it.
    pub(super) fn let_wait(&mut self, path: PathBuf, moment: Instant, wait: Wait) {
        if self.plan.drain {
            self.waiting.insert(path, moment, wait);
        } else if !self.waiting.admit(path, moment, wait) {
            self.scan_by(moment);
        }
    }

    /// Lets a file wait to see whether it changes.
    pub(super) fn let_settle(&mut self, path: PathBuf, stamp: Stamp, wait: Wait) {
        let moment = Instant::now() + self.plan.settle;
        let wait = Wait {
            stamp: Some(stamp),
            ..wait
        };
        self.let_wait(path, moment, wait);
    }

    /// A file that waited: gone, changed again, or to be taken.
    pub(super) fn look_again(&mut self, path: PathBuf, wait: Wait) {
        let metadata = match self.plan.selection.look(&path) {
            Ok(Some(metadata)) => metadata,
            Ok(None) => return,
            Err(error) => {
                let fault = io_fault(&path, &error);
                return self.handle(path, fault, wait);
            }
        };
        let now = stamp(&metadata);
        let settled = match &wait.stamp {
            // It could not be read; that it was to be read was known before.
            None => true,
            Some(_) if self.lane(&path, &now).is_none() => return,
            Some(before) => *before == now,
        };
        if settled {
            self.take(path, now, wait, Lane::Fresh, changed(&metadata));
        } else {
            self.let_settle(path, now, wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wait(failures: u32) -> Wait {
        Wait {
            stamp: None,
            first_seen: String::new(),
            arrived: None,
            failures,
        }
    }

    #[test]
    fn files_come_out_at_their_latest_moment_and_in_order() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut room = WaitingRoom::new(10);
        room.admit("/a".into(), at(1), wait(0));
        room.admit("/b".into(), at(2), wait(0));
        room.admit("/c".into(), at(3), wait(0));
        room.admit("/a".into(), at(4), wait(7));
        assert!(room.remove(Path::new("/c")).is_some());
        assert_eq!(room.next_moment(), Some(at(2)));
        assert!(room.due(at(1)).is_none());
        let (path, _) = room.due(at(9)).unwrap();
        assert_eq!(path, Path::new("/b"));
        let (path, last) = room.due(at(9)).unwrap();
        assert_eq!((path.as_path(), last.failures), (Path::new("/a"), 7));
        assert!(room.due(at(9)).is_none() && room.is_empty());
    }

    #[test]
    fn a_full_room_turns_newcomers_away_and_keeps_its_own() {
        let mut room = WaitingRoom::new(1);
        let now = Instant::now();
        assert!(room.admit("/a".into(), now, wait(0)));
        assert!(!room.admit("/b".into(), now, wait(0)));
        assert!(room.admit("/a".into(), now, wait(1)));
    }
}

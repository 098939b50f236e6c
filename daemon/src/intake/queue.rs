//! Files that may go to the pipeline, and which of them goes next.
//!
//! A file that was seen to arrive goes before what a scan found, and what a scan found goes in the order
//! that the operator chose; files that only another model has answered for come last. Of what scans find
//! the queue keeps the first so many and forgets the rest: a later scan finds those, when there is room
//! again. So the order holds for a backlog of any size, in constant memory, for the price of a scan now
//! and then.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;

use crate::file::TakenFile;

/// Of so many files in a row, one is of the backlog, however many arrive meanwhile.
const SHARE: u32 = 4;

/// Which files of a backlog go first, by the moment at which they came to be where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Tonight's before last year's.
    Newest,
    /// As they came.
    Oldest,
}

/// Why a file is in the queue; the first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// It was seen to arrive, or its time to be tried again has come.
    Fresh,
    /// A scan found it.
    Backlog,
    /// A scan found it, and it has an answer: by another model, or it is yet to be moved.
    Answered,
}

/// A file's position: the least goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    lane: Lane,
    rank: i128,
    // Of equals, the one that came first.
    number: u64,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    files: BTreeMap<Position, TakenFile>,
    positions: HashMap<PathBuf, Position>,
    order: Order,
    capacity: usize,
    fresh: usize,
    number: u64,
    turn: u32,
    forgot: bool,
}

impl Queue {
    /// Keeps as many as `capacity` of the files that scans find.
    pub(super) fn new(order: Order, capacity: usize) -> Self {
        Self {
            files: BTreeMap::new(),
            positions: HashMap::new(),
            order,
            capacity,
            fresh: 0,
            number: 0,
            turn: 0,
            forgot: false,
        }
    }

    /// Adds a file that is not in the queue and came to be where it is at `since`.
    pub(super) fn push(&mut self, file: TakenFile, lane: Lane, since: SystemTime) {
        let rank = match (lane, self.order) {
            (Lane::Fresh, _) => 0,
            (_, Order::Newest) => -nanoseconds(since),
            (_, Order::Oldest) => nanoseconds(since),
        };
        let number = self.number;
        self.number += 1;
        self.fresh += usize::from(lane == Lane::Fresh);
        let position = Position { lane, rank, number };
        self.positions.insert(file.path.clone(), position);
        self.files.insert(position, file);
        if self.found() > self.capacity
            && let Some((_, last)) = self.files.pop_last()
        {
            self.positions.remove(&last.path);
            self.forgot = true;
        }
    }

    /// Takes out the next file.
    pub(super) fn pop(&mut self) -> Option<TakenFile> {
        self.turn += 1;
        let of_backlog = Position {
            lane: Lane::Backlog,
            rank: i128::MIN,
            number: 0,
        };
        let backlog_has_its_turn = self.turn.is_multiple_of(SHARE);
        let position = match self.files.range(of_backlog..).next() {
            Some((position, _)) if backlog_has_its_turn => *position,
            _ => *self.files.first_key_value()?.0,
        };
        self.take_out(position)
    }

    /// Takes out this file, if it is in the queue.
    pub(super) fn remove(&mut self, path: &Path) -> Option<TakenFile> {
        let position = *self.positions.get(path)?;
        self.take_out(position)
    }

    fn take_out(&mut self, position: Position) -> Option<TakenFile> {
        let file = self.files.remove(&position)?;
        self.positions.remove(&file.path);
        self.fresh -= usize::from(position.lane == Lane::Fresh);
        Some(file)
    }

    /// Whether a file is in the queue.
    pub(super) fn contains(&self, path: &Path) -> bool {
        self.positions.contains_key(path)
    }

    /// How many files were seen to arrive.
    pub(super) fn fresh(&self) -> usize {
        self.fresh
    }

    fn found(&self) -> usize {
        self.files.len() - self.fresh
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether files were forgotten and there is room for them again.
    pub(super) fn wants_scan(&self) -> bool {
        self.forgot && self.found() <= self.capacity / 4
    }

    /// Whether files were forgotten that no scan has looked for since.
    pub(super) fn forgot(&self) -> bool {
        self.forgot
    }

    /// A scan begins that finds all that was forgotten.
    pub(super) fn scan_begins(&mut self) {
        self.forgot = false;
    }
}

/// Since 1970, or before it.
fn nanoseconds(time: SystemTime) -> i128 {
    let signed = |duration: std::time::Duration| i128::try_from(duration.as_nanos());
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => signed(after).unwrap_or(i128::MAX),
        Err(before) => signed(before.duration()).map_or(-i128::MAX, |nanoseconds| -nanoseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Origin;
    use galmorph_catalog::Stamp;
    use std::time::Duration;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn file(name: &str) -> TakenFile {
        TakenFile {
            path: name.into(),
            stamp: Stamp::default(),
            origin: Origin::now(),
        }
    }

    fn names(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|file| file.path.display().to_string())
            .collect()
    }

    #[test]
    fn what_arrives_goes_first_and_what_needs_another_model_last() {
        for (order, backlog) in [(Order::Newest, ["c", "a"]), (Order::Oldest, ["a", "c"])] {
            let mut queue = Queue::new(order, 10);
            queue.push(file("d"), Lane::Answered, at(9));
            queue.push(file("a"), Lane::Backlog, at(1));
            queue.push(file("c"), Lane::Backlog, at(3));
            queue.push(file("y"), Lane::Fresh, at(2));
            queue.push(file("x"), Lane::Fresh, at(8));
            assert_eq!(queue.fresh(), 2);
            assert_eq!(names(&mut queue), ["y", "x", backlog[0], backlog[1], "d"]);
            assert!(queue.is_empty() && !queue.forgot() && queue.fresh() == 0);
        }
    }

    #[test]
    fn a_stream_of_arrivals_leaves_the_backlog_its_share() {
        let mut queue = Queue::new(Order::Newest, 10);
        queue.push(file("old"), Lane::Backlog, at(1));
        for number in 0..20 {
            queue.push(file(&format!("fresh-{number}")), Lane::Fresh, at(2));
        }
        let names = names(&mut queue);
        assert_eq!(names.iter().position(|name| name == "old"), Some(3));
    }

    #[test]
    fn only_the_first_of_a_large_backlog_are_kept_and_a_scan_is_to_find_the_others() {
        let mut queue = Queue::new(Order::Newest, 3);
        for second in [4, 9, 1, 7, 5, 2] {
            queue.push(file(&second.to_string()), Lane::Backlog, at(second));
        }
        // Whatever arrives is kept, and pushes nobody out.
        queue.push(file("fresh"), Lane::Fresh, at(0));
        assert!(queue.forgot() && !queue.wants_scan());
        assert!(!queue.contains(Path::new("4")) && queue.remove(Path::new("4")).is_none());
        assert_eq!(names(&mut queue), ["fresh", "9", "7", "5"]);
        assert!(queue.wants_scan());
        queue.scan_begins();
        assert!(!queue.wants_scan() && !queue.forgot());
    }

    #[test]
    fn a_file_can_be_taken_out_before_its_turn() {
        let mut queue = Queue::new(Order::Oldest, 3);
        queue.push(file("a"), Lane::Backlog, at(1));
        queue.push(file("b"), Lane::Fresh, at(1));
        let taken_out = queue.remove(Path::new("b")).unwrap();
        assert_eq!(taken_out.path, Path::new("b"));
        assert_eq!(queue.fresh(), 0);
        queue.push(file("b"), Lane::Backlog, at(0));
        assert_eq!(names(&mut queue), ["b", "a"]);
    }

    #[test]
    fn times_before_1970_come_before_those_after() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(nanoseconds(before) < nanoseconds(SystemTime::UNIX_EPOCH));
    }
}

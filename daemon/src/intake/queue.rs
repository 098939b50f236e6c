//! Files that may go to the pipeline, and which of them goes next.
//!
//! A file that was seen to arrive goes before those that a scan found. These go in the order that the
//! operator chose, and files that only another model has classified come last. Of the files that scans find,
//! the queue keeps a bounded number, those that go first, and drops the others. When there is room again, a
//! scan finds them. So the order holds for a backlog of any size, in constant memory, for the price of a
//! scan now and then.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::Order;
use crate::file::TakenFile;

/// One file in this many is of the backlog, however many arrive meanwhile.
const BACKLOG_SHARE: u32 = 4;

/// Why a file is in the queue, in the order in which they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// It was seen to arrive, or has waited to settle or to be tried again.
    Fresh,
    /// A scan found it.
    Backlog,
    /// A scan found it, and it has a result: of another model, or of this one but is yet to be moved.
    Answered,
}

/// A file's position. The least goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    lane: Lane,
    rank: i128,
    // Of equals, the one that was added first goes first.
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
    has_dropped: bool,
}

impl Queue {
    /// Keeps at most `capacity` of the files that scans find.
    pub(super) fn new(order: Order, capacity: usize) -> Self {
        Self {
            files: BTreeMap::new(),
            positions: HashMap::new(),
            order,
            capacity,
            fresh: 0,
            number: 0,
            turn: 0,
            has_dropped: false,
        }
    }

    /// Adds a file that is not in the queue, and that arrived in its folder at `since`.
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
            self.has_dropped = true;
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
        let backlog_has_its_turn = self.turn.is_multiple_of(BACKLOG_SHARE);
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

    /// The number of files in the lane [`Lane::Fresh`].
    pub(super) fn fresh_len(&self) -> usize {
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

    /// Whether files were dropped and there is room for them again.
    pub(super) fn wants_scan(&self) -> bool {
        self.has_dropped && self.found() <= self.capacity / 4
    }

    /// Whether files were dropped that no scan has looked for since.
    pub(super) fn has_dropped(&self) -> bool {
        self.has_dropped
    }

    /// A full scan begins, which finds all that were dropped.
    pub(super) fn scan_begins(&mut self) {
        self.has_dropped = false;
    }
}

/// Nanoseconds since 1970; negative before it.
fn nanoseconds(time: SystemTime) -> i128 {
    let signed = |duration: std::time::Duration| {
        i128::try_from(duration.as_nanos()).expect("a duration has fewer than 2^94 nanoseconds")
    };
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => -signed(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn file(name: &str) -> TakenFile {
        TakenFile::named(name)
    }

    fn names(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|file| file.path.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn files_that_arrive_go_first_and_those_that_need_another_model_last() {
        for (order, backlog) in [(Order::Newest, ["c", "a"]), (Order::Oldest, ["a", "c"])] {
            let mut queue = Queue::new(order, 10);
            queue.push(file("d"), Lane::Answered, at(9));
            queue.push(file("a"), Lane::Backlog, at(1));
            queue.push(file("c"), Lane::Backlog, at(3));
            queue.push(file("y"), Lane::Fresh, at(2));
            queue.push(file("x"), Lane::Fresh, at(8));
            assert_eq!(queue.fresh_len(), 2);
            assert_eq!(names(&mut queue), ["y", "x", backlog[0], backlog[1], "d"]);
            assert!(queue.is_empty() && !queue.has_dropped() && queue.fresh_len() == 0);
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
        // A file that arrives is kept, and pushes none out.
        queue.push(file("fresh"), Lane::Fresh, at(0));
        assert!(queue.has_dropped() && !queue.wants_scan());
        assert!(!queue.contains(Path::new("4")) && queue.remove(Path::new("4")).is_none());
        assert_eq!(names(&mut queue), ["fresh", "9", "7", "5"]);
        assert!(queue.wants_scan());
        queue.scan_begins();
        assert!(!queue.wants_scan() && !queue.has_dropped());
    }

    #[test]
    fn a_file_can_be_taken_out_before_its_turn() {
        let mut queue = Queue::new(Order::Oldest, 3);
        queue.push(file("a"), Lane::Backlog, at(1));
        let b = file("b");
        queue.push(b.clone(), Lane::Fresh, at(1));
        assert_eq!(queue.remove(Path::new("b")), Some(b));
        assert_eq!(queue.fresh_len(), 0);
        queue.push(file("b"), Lane::Backlog, at(0));
        assert_eq!(names(&mut queue), ["b", "a"]);
    }

    #[test]
    fn times_before_1970_come_before_those_after() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(nanoseconds(before) < nanoseconds(SystemTime::UNIX_EPOCH));
    }
}

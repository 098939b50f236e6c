//! A partition in this worker's hands, without its broker.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::mark::Mark;
use super::message::Message;

/// A message that a worker has.
#[derive(Debug)]
struct Out {
    message: Message,
    /// Since when nobody has it, though it isn't done.
    let_go: Option<Instant>,
}

/// What is known of a partition.
#[derive(Debug, Default)]
pub(super) struct Partition {
    /// Another number after the partition was lost, or began anew: what was taken before is not what is there now.
    pub(super) epoch: u64,
    /// Whether its committed offset and mark were read.
    is_loaded: bool,
    /// Fetched, and not handed out.
    waiting: VecDeque<(i64, Message)>,
    out: BTreeMap<i64, Out>,
    /// The offset behind the last message that came. Not known before the first one if nothing was ever committed.
    fetched: Option<i64>,
    /// The offset behind the last one that was handed out.
    handed: i64,
    /// Those before this offset were in the hands of a worker that is gone.
    suspects: i64,
    tries: BTreeMap<i64, u64>,
    tried_now: Option<i64>,
    committed: Option<(i64, Option<Mark>)>,
}

impl Partition {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            ..Self::default()
        }
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// What the broker has of it.
    pub(super) fn load(&mut self, committed: Option<i64>, mark: Option<Mark>) {
        self.is_loaded = true;
        self.fetched = self.fetched.or(committed);
        if let Some(mark) = &mark {
            self.suspects = mark.until;
            self.tries.clone_from(&mark.tries);
        }
        self.committed = committed.map(|at| (at, mark));
    }

    /// A message that came. Returns whether it follows the ones before: otherwise the partition has begun anew.
    pub(super) fn push(&mut self, at: i64, message: Message) -> bool {
        let follows = self.fetched.is_none_or(|fetched| at >= fetched);
        if follows {
            self.fetched = Some(at + 1);
            self.waiting.push_back((at, message));
        }
        follows
    }

    /// How many messages can be handed out together.
    pub(super) fn ready(&self) -> usize {
        if self.has_suspect() {
            0
        } else {
            self.waiting.len()
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn has_suspect(&self) -> bool {
        !self.is_loaded || (self.waiting.front()).is_some_and(|(at, _)| *at < self.suspects)
    }

    /// Hands out the next message that nobody had before.
    pub(super) fn take(&mut self) -> Option<(i64, &Message, u64)> {
        if self.has_suspect() {
            return None;
        }
        self.hand_out()
    }

    /// Hands out the next message that a worker had which is gone.
    pub(super) fn take_suspect(&mut self) -> Option<(i64, &Message, u64)> {
        if !self.is_loaded || !self.has_suspect() {
            return None;
        }
        let (at, _) = self.waiting.front()?;
        *self.tries.entry(*at).or_insert(1) += 1;
        self.tried_now = Some(*at);
        self.hand_out()
    }

    fn hand_out(&mut self) -> Option<(i64, &Message, u64)> {
        let (at, message) = self.waiting.pop_front()?;
        self.handed = self.handed.max(at + 1);
        let deliveries = message.before + self.tries.get(&at).copied().unwrap_or(1);
        let let_go = None;
        let out = self.out.entry(at).or_insert(Out { message, let_go });
        Some((at, &out.message, deliveries))
    }

    /// Takes back what was handed out and is not in anybody's hands, as if it hadn't been.
    pub(super) fn take_back(&mut self, at: i64) {
        if let Some(out) = self.out.remove(&at) {
            self.waiting.push_front((at, out.message));
            if self.tried_now == Some(at) {
                self.tried_now = None;
                self.tries.entry(at).and_modify(|count| *count -= 1);
                self.tries.retain(|_, count| *count > 1);
            }
        }
    }

    /// Says that one is done, whether it was handed out or waits.
    pub(super) fn done(&mut self, at: i64) {
        if self.out.remove(&at).is_none() {
            self.waiting.retain(|(waiting, _)| *waiting != at);
        }
        self.tries.remove(&at);
    }

    /// Looks which ones are let go: those that are not held.
    pub(super) fn hold(&mut self, is_held: impl Fn(i64) -> bool) {
        for (at, out) in &mut self.out {
            if is_held(*at) {
                out.let_go = None;
            } else {
                out.let_go.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Messages that were let go so long ago, with the number of their deliveries.
    pub(super) fn let_go_for(&self, time: Duration) -> Vec<(i64, Message)> {
        let old = |out: &Out| out.let_go.is_some_and(|since| since.elapsed() >= time);
        let out = self.out.iter().filter(|(_, out)| old(out));
        out.map(|(at, out)| {
            let before = out.message.before + self.tries.get(at).copied().unwrap_or(1);
            let item = out.message.item.clone();
            (*at, Message { item, before })
        })
        .collect()
    }

    /// The offset before which all are done.
    fn done_before(&self) -> Option<i64> {
        let first_out = self.out.keys().next().copied();
        let first_waiting = self.waiting.front().map(|(at, _)| *at);
        let first = first_out.into_iter().chain(first_waiting).min();
        first.or(self.fetched)
    }

    fn state(&self, handed: i64, worker: &str) -> Option<(i64, Option<Mark>)> {
        let before = self.done_before().filter(|_| self.is_loaded)?;
        let until = handed.max(self.suspects);
        let mark = (until > before).then(|| {
            let tries = self.tries.range(before..);
            let mut mark = Mark {
                until,
                worker: worker.to_owned(),
                tries: tries.map(|(at, count)| (*at, *count)).collect(),
            };
            mark.shorten(self.tried_now);
            mark
        });
        Some((before, mark))
    }

    /// What is to be committed; nothing if it was.
    pub(super) fn to_commit(&self, worker: &str) -> Option<(i64, Option<Mark>)> {
        let state = self.state(self.handed, worker)?;
        (self.committed.as_ref() != Some(&state)).then_some(state)
    }

    /// What is to be committed when the partition is given away: what this worker has is not in danger of it.
    pub(super) fn to_leave(&self, worker: &str) -> Option<(i64, Option<Mark>)> {
        let state = self.state(0, worker)?;
        (self.committed.as_ref() != Some(&state)).then_some(state)
    }

    pub(super) fn committed(&mut self, state: (i64, Option<Mark>)) {
        self.committed = Some(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            item: Err("only its offset counts here".to_owned()),
            before: 0,
        }
    }

    /// A partition with these committed, and messages from there to an offset.
    fn fetched(committed: i64, mark: Option<Mark>, until: i64) -> Partition {
        let mut partition = Partition::new(0);
        partition.load(Some(committed), mark);
        for at in committed..until {
            assert!(partition.push(at, message()));
        }
        partition
    }

    fn take(partition: &mut Partition, count: usize) -> Vec<(i64, u64)> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let Some((at, _, deliveries)) = partition.take() else {
                break;
            };
            taken.push((at, deliveries));
        }
        taken
    }

    fn suspect(partition: &mut Partition) -> Option<(i64, u64)> {
        partition.take_suspect().map(|(at, _, count)| (at, count))
    }

    #[test]
    fn all_before_the_offset_is_done_and_what_is_out_lies_before_the_mark() {
        let mut partition = fetched(10, None, 20);
        assert_eq!(partition.to_commit("a"), None);
        assert_eq!(take(&mut partition, 4).len(), 4);
        let (at, mark) = partition.to_commit("a").unwrap();
        assert_eq!((at, mark.as_ref().unwrap().until), (10, 14));
        partition.committed((at, mark));
        assert_eq!(partition.to_commit("a"), None, "it was said");
        // The first one is late: the others are done, and can't be committed.
        for at in [11, 12, 13] {
            partition.done(at);
        }
        assert_eq!(partition.to_commit("a"), None);
        partition.done(10);
        assert_eq!(partition.to_commit("a"), Some((14, None)));
        // Who goes in good order leaves no mark.
        take(&mut partition, 3);
        assert_eq!(partition.to_leave("a"), Some((14, None)));
    }

    #[test]
    fn what_a_worker_had_that_is_gone_comes_one_by_one_and_is_counted() {
        let mut mark = Mark {
            until: 3,
            worker: "a".to_owned(),
            tries: BTreeMap::new(),
        };
        // Offset 0 is done at once. Offset 1 ends each worker that tries it.
        for deliveries in 2..=5 {
            let mut partition = fetched(i64::from(deliveries > 2), Some(mark), 6);
            assert_eq!(partition.ready(), 0);
            assert_eq!(take(&mut partition, 9), []);
            if deliveries == 2 {
                assert_eq!(suspect(&mut partition), Some((0, 2)));
                partition.done(0);
            }
            assert_eq!(suspect(&mut partition), Some((1, deliveries)));
            let (at, said) = partition.to_commit("b").unwrap();
            assert_eq!(at, 1);
            mark = said.unwrap();
            // Also where it gives the partition away, the count stays.
            assert_eq!(
                partition.to_leave("b").unwrap().1.unwrap().tries,
                mark.tries
            );
        }
        let mut partition = fetched(1, Some(mark), 6);
        assert_eq!(suspect(&mut partition), Some((1, 6)));
        partition.done(1);
        assert_eq!(suspect(&mut partition), Some((2, 2)));
        partition.done(2);
        assert_eq!(suspect(&mut partition), None);
        assert_eq!(take(&mut partition, 9), [(3, 1), (4, 1), (5, 1)]);
    }

    #[test]
    fn what_could_not_be_said_was_not_handed_out() {
        let mark = Mark {
            until: 1,
            ..Mark::default()
        };
        let mut partition = fetched(0, Some(mark), 3);
        assert_eq!(suspect(&mut partition), Some((0, 2)));
        partition.take_back(0);
        assert_eq!(suspect(&mut partition), Some((0, 2)));
        partition.done(0);
        assert_eq!(take(&mut partition, 2), [(1, 1), (2, 1)]);
        partition.take_back(2);
        partition.take_back(1);
        assert_eq!(take(&mut partition, 2), [(1, 1), (2, 1)]);
    }

    #[test]
    fn a_partition_that_begins_anew_is_noticed_and_gaps_are_not_taken_for_that() {
        let mut partition = fetched(5, None, 8);
        assert!(partition.push(12, message()));
        assert!(!partition.push(0, message()));
        take(&mut partition, 9);
        for at in [5, 6, 7, 12] {
            partition.done(at);
        }
        assert_eq!(partition.to_commit("a"), Some((13, None)));
    }

    #[test]
    fn one_that_was_done_before_the_partition_came_back_is_not_handed_out_again() {
        let mut partition = fetched(0, None, 3);
        partition.done(1);
        assert_eq!(take(&mut partition, 9), [(0, 1), (2, 1)]);
        // And one that is let go is put back with the number of its deliveries.
        partition.hold(|at| at == 2);
        let back = partition.let_go_for(Duration::ZERO);
        assert_eq!(back.len(), 1);
        assert_eq!((back[0].0, back[0].1.before), (0, 1));
    }
}

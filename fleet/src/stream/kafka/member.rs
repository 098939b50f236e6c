//! A member of the group: the partitions that it has, and what it says of them to the broker.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use super::fault::{failure, is_connection, is_fenced};
use super::mark::Mark;
use super::message::read;
use super::partition::Partition;
use super::{ANSWERING, Brokers};
use crate::Failure;

/// The longest time until a worker whose machine is gone is noticed.
const LONGEST_SESSION: Duration = Duration::from_secs(45);

/// The shortest time until a worker that is stuck is noticed. Brokers let the first worker of a group wait for others for three seconds.
const SHORTEST_POLL: Duration = Duration::from_secs(10);

/// Messages that are fetched before they are asked for, at most.
const MOST_WAITING: usize = 5000;

/// The partitions, by their numbers.
pub(super) type Partitions = BTreeMap<i32, Partition>;

/// What the library tells a member.
pub(super) struct Context {
    partitions: Mutex<Partitions>,
    topic: String,
    worker: String,
    epoch: AtomicU64,
}

impl Context {
    pub(super) fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The list of what is to be committed, of these partitions.
    fn list(&self, states: &[(i32, (i64, Option<Mark>))]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (number, (at, mark)) in states {
            let mut partition = list.add_partition(&self.topic, *number);
            partition.set_offset(Offset::Offset(*at))?;
            if let Some(mark) = mark {
                partition.set_metadata(mark.text());
            }
        }
        Ok(list)
    }

    /// Says how far partitions are that are given away. Nobody is told if they are another worker's already.
    fn leave(&self, consumer: &BaseConsumer<Self>, numbers: &[i32]) {
        let states: Vec<_> = {
            let partitions = self.partitions();
            let mine = numbers.iter().filter_map(|number| {
                let state = partitions.get(number)?.to_leave(&self.worker)?;
                Some((*number, state))
            });
            mine.collect()
        };
        if states.is_empty() {
            return;
        }
        // It goes out before the partitions do. To wait for the answer here could take for ever.
        let list = self.list(&states);
        if let Err(error) = list.and_then(|list| consumer.commit(&list, CommitMode::Async)) {
            // What was done since the last commit is looked up by the next worker.
            log::debug!("the last commit of {} partitions: {error}", states.len());
        }
    }
}

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        log::debug!("{facility} {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("{error}: {reason}");
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, change: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = change else {
            return;
        };
        let list = list.elements();
        let numbers: Vec<i32> = list.iter().map(TopicPartitionListElem::partition).collect();
        if consumer.assignment_lost() {
            log::warn!("this worker was silent for too long: others have its partitions");
            // What it has in hand may be done by others, and the topic may be another one.
            self.epoch.fetch_add(1, Ordering::Relaxed);
        } else {
            self.leave(consumer, &numbers);
        }
        log::debug!("gives partitions {numbers:?} away");
        self.partitions()
            .retain(|number, _| !numbers.contains(number));
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, change: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = change {
            let epoch = self.epoch.load(Ordering::Relaxed);
            let mut partitions = self.partitions();
            for one in list.elements() {
                log::debug!("has partition {}", one.partition());
                partitions.insert(one.partition(), Partition::new(epoch));
            }
        }
    }
}

/// See the module.
pub(super) struct Member {
    consumer: Arc<BaseConsumer<Context>>,
    /// The answer to a commit that did not come in time.
    pending: RefCell<Option<Receiver<KafkaResult<()>>>>,
}

impl Member {
    /// Joins. A worker that is silent for `claim` loses its partitions.
    pub(super) fn join(
        brokers: &Brokers,
        topic: &str,
        worker: &str,
        claim: Duration,
    ) -> Result<Self, Failure> {
        let session = claim.min(LONGEST_SESSION).as_millis();
        let poll = claim.max(SHORTEST_POLL).as_millis();
        let context = Context {
            partitions: Mutex::default(),
            topic: topic.to_owned(),
            worker: worker.to_owned(),
            epoch: AtomicU64::new(0),
        };
        let consumer: BaseConsumer<Context> = brokers
            .config()
            .set("client.id", worker)
            .set("group.id", topic)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            // When a worker comes or goes, the others keep what they have, as far as it is theirs afterwards.
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 4).max(1).to_string())
            // A worker that is stuck with a file is taken for gone, though its machine answers. To join takes some seconds, too.
            .set("max.poll.interval.ms", poll.to_string())
            // A reference is short, and what a worker has not taken others should get when they come.
            .set("queued.min.messages", "1000")
            .set("queued.max.messages.kbytes", "4096")
            .set("fetch.wait.max.ms", "100")
            .create_with_context(context)
            .map_err(|error| failure(&error))?;
        (consumer.subscribe(&[topic])).map_err(|error| failure(&error))?;
        Ok(Self {
            consumer: Arc::new(consumer),
            pending: RefCell::default(),
        })
    }

    pub(super) fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.consumer.context().partitions()
    }

    /// Takes part in the group's life, and fetches until so many messages can be handed out, or the time is over.
    pub(super) fn gather(&self, count: usize, wait: Duration) -> Result<(), Failure> {
        let end = Instant::now() + wait;
        let mut away = None;
        loop {
            let (ready, waiting) = {
                let partitions = self.partitions();
                let all = partitions.values();
                all.fold((0, 0), |(ready, waiting), one| {
                    (ready + one.ready(), waiting + one.waiting())
                })
            };
            let left = end.saturating_duration_since(Instant::now());
            let is_full = waiting >= MOST_WAITING;
            if is_full && ready == 0 {
                // All of it is to be tried one by one, which is asked for soon.
                thread::sleep(left);
            }
            let wait = if ready > 0 || is_full {
                Duration::ZERO
            } else {
                left
            };
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    let payload = message.payload().unwrap_or_default();
                    self.push(message.partition(), message.offset(), payload);
                }
                Some(Err(KafkaError::MessageConsumption(Code::PollExceeded))) => {
                    log::warn!("this worker was silent for longer than --claim");
                }
                // There are many of these for one broker that is away. All are taken, so that none is left when it is back.
                Some(Err(error)) if is_connection(&error) => {
                    away = Some(error);
                    continue;
                }
                Some(Err(error)) => return Err(failure(&error)),
                None if wait.is_zero() => {
                    let away = away.filter(|_| ready == 0);
                    return away.map_or(Ok(()), |error| Err(failure(&error)));
                }
                None => {}
            }
            self.load()?;
            if ready >= count || is_full {
                return Ok(());
            }
        }
    }

    fn push(&self, number: i32, at: i64, payload: &[u8]) {
        let context = self.consumer.context();
        let mut partitions = context.partitions();
        let Some(partition) = partitions.get_mut(&number) else {
            return;
        };
        if !partition.push(at, read(payload)) {
            log::warn!("partition {number} of '{}' has begun anew", context.topic);
            let epoch = context.epoch.fetch_add(1, Ordering::Relaxed) + 1;
            *partition = Partition::new(epoch);
            partition.push(at, read(payload));
        }
    }

    /// Reads how far the partitions are that are new to this worker.
    pub(super) fn load(&self) -> Result<(), Failure> {
        let topic = &self.consumer.context().topic;
        let mut new = TopicPartitionList::new();
        for (number, partition) in &*self.partitions() {
            if !partition.is_loaded() {
                new.add_partition(topic, *number);
            }
        }
        if new.count() == 0 {
            return Ok(());
        }
        let found = self.consumer.committed_offsets(new, ANSWERING);
        let found = found.map_err(|error| failure(&error))?;
        let mut partitions = self.partitions();
        for one in found.elements() {
            one.error().map_err(|error| failure(&error))?;
            if let Some(partition) = partitions.get_mut(&one.partition()) {
                let (at, mark) = place(&one);
                partition.load(at, mark);
            }
        }
        Ok(())
    }

    /// Commits, and waits for the answer: on a thread of its own, since the library waits for ever where there is no broker.
    fn commit_states(
        &self,
        states: &[(i32, (i64, Option<Mark>))],
    ) -> Result<KafkaResult<()>, Failure> {
        let away = || Failure::Transient("the stream: no broker takes the offsets".to_owned());
        let mut pending = self.pending.borrow_mut();
        if let Some(before) = &*pending
            && matches!(
                before.recv_timeout(ANSWERING),
                Err(RecvTimeoutError::Timeout)
            )
        {
            return Err(away());
        }
        *pending = None;
        let list = self.consumer.context().list(states);
        let list = list.map_err(|error| failure(&error))?;
        let (answer, answered) = bounded(1);
        let consumer = Arc::clone(&self.consumer);
        thread::spawn(move || {
            let outcome = consumer.commit(&list, CommitMode::Sync);
            // Who leaves the group must be the last one to have the consumer.
            drop(consumer);
            let _ = answer.send(outcome);
        });
        if let Ok(outcome) = answered.recv_timeout(ANSWERING) {
            return Ok(outcome);
        }
        *pending = Some(answered);
        Err(away())
    }

    /// Says what changed. Returns whether the partitions are still this worker's.
    pub(super) fn commit(&self) -> Result<bool, Failure> {
        let context = self.consumer.context();
        let states: Vec<(i32, (i64, Option<Mark>))> = {
            let partitions = context.partitions();
            let changed = partitions.iter().filter_map(|(number, partition)| {
                Some((*number, partition.to_commit(&context.worker)?))
            });
            changed.collect()
        };
        if states.is_empty() {
            return Ok(true);
        }
        match self.commit_states(&states)? {
            Ok(()) => {
                let mut partitions = context.partitions();
                for (number, state) in states {
                    if let Some(partition) = partitions.get_mut(&number) {
                        partition.committed(state);
                    }
                }
                Ok(true)
            }
            Err(error) if is_fenced(&error) => {
                log::debug!("the commit comes too late, or too early: {error}");
                Ok(false)
            }
            Err(error) => Err(failure(&error)),
        }
    }
}

/// What a committed offset says.
pub(super) fn place(one: &TopicPartitionListElem<'_>) -> (Option<i64>, Option<Mark>) {
    match one.offset() {
        Offset::Offset(at) => (Some(at), Mark::read(one.metadata())),
        _ => (None, None),
    }
}

//! Reads a topic without being a worker: what is on it, and where it ends.
//!
//! Where a partition ends is found by reading to its end, from where it was found to end before. That is right with every broker. (One
//! of those that we tried says it too low when it is asked.)

use std::collections::BTreeSet;
use std::time::Instant;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::fault::{failure, is_connection};
use super::mark::Mark;
use super::member::place;
use super::{ANSWERING, Brokers};
use crate::Failure;

/// What the library says is for whoever looks for a fault.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        log::debug!("{facility} {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("{error}: {reason}");
    }
}

impl ConsumerContext for Quiet {}

/// A partition, as far as it was read.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// The offset of its first message, if it was read from its beginning.
    begin: Option<i64>,
    /// The offset behind its last message.
    end: Option<i64>,
}

/// A partition, as the workers have committed it.
#[derive(Debug, Default)]
pub(super) struct Committed {
    pub(super) at: Option<i64>,
    pub(super) mark: Option<Mark>,
}

/// See the module.
pub(super) struct Reader {
    consumer: BaseConsumer<Quiet>,
    topic: String,
    known: Vec<Known>,
}

impl Reader {
    /// Nothing is sent yet.
    pub(super) fn new(brokers: &Brokers, topic: &str, name: &str) -> Result<Self, Failure> {
        let consumer = brokers
            .config()
            .set("client.id", name)
            // It never joins: it reads what the workers committed.
            .set("group.id", topic)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .set("queued.max.messages.kbytes", "16384")
            .create_with_context(Quiet);
        Ok(Self {
            consumer: consumer.map_err(|error| failure(&error))?,
            topic: topic.to_owned(),
            known: Vec::new(),
        })
    }

    /// Looks whether there is such a topic, and how many partitions it has: there may be more of them after a while.
    pub(super) fn is_there(&mut self) -> Result<bool, Failure> {
        let found = self.consumer.fetch_metadata(Some(&self.topic), ANSWERING);
        let found = found.map_err(|error| failure(&error))?;
        let topic = found.topics().iter().find(|one| one.name() == self.topic);
        let error = topic.and_then(rdkafka::metadata::MetadataTopic::error);
        let error = error.map(|error| KafkaError::MetadataFetch(error.into()));
        match (topic, error) {
            (_, Some(error)) if is_missing(&error) => Ok(false),
            (_, Some(error)) => Err(failure(&error)),
            (Some(topic), None) if !topic.partitions().is_empty() => {
                let count = topic.partitions().len();
                self.known.resize(count, Known::default());
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// How far the workers are.
    pub(super) fn committed(&self) -> Result<Vec<Committed>, Failure> {
        let mut list = TopicPartitionList::new();
        for number in 0..self.known.len() {
            list.add_partition(&self.topic, number as i32);
        }
        let found = self.consumer.committed_offsets(list, ANSWERING);
        let found = found.map_err(|error| failure(&error))?;
        let mut all: Vec<Committed> = Vec::new();
        all.resize_with(self.known.len(), Committed::default);
        for one in found.elements() {
            one.error().map_err(|error| failure(&error))?;
            let (at, mark) = place(&one);
            all[one.partition() as usize] = Committed { at, mark };
        }
        Ok(all)
    }

    /// How many messages are not done, of each partition.
    pub(super) fn lengths(&mut self, committed: &[Committed]) -> Result<Vec<u64>, Failure> {
        let from = |(known, committed): (&Known, &Committed)| match (committed.at, known) {
            (Some(at), known) => Some(known.end.map_or(at, |end| end.max(at))),
            (None, Known { begin, end }) => begin.and(*end),
        };
        let from: Vec<Option<i64>> = self.known.iter().zip(committed).map(from).collect();
        self.read(from, |_| {})?;
        let length = |(known, committed): (&Known, &Committed)| {
            let first = committed.at.max(known.begin).unwrap_or(0);
            known.end.map_or(0, |end| (end - first).max(0) as u64)
        };
        Ok(self.known.iter().zip(committed).map(length).collect())
    }

    /// Gives each message that is not done to `each`.
    pub(super) fn each(
        &mut self,
        committed: &[Committed],
        each: impl FnMut(&[u8]),
    ) -> Result<(), Failure> {
        self.read(committed.iter().map(|one| one.at).collect(), each)
    }

    /// Reads each partition to its end, from an offset or from its beginning.
    fn read(
        &mut self,
        mut from: Vec<Option<i64>>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Failure> {
        let outcome = self.read_from(&from, &mut each);
        let outcome = match outcome {
            // The messages there are gone: their time was over, or the topic is another one. Those that remain are read.
            Err(error) if is_gone(&error) => {
                log::debug!("{error}: reading all that is there");
                from.fill(None);
                self.known.fill(Known::default());
                self.read_from(&from, &mut each)
            }
            outcome => outcome,
        };
        let unassigned = self.consumer.unassign();
        outcome.and(unassigned).map_err(|error| failure(&error))
    }

    fn read_from(
        &mut self,
        from: &[Option<i64>],
        each: &mut impl FnMut(&[u8]),
    ) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (number, at) in from.iter().enumerate() {
            let at = at.map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(&self.topic, number as i32, at)?;
        }
        self.consumer.assign(&list)?;
        let mut left: BTreeSet<i32> = (0..from.len() as i32).collect();
        for (known, at) in self.known.iter_mut().zip(from) {
            if at.is_none() {
                *known = Known::default();
            } else {
                known.end = *at;
            }
        }
        let mut heard = Instant::now();
        while !left.is_empty() {
            match self
                .consumer
                .poll(ANSWERING.saturating_sub(heard.elapsed()))
            {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let number = message.partition() as usize;
                    let known = &mut self.known[number];
                    if from[number].is_none() {
                        known.begin.get_or_insert(message.offset());
                    }
                    known.end = Some(message.offset() + 1);
                    each(message.payload().unwrap_or_default());
                }
                Some(Err(KafkaError::PartitionEOF(number))) => drop(left.remove(&number)),
                Some(Err(error)) if is_connection(&error) && heard.elapsed() < ANSWERING => {}
                Some(Err(error)) => return Err(error),
                None if heard.elapsed() < ANSWERING => {}
                None => return Err(KafkaError::NoMessageReceived),
            }
        }
        Ok(())
    }
}

fn is_missing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
    )
}

fn is_gone(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::OffsetOutOfRange | Code::AutoOffsetReset)
    )
}

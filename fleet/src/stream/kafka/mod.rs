//! A topic of Kafka, by librdkafka. Tried with Tansu, and with the mock of librdkafka; not with Apache Kafka.
//!
//! A worker is a member of a consumer group, which has the topic's name, and has whole partitions. What is done is told by one offset for each partition: all before
//! it. So a file that waits holds the offset back, and what is done behind it is looked up, and not done again, if the worker
//! dies. What is not to come back from a worker that died is how often a file was tried: that lies in the [`mark`] beside the offset.
//!
//! A file that its worker lets go (it is in none of its folders) is put back, at the end of the topic, with the number of
//! its deliveries: another worker may get it there.
//!
//! | file | |
//! |---|---|
//! | `member` | a worker in the group |
//! | `partition` | what a worker knows of a partition |
//! | `mark` | how far a partition was handed out, for whoever gets it next |
//! | `reader` | what is on the topic, for who isn't a worker |
//! | `sender` | adds messages |
//! | `message` | an item as a message |
//! | `fault` | which errors pass |

mod fault;
mod mark;
mod member;
mod message;
mod partition;
mod reader;
mod sender;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rdkafka::config::ClientConfig;

use self::member::Member;
use self::reader::Reader;
use self::sender::Sender;
use super::numbers::{Consumer, Numbers};
use super::{Delivery, Stream, Wanted};
use crate::Failure;
use crate::plan::Item;

/// How long to wait for an answer.
const ANSWERING: Duration = Duration::from_secs(10);

/// The brokers that are asked first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Brokers(String);

impl Brokers {
    /// `HOST:PORT,HOST:PORT`.
    pub(crate) fn new(text: &str) -> Result<Self, Failure> {
        let text = text.trim_end_matches('/');
        let is_broker = |broker: &str| {
            broker.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty()
                    && !host.contains(['/', '@', ' '])
                    && port.parse().is_ok_and(|port: u16| port > 0)
            })
        };
        if text.split(',').all(is_broker) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Failure::Usage(
                "--stream is no address of Kafka: kafka://HOST:PORT, and more of them behind commas (users and TLS are not supported)"
                    .to_owned(),
            ))
        }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.0);
        config
    }
}

/// The topic of a stream. A model's own is another one than that of any site.
pub(crate) fn topic(name: &str) -> Result<String, Failure> {
    let topic = match name.split_once(':') {
        Some((site, model)) => format!("galmorph-beside.{site}.{model}"),
        None => format!("galmorph.{name}"),
    };
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if topic.len() > 249 || !topic.chars().all(is_plain) {
        return Err(Failure::Usage(format!(
            "a topic of Kafka can't be named '{topic}': --site needs plain letters and digits, and not 200 of them"
        )));
    }
    Ok(topic)
}

/// A topic, and one member of its group.
pub(crate) struct KafkaStream {
    brokers: Brokers,
    topic: String,
    worker: String,
    claim: Duration,
    /// Whether the topic was there once. Then it is waited for.
    was_there: bool,
    /// Whether the broker was seen to keep the marks.
    is_kept: Option<bool>,
    member: Option<Member>,
    reader: Option<Reader>,
    sender: Option<Sender>,
}

impl KafkaStream {
    /// Nothing is sent yet. `worker` is a name that no other process has. A worker that was not heard of for `claim` loses its
    /// partitions.
    pub(crate) fn new(brokers: Brokers, topic: String, worker: &str, claim: Duration) -> Self {
        Self {
            brokers,
            topic,
            worker: worker.to_owned(),
            claim,
            was_there: false,
            is_kept: None,
            member: None,
            reader: None,
            sender: None,
        }
    }

    /// The reader of a topic that is there.
    fn reader(&mut self) -> Result<&mut Reader, Failure> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::new(&self.brokers, &self.topic, &self.worker)?,
        };
        let reader = self.reader.insert(reader);
        if reader.is_there()? {
            self.was_there = true;
            return Ok(reader);
        }
        let text = format!(
            "the stream: there is no topic '{topic}' (kafka-topics.sh --create --topic {topic} --partitions N makes it; at most N workers share it)",
            topic = self.topic
        );
        Err(if self.was_there {
            Failure::Transient(text)
        } else {
            Failure::Unusable(text)
        })
    }

    fn member(&mut self) -> Result<&Member, Failure> {
        if self.member.is_none() {
            self.reader()?;
            let member = Member::join(&self.brokers, &self.topic, &self.worker, self.claim)?;
            self.member = Some(member);
        }
        Ok(self.member.as_ref().expect("it was made"))
    }

    fn send(&mut self, messages: &[(&str, String)]) -> Result<(), Failure> {
        let sender = match self.sender.take() {
            Some(sender) => sender,
            None => Sender::new(&self.brokers, &self.worker)?,
        };
        sender.send(&self.topic, messages)?;
        self.sender = Some(sender);
        Ok(())
    }

    /// Says what was handed out, before anything is done with it. If that can't be said, it isn't.
    fn deliver(&mut self, found: Vec<(Id, Delivery)>) -> Result<Vec<Delivery>, Failure> {
        let member = self.member()?;
        let outcome = member.commit();
        if matches!(outcome, Ok(true)) {
            if !found.is_empty() {
                self.look_at_mark();
            }
            return Ok(found.into_iter().map(|(_, delivery)| delivery).collect());
        }
        let mut partitions = member.partitions();
        for (id, _) in found.iter().rev() {
            if let Some(partition) = partitions.get_mut(&id.partition) {
                partition.take_back(id.at);
            }
        }
        outcome.map(|_| Vec::new())
    }

    /// Looks, once, whether the broker keeps marks.
    fn look_at_mark(&mut self) {
        if self.is_kept.is_some() {
            return;
        }
        let worker = self.worker.clone();
        let committed = self.reader().and_then(|reader| reader.committed());
        let Ok(committed) = committed else {
            return;
        };
        let mut marks = committed.iter().filter_map(|one| one.mark.as_ref());
        let is_kept = marks.any(|mark| mark.worker == worker);
        if !is_kept {
            log::warn!(
                "the broker does not keep the metadata of committed offsets: a file that ends its workers is not given up, and those behind it in its partition wait for ever"
            );
        }
        self.is_kept = Some(is_kept);
    }

    fn take_new(&mut self, count: usize, wait: Duration) -> Result<Vec<Delivery>, Failure> {
        let member = self.member()?;
        member.gather(count, wait)?;
        let mut found = Vec::new();
        {
            let mut partitions = member.partitions();
            // A message of each in turn.
            while found.len() < count {
                let before = found.len();
                for (number, partition) in partitions.iter_mut() {
                    let epoch = partition.epoch;
                    if found.len() < count
                        && let Some((at, message, deliveries)) = partition.take()
                    {
                        found.push(delivery(Id::new(*number, epoch, at), message, deliveries));
                    }
                }
                if found.len() == before {
                    break;
                }
            }
        }
        self.deliver(found)
    }

    fn take_suspect(&mut self) -> Result<Vec<Delivery>, Failure> {
        let member = self.member()?;
        member.gather(0, Duration::ZERO)?;
        self.put_back()?;
        let mut found = Vec::new();
        {
            let mut partitions = self.member()?.partitions();
            for (number, partition) in partitions.iter_mut() {
                let epoch = partition.epoch;
                if let Some((at, message, deliveries)) = partition.take_suspect() {
                    log::debug!("offset {at} of partition {number} was a worker's that is gone");
                    found.push(delivery(Id::new(*number, epoch, at), message, deliveries));
                    break;
                }
            }
        }
        self.deliver(found)
    }

    /// Puts back what this worker has let go for long, for others.
    fn put_back(&mut self) -> Result<(), Failure> {
        let claim = self.claim;
        let mut back = Vec::new();
        for (number, partition) in &*self.member()?.partitions() {
            for (at, message) in partition.let_go_for(claim) {
                back.push((*number, at, message));
            }
        }
        for (number, at, message) in back {
            if let Ok(item) = &message.item {
                let text = message::text(item, message.before);
                self.send(&[(&*item.path, text)])?;
            }
            if let Some(partition) = self.member()?.partitions().get_mut(&number) {
                partition.done(at);
            }
        }
        Ok(())
    }
}

impl Stream for KafkaStream {
    fn add(&mut self, items: &[Item]) -> Result<(), Failure> {
        // A broker may make topics that somebody sends to, with one partition.
        if !self.was_there {
            self.reader()?;
        }
        // A file's messages are in one partition, so that they are not two workers' at the same time.
        let messages = items
            .iter()
            .map(|item| (&*item.path, message::text(item, 0)));
        self.send(&messages.collect::<Vec<_>>())
    }

    fn take(&mut self, wanted: Wanted) -> Result<Vec<Delivery>, Failure> {
        match wanted {
            Wanted::New { count, wait } => self.take_new(count, wait),
            Wanted::Abandoned => self.take_suspect(),
        }
    }

    fn hold(&mut self, ids: &[String]) -> Result<(), Failure> {
        let held: BTreeSet<Id> = ids.iter().filter_map(|id| Id::read(id)).collect();
        let Some(member) = &self.member else {
            return Ok(());
        };
        member.gather(0, Duration::ZERO)?;
        for (number, partition) in member.partitions().iter_mut() {
            let epoch = partition.epoch;
            partition.hold(|at| held.contains(&Id::new(*number, epoch, at)));
        }
        member.commit().map(drop)
    }

    fn acknowledge(&mut self, ids: &[String]) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let member = self.member()?;
        for id in ids.iter().filter_map(|id| Id::read(id)) {
            if let Some(partition) = member.partitions().get_mut(&id.partition)
                && partition.epoch == id.epoch
            {
                partition.done(id.at);
            }
        }
        // If a partition is another worker's by now, that one looks it up.
        member.commit().map(drop)
    }

    fn length(&mut self) -> Result<u64, Failure> {
        if let Some(member) = &self.member {
            member.commit()?;
        }
        let reader = self.reader()?;
        let committed = reader.committed()?;
        Ok(reader.lengths(&committed)?.iter().sum())
    }

    fn each(&mut self, each: &mut dyn FnMut(&Item)) -> Result<(), Failure> {
        let reader = self.reader()?;
        let committed = reader.committed()?;
        reader.each(&committed, |payload| {
            if let Ok(item) = message::read(payload).item {
                each(&item);
            }
        })
    }

    /// What workers hold is from the first file that isn't done to the last one that was handed out, of each partition.
    fn numbers(&mut self) -> Result<Numbers, Failure> {
        let reader = self.reader()?;
        let committed = reader.committed()?;
        let lengths = reader.lengths(&committed)?;
        let mut numbers = Numbers::default();
        let mut holders: HashMap<String, u64> = HashMap::new();
        for (one, length) in committed.iter().zip(lengths) {
            numbers.length += length;
            if let (Some(at), Some(mark)) = (one.at, &one.mark) {
                let holds = length.min((mark.until - at).max(0) as u64);
                numbers.held += holds;
                numbers.delivered_again += mark.tries.len() as u64;
                *holders.entry(mark.worker.clone()).or_default() += holds;
            }
        }
        let consumer = |(name, holds)| Consumer {
            name,
            holds,
            silent: Duration::ZERO,
        };
        numbers.consumers = holders.into_iter().map(consumer).collect();
        Ok(numbers)
    }

    fn leave(&mut self) -> Result<(), Failure> {
        let Some(member) = self.member.take() else {
            return Ok(());
        };
        let committed = member.commit();
        // It says how far it is, and gives its partitions away at once.
        drop(member);
        committed.map(drop)
    }
}

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    partition: i32,
    epoch: u64,
    at: i64,
}

impl Id {
    fn new(partition: i32, epoch: u64, at: i64) -> Self {
        Self {
            partition,
            epoch,
            at,
        }
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        Some(Self::new(
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
        ))
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}-{}-{}", self.partition, self.epoch, self.at)
    }
}

fn delivery(id: Id, message: &message::Message, deliveries: u64) -> (Id, Delivery) {
    let delivery = Delivery {
        id: id.to_string(),
        item: message.item.clone(),
        deliveries,
    };
    (id, delivery)
}

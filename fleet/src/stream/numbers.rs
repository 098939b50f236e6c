//! How much waits on a stream, and who holds it.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Value, cmd, from_redis_value};

use super::Stream as _;
use super::redis::{GROUP, RedisStream};
use crate::Failure;

/// A member of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consumer {
    pub(crate) name: String,
    /// Items that it holds.
    pub(crate) holds: u64,
    /// How long it was not heard of.
    pub(crate) silent: Duration,
}

/// A stream at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// All items.
    pub(crate) length: u64,
    /// Those that a worker holds. The others wait.
    pub(crate) held: u64,
    /// Those that were delivered more than once.
    pub(crate) delivered_again: u64,
    pub(crate) consumers: Vec<Consumer>,
}

impl RedisStream {
    /// Counts.
    pub(super) fn count(&mut self) -> Result<Numbers, Failure> {
        let (mut held, mut consumers) = (cmd("XPENDING"), cmd("XINFO"));
        held.arg(&self.key)
            .arg(GROUP)
            .arg("-")
            .arg("+")
            .arg(100_000);
        consumers.arg("CONSUMERS").arg(&self.key).arg(GROUP);
        let held: Vec<(String, String, u64, u64)> = self
            .ask(|connection| held.query(connection))?
            .unwrap_or_default();
        let consumers: Vec<HashMap<String, Value>> = self
            .ask(|connection| consumers.query(connection))?
            .unwrap_or_default();
        let consumers = consumers.iter().filter_map(|consumer| {
            let number = |name: &str| from_redis_value::<u64>(consumer.get(name)?.clone()).ok();
            Some(Consumer {
                name: from_redis_value(consumer.get("name")?.clone()).ok()?,
                holds: number("pending")?,
                silent: Duration::from_millis(number("idle")?),
            })
        });
        let consumers = consumers.collect();
        Ok(Numbers {
            length: self.length()?,
            held: held.len() as u64,
            delivered_again: held
                .iter()
                .filter(|(.., deliveries)| *deliveries > 1)
                .count() as u64,
            consumers,
        })
    }
}

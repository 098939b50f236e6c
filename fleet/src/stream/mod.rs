//! A stream of references to files that several workers share.
//!
//! What travels is where a file is and which object it shows, never its bytes: a reference is 200 bytes long, and what was
//! lost can be fed again. An item is delivered *at least once*. Whoever takes one acknowledges it when its row is in
//! PostgreSQL, and not before. What a worker held that is gone is taken over by another one.
//!
//! | file | |
//! |---|---|
//! | `message` | an item as the stream has it |
//! | `redis` | Redis Streams, which Valkey has, too |
//! | `kafka` | a topic of Kafka, with the feature of that name |
//! | `connect` | the address and the password |
//! | `numbers` | how much waits, and who holds it |

mod connect;
#[cfg(feature = "kafka")]
mod kafka;
mod message;
mod numbers;
mod redis;

use std::time::Duration;

use crate::Failure;
use crate::plan::Item;

pub(crate) use connect::{Address, StreamArguments};
pub(crate) use numbers::Numbers;

/// A stream. Every function may fail for a while: then the failure is transient.
pub(crate) trait Stream {
    /// Adds items. After a failure some of them may be there: to add them again does no harm.
    fn add(&mut self, items: &[Item]) -> Result<(), Failure>;

    /// Takes items, which are this worker's from now on. They may be none.
    fn take(&mut self, wanted: Wanted) -> Result<Vec<Delivery>, Failure>;

    /// Says that this worker is alive and still has these, so that nobody takes them over. What it took and doesn't name is let
    /// go, and comes again.
    fn hold(&mut self, ids: &[String]) -> Result<(), Failure>;

    /// Says that these are done, whoever has them. They leave the stream.
    fn acknowledge(&mut self, ids: &[String]) -> Result<(), Failure>;

    /// How many items are on the stream: those that wait and those that workers hold.
    fn length(&mut self) -> Result<u64, Failure>;

    /// Gives each item on the stream to `each`, with those that workers hold.
    fn each(&mut self, each: &mut dyn FnMut(&Item)) -> Result<(), Failure>;

    /// Counts.
    fn numbers(&mut self) -> Result<Numbers, Failure>;

    /// Leaves the other workers, when nothing more is taken.
    fn leave(&mut self) -> Result<(), Failure>;
}

/// What to take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// Items that nobody has taken yet, at most so many. Waits for the first one.
    New { count: usize, wait: Duration },
    /// One item of a worker that has not been heard of for long. One, and not a batch: the item may be why that worker is gone.
    Abandoned,
}

/// An item in a worker's hands.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    /// The item; or why the message is none.
    pub(crate) item: Result<Item, String>,
    /// How often it was delivered, this time included.
    pub(crate) deliveries: u64,
}

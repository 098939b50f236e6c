//! What a worker holds while it waits.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::database::Database;
use crate::Failure;
use crate::stop::Stop;
use crate::stream::Stream;

/// Works with PostgreSQL, and waits for it as long as it is away. Meanwhile, nobody takes over what this worker holds.
pub(super) fn persist<'a, T>(
    (stop, stream, hand): (&Stop, &mut dyn Stream, &BTreeSet<String>),
    database: &mut Database<'a>,
    mut work: impl FnMut(&mut Database<'a>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut held = Instant::now();
    let meanwhile = || {
        if held.elapsed() >= Duration::from_secs(1) {
            held = Instant::now();
            hold(stream, hand);
        }
    };
    stop.persist(meanwhile, || work(database))
}

/// If it can't be said now, the worst that comes of it is that another worker does the same.
pub(super) fn hold(stream: &mut dyn Stream, hand: &BTreeSet<String>) {
    let ids: Vec<String> = hand.iter().cloned().collect();
    if let Err(failure) = stream.hold(&ids) {
        log::debug!("{failure}");
    }
}

//! Files that can't be read yet.

use std::time::{Duration, Instant};

use crate::stream::Delivery;

/// The shortest and the longest time until such a file is tried again.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);

/// A file that can't be read yet.
#[derive(Debug)]
struct Late {
    delivery: Delivery,
    since: Instant,
    next: Instant,
}

/// Those of a worker.
#[derive(Debug, Default)]
pub(super) struct LateFiles(Vec<Late>);

impl LateFiles {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Keeps a file until it is tried again. `since` is when it was tried first.
    pub(super) fn push(&mut self, delivery: Delivery, since: Option<Instant>) {
        let now = Instant::now();
        let since = since.unwrap_or(now);
        let pause = (now - since).clamp(FIRST, LONGEST);
        self.0.push(Late {
            delivery,
            since,
            next: now + pause,
        });
    }

    /// Takes those whose time has come, at most so many.
    pub(super) fn due(&mut self, most: usize) -> Vec<(Delivery, Instant)> {
        let now = Instant::now();
        let mut due = Vec::new();
        let mut at = 0;
        while at < self.0.len() && due.len() < most {
            if self.0[at].next <= now {
                let late = self.0.swap_remove(at);
                due.push((late.delivery, late.since));
            } else {
                at += 1;
            }
        }
        due
    }

    /// How long until the next one is due.
    pub(super) fn wait(&self) -> Option<Duration> {
        let next = self.0.iter().map(|late| late.next).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }
}

//! Waiting for a catalog that can't be written just now: someone holds its lock, the disk is full.
//!
//! The pauses grow, and a daemon waits for as long as it takes. A drain, and a daemon that was asked
//! to end, are in a hurry and give up after a few attempts.

use std::thread;
use std::time::Duration;

use crate::shutdown::Shutdown;
use galmorph_catalog::CatalogError;

/// The pauses between two attempts: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often those in a hurry try.
const FEW: u32 = 5;

/// The pauses of one piece of work.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    attempts: u32,
    drain: bool,
}

impl Backoff {
    pub(crate) fn new(drain: bool) -> Self {
        Self {
            pause: FIRST_PAUSE,
            attempts: 0,
            drain,
        }
    }

    /// Waits after a transient fault, until the next attempt or the wish to end. An error says that
    /// there were attempts enough.
    pub(crate) fn wait(&mut self, fault: &str, stop: &Shutdown) -> Result<(), CatalogError> {
        self.attempts += 1;
        let ending = stop.requested();
        if (self.drain || ending) && self.attempts >= FEW {
            return Err(CatalogError::Unusable(format!(
                "{fault} (gave up after {} attempts)",
                self.attempts
            )));
        }
        log::warn!("{fault}; trying again in {:.1} s", self.pause.as_secs_f64());
        if ending {
            thread::sleep(FIRST_PAUSE);
        } else {
            let _ = stop.receiver().recv_timeout(self.pause);
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Does some work with the catalog, again for as long as its faults are transient and there is time.
pub(crate) fn patiently<T>(
    stop: &Shutdown,
    drain: bool,
    mut work: impl FnMut() -> Result<T, CatalogError>,
) -> Result<T, CatalogError> {
    let mut backoff = Backoff::new(drain);
    loop {
        match work() {
            Err(CatalogError::Transient(fault)) => backoff.wait(&fault, stop)?,
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_gives_up_after_a_few_attempts_and_the_daemon_does_not() {
        let attempts = |drain| {
            let mut backoff = Backoff {
                pause: Duration::ZERO,
                ..Backoff::new(drain)
            };
            (1..=3 * FEW).find(|_| backoff.wait("locked", &Shutdown::new()).is_err())
        };
        assert_eq!(attempts(true), Some(FEW));
        assert_eq!(attempts(false), None);
    }

    #[test]
    fn what_is_not_transient_is_not_tried_again() {
        let mut attempts = 0;
        let outcome: Result<(), _> = patiently(&Shutdown::new(), false, || {
            attempts += 1;
            Err(CatalogError::Unusable("gone".into()))
        });
        assert!(outcome.is_err() && attempts == 1);
    }
}

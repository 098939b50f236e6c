//! Waiting for a catalog that can't be used just now: it is locked, or the disk is full.
//!
//! The pauses grow, and the daemon waits for as long as it takes. A drain, and a daemon that is to end, give
//! up after a few attempts. The fault stays a transient one: it is the time that has run out.

use std::thread;
use std::time::Duration;

use crate::shutdown::Shutdown;
use galmorph_catalog::CatalogError;

/// The pauses between two attempts: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The number of attempts of a drain, and of a daemon that is to end.
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

    /// Waits after a transient error, until it is time for the next attempt or the end is requested. Returns
    /// the error when trying again makes no sense: it is not transient, or there were attempts enough.
    pub(crate) fn wait(
        &mut self,
        error: CatalogError,
        stop: &Shutdown,
    ) -> Result<(), CatalogError> {
        if !matches!(error, CatalogError::Transient(_)) {
            return Err(error);
        }
        self.attempts += 1;
        let ending = stop.requested();
        if (self.drain || ending) && self.attempts >= FEW {
            return Err(error.after(self.attempts));
        }
        log::warn!("{error}; trying again in {:.1} s", self.pause.as_secs_f64());
        if ending {
            thread::sleep(FIRST_PAUSE);
        } else {
            // It returns early, with an error, when the end is requested.
            let _ = stop.receiver().recv_timeout(self.pause);
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Does some work with the catalog, and again while its errors are transient and there is time.
pub(crate) fn patiently<T>(
    stop: &Shutdown,
    drain: bool,
    mut work: impl FnMut() -> Result<T, CatalogError>,
) -> Result<T, CatalogError> {
    let mut backoff = Backoff::new(drain);
    loop {
        match work() {
            Ok(done) => return Ok(done),
            Err(error) => backoff.wait(error, stop)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_gives_up_after_a_few_attempts_and_the_daemon_does_not() {
        let gives_up = |drain| {
            let mut backoff = Backoff {
                pause: Duration::ZERO,
                ..Backoff::new(drain)
            };
            let stop = Shutdown::new();
            let locked = || CatalogError::Transient("locked".into());
            (1..=3 * FEW).find_map(|attempt| Some((attempt, backoff.wait(locked(), &stop).err()?)))
        };
        let (attempt, error) = gives_up(true).unwrap();
        assert_eq!(attempt, FEW);
        // A lock is a lock, however long it was waited for.
        assert!(matches!(error, CatalogError::Transient(_)));
        assert_eq!(error.to_string(), "locked (gave up after 5 attempts)");
        assert!(gives_up(false).is_none());
    }

    #[test]
    fn what_is_not_transient_is_not_tried_again() {
        let mut attempts = 0;
        for error in [
            CatalogError::Unusable,
            CatalogError::Lost,
            CatalogError::Stuck,
        ] {
            let outcome: Result<(), _> = patiently(&Shutdown::new(), false, || {
                attempts += 1;
                Err(error("gone".into()))
            });
            assert!(outcome.is_err());
        }
        assert_eq!(attempts, 3);
    }
}

//! Files that come back from the pipeline, and whether they must go in again.
//!
//! A file that could not be read is tried again, after ever longer pauses. Only a drain, which is to end,
//! gives up.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Intake;
use super::delay::Delayed;
use crate::file::{Departure, Origin, io_fault};
use crate::observe::watchdog::Activity;
use galmorph_catalog::Stamp;

/// The pauses before a file that could not be read is tried again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often a drain tries a file before it gives up on it. The daemon never does.
pub(super) const DRAIN_ATTEMPTS: u32 = 5;

impl Intake<'_> {
    /// A file has left the pipeline.
    pub(super) fn on_departure(&mut self, path: PathBuf, how: Departure) {
        let _files = self.mark.begin(Activity::Files);
        let touched = self.touched.remove(&path);
        let Some(delayed) = self.under_way.remove(&path) else {
            return;
        };
        self.retry_if_needed(path.clone(), how, delayed.origin);
        if let Some(cause) = touched
            && let Ok(Some(metadata)) = self.options.selection.look(&path)
        {
            self.consider(path, &metadata, cause);
        }
    }

    /// Takes a file again that was not recorded and is still there.
    pub(super) fn retry_if_needed(&mut self, path: PathBuf, how: Departure, origin: Origin) {
        match how {
            Departure::Recorded => {}
            Departure::Gone => log::debug!("'{}' is gone", path.display()),
            Departure::Changed => match self.options.selection.look(&path) {
                Ok(Some(metadata)) => {
                    self.delay_until_settled(path, Stamp::of(&metadata), origin);
                }
                Ok(None) => {}
                Err(error) => {
                    let fault = io_fault(&path, &error);
                    self.retry_if_needed(path, fault, origin);
                }
            },
            Departure::Transient(fault) => self.try_later(path, &fault, origin),
        }
    }

    fn try_later(&mut self, path: PathBuf, fault: &str, origin: Origin) {
        let failures = origin.failures + 1;
        if self.options.drain && failures >= DRAIN_ATTEMPTS {
            log::error!("{fault}; gave up after {failures} attempts");
            self.report.abandoned.push(fault.to_owned());
            self.given_up.insert(path);
            return;
        }
        let pause = FIRST_PAUSE
            .saturating_mul(1 << origin.failures.min(16))
            .min(LONGEST_PAUSE);
        log::warn!("{fault}; trying again in {:.2} s", pause.as_secs_f64());
        let delayed = Delayed {
            stamp: None,
            origin: Origin { failures, ..origin },
        };
        self.delay(path, Instant::now() + pause, delayed);
    }
}

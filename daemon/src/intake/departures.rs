//! Files that come back from the pipeline, and whether they must go in again.
//!
//! What could not be read just now is tried again, ever more rarely; only a drain, which is to end,
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
    pub(super) fn on_departure(&mut self, path: PathBuf, how: Departure) {
        let _files = self.mark.begin(Activity::Files);
        let touched = self.touched.remove(&path);
        let Some(delayed) = self.under_way.remove(&path) else {
            return;
        };
        self.handle(path.clone(), how, delayed);
        if let Some(cause) = touched
            && let Ok(Some(metadata)) = self.options.selection.look(&path)
        {
            self.consider(path, &metadata, cause);
        }
    }

    pub(super) fn handle(&mut self, path: PathBuf, how: Departure, delayed: Delayed) {
        match how {
            Departure::Recorded => {}
            Departure::Gone => log::debug!("'{}' is gone", path.display()),
            Departure::Changed => match self.options.selection.look(&path) {
                Ok(Some(metadata)) => {
                    self.delay_until_settled(path, Stamp::of(&metadata), delayed);
                }
                Ok(None) => {}
                Err(error) => {
                    let fault = io_fault(&path, &error);
                    self.handle(path, fault, delayed);
                }
            },
            Departure::Transient(fault) => self.try_later(path, &fault, delayed),
        }
    }

    fn try_later(&mut self, path: PathBuf, fault: &str, delayed: Delayed) {
        let failures = delayed.origin.failures + 1;
        if self.options.drain && failures >= DRAIN_ATTEMPTS {
            log::error!("{fault}; gave up after {failures} attempts");
            self.report.abandoned.push(fault.to_owned());
            self.given_up.insert(path);
            return;
        }
        let pause = FIRST_PAUSE
            .saturating_mul(1 << delayed.origin.failures.min(16))
            .min(LONGEST_PAUSE);
        log::warn!("{fault}; trying again in {:.2} s", pause.as_secs_f64());
        let moment = Instant::now() + pause;
        let delayed = Delayed {
            stamp: None,
            origin: Origin {
                failures,
                ..delayed.origin
            },
        };
        self.delay(path, moment, delayed);
    }
}

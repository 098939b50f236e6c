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
use galmorph_output::readable;

/// The pauses before a file that could not be read is tried again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often a drain tries a file before it gives up on it. The daemon never does.
pub(super) const DRAIN_ATTEMPTS: u32 = 5;

impl Intake<'_> {
    /// A file has left the pipeline, or was to be moved.
    pub(super) fn on_departure(&mut self, path: PathBuf, how: Departure) {
        let _files = self.mark.begin(Activity::Files);
        let touched = self.touched.remove(&path);
        let Some(known) = self.under_way.remove(&path) else {
            return;
        };
        match how {
            Departure::Recorded if !known.is_move => self.after_answer(path.clone(), &known),
            Departure::Moved(to) => self.after_move(to),
            Departure::Busy => self.wait_for_writer(path.clone(), known.seen, known.origin),
            how => {
                let again = Delayed {
                    // What can't be moved is no reason to read it.
                    before: known.is_move.then_some(known.seen),
                    must_read: !known.is_move,
                    origin: known.origin,
                };
                self.retry_if_needed(path.clone(), how, &again);
            }
        }
        if let Some(cause) = touched
            && let Ok(Some(seen)) = self.options.selection.look(&path)
        {
            self.consider(path, seen, cause);
        }
    }

    /// Takes a file again that was not recorded or not moved, and is still there.
    pub(super) fn retry_if_needed(&mut self, path: PathBuf, how: Departure, again: &Delayed) {
        match how {
            Departure::Recorded | Departure::Moved(_) | Departure::Busy => {}
            Departure::Gone => log::debug!("'{}' is gone", readable(path)),
            Departure::Changed => match self.options.selection.look(&path) {
                Ok(Some(seen)) => self.delay_until_settled(path, seen, again.origin),
                Ok(None) => {}
                Err(error) => {
                    let fault = io_fault(&path, &error);
                    self.retry_if_needed(path, fault, again);
                }
            },
            Departure::Transient(fault) => self.try_later(path, &fault, again),
        }
    }

    fn try_later(&mut self, path: PathBuf, fault: &str, again: &Delayed) {
        let failures = again.origin.failures + 1;
        if self.options.drain && failures >= DRAIN_ATTEMPTS {
            log::error!("{fault}; gave up after {failures} attempts");
            self.report.abandoned.push(fault.to_owned());
            self.given_up.insert(path);
            return;
        }
        let pause = FIRST_PAUSE
            .saturating_mul(1 << again.origin.failures.min(16))
            .min(LONGEST_PAUSE);
        log::warn!("{fault}; trying again in {:.2} s", pause.as_secs_f64());
        let delayed = Delayed {
            origin: Origin {
                failures,
                ..again.origin
            },
            ..*again
        };
        self.delay(path, Instant::now() + pause, delayed);
    }
}

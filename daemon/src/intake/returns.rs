//! Files that come back from the pipeline, and whether they must go in again.
//!
//! What could not be read just now is tried again, ever more rarely; only a drain, which is to end,
//! gives up.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Intake;
use super::settle::Wait;
use crate::heartbeat::Activity;
use crate::taken::{Finished, io_fault, stamp};

/// The pauses before a file that could not be read is tried again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often a drain tries a file before it gives up on it. The daemon never does.
pub(super) const DRAIN_ATTEMPTS: u32 = 5;

impl Intake<'_> {
    pub(super) fn welcome_back(&mut self, path: PathBuf, how: Finished) {
        let _files = self.pulse.begin(Activity::Files);
        let touched = self.touched.remove(&path);
        let Some(wait) = self.under_way.remove(&path) else {
            return;
        };
        self.handle(path.clone(), how, wait);
        if let Some(cause) = touched
            && let Ok(Some(metadata)) = self.plan.selection.look(&path)
        {
            self.consider(path, &metadata, cause);
        }
    }

    pub(super) fn handle(&mut self, path: PathBuf, how: Finished, wait: Wait) {
        match how {
            Finished::Recorded => {}
            Finished::Gone => log::debug!("'{}' is gone", path.display()),
            Finished::Changed => match self.plan.selection.look(&path) {
                Ok(Some(metadata)) => {
                    self.let_settle(path, stamp(&metadata), wait);
                }
                Ok(None) => {}
                Err(error) => {
                    let fault = io_fault(&path, &error);
                    self.handle(path, fault, wait);
                }
            },
            Finished::Transient(fault) => self.try_later(path, &fault, wait),
        }
    }

    fn try_later(&mut self, path: PathBuf, fault: &str, wait: Wait) {
        let failures = wait.failures + 1;
        if self.plan.drain && failures >= DRAIN_ATTEMPTS {
            log::error!("{fault}; gave up after {failures} attempts");
            self.report.abandoned.push(fault.to_owned());
            self.given_up.insert(path);
            return;
        }
        let pause = FIRST_PAUSE
            .saturating_mul(1 << wait.failures.min(16))
            .min(LONGEST_PAUSE);
        log::warn!("{fault}; trying again in {:.2} s", pause.as_secs_f64());
        let moment = Instant::now() + pause;
        let wait = Wait {
            stamp: None,
            failures,
            ..wait
        };
        self.let_wait(path, moment, wait);
    }
}

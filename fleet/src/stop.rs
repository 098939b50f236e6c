//! The request to end, and waiting for what passes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::Failure;

/// The shortest and the longest pause before a server that is away is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often a wait looks whether it is over.
const STEP: Duration = Duration::from_millis(100);

/// Whether the end was requested.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// One that SIGTERM and SIGINT request. The second of them ends the process at once.
    pub(crate) fn on_signals() -> Result<Self, Failure> {
        let stop = Self::default();
        let register = || -> io::Result<()> {
            for signal in [SIGTERM, SIGINT] {
                flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.0))?;
                flag::register(signal, Arc::clone(&stop.0))?;
            }
            Ok(())
        };
        register()
            .map_err(|error| Failure::Internal(format!("cannot listen to signals: {error}")))?;
        Ok(stop)
    }

    pub(crate) fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps, or returns early because the end was requested. `meanwhile` is done in between.
    pub(crate) fn sleep(&self, time: Duration, mut meanwhile: impl FnMut()) {
        let end = Instant::now() + time;
        while !self.requested() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(STEP));
            meanwhile();
        }
    }

    /// Does some work, again and again until no transient failure is in its way. `meanwhile` is done while it waits. A request to
    /// end lets a transient failure through.
    pub(crate) fn persist<T>(
        &self,
        mut meanwhile: impl FnMut(),
        mut work: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut pause = FIRST_PAUSE;
        loop {
            match work() {
                Err(Failure::Transient(what)) if !self.requested() => {
                    log::warn!("{what}; trying again in {} s", pause.as_secs());
                    self.sleep(pause, &mut meanwhile);
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }
}

/// Does some work on a thread of its own, while this one, which must be the first, waits. Linux gives a signal to the first
/// thread. On the one that works it would interrupt the wait for a server's answer, and what is in the answer would be lost.
pub(crate) fn beside_signals<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let done = scope.spawn(work).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

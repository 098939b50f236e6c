//! What systemd is told: that the daemon is ready, how the work goes, and that it is alive.
//!
//! One thread does it, whether systemd listens or not, because it also asks the [`Monitor`] and logs which
//! thread is stuck. It feeds the watchdog four times per `WatchdogSec`, and only while no thread is stuck.
//! A thread is stuck when it has computed on one thing for all of `WatchdogSec`. So a stuck daemon is ended
//! after one to two times `WatchdogSec`.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use sd_notify::NotifyState;

use crate::failure::InternalFault;
use crate::observe::Tally;
use crate::observe::watchdog::{Health, Monitor};
use crate::threads::cannot_start;

/// The time between two status lines, and from the last work until the status says "idle".
const STATUS_PAUSE: Duration = Duration::from_secs(1);

/// The limit where the unit has no `WatchdogSec`. A stuck thread is only logged then.
const LIMIT: Duration = Duration::from_mins(2);

/// The longest time between two looks at the threads; and how long a thread may wait for something outside
/// the program before the status mentions it.
const LOOK: Duration = Duration::from_secs(15);

/// The daemon as a service of systemd, or without systemd.
pub(crate) struct Service {
    monitor: Monitor,
    counts: Arc<Mutex<Counts>>,
    changed: Sender<()>,
}

/// The numbers in the status line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    classified: u64,
    rejected: u64,
}

impl Service {
    /// Starts the thread, which ends when this is dropped.
    pub(crate) fn start() -> Result<Self, InternalFault> {
        let limit = sd_notify::watchdog_enabled().unwrap_or(LIMIT);
        let monitor = Monitor::new(limit);
        let counts = Arc::<Mutex<Counts>>::default();
        let (sender, changes) = bounded(1);
        let reporter = Reporter {
            monitor: monitor.clone(),
            counts: Arc::clone(&counts),
            changes,
            pace: (limit / 4).min(LOOK),
            patience: limit.min(LOOK),
            health: Health::Well,
            rate: Rate::since(Instant::now()),
        };
        thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || reporter.run())
            .map_err(|error| cannot_start("watchdog", error))?;
        Ok(Self {
            monitor,
            counts,
            changed: sender,
        })
    }

    /// The monitor of the threads, asked before the watchdog is fed.
    pub(crate) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// What is done before the first scan.
    pub(crate) fn preparing(what: &str) {
        tell(&[NotifyState::Status(what)]);
    }

    /// The first scan has begun, or a reload is over.
    pub(crate) fn ready(&self) {
        let status = text(read(&self.counts), None, &Health::Well);
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }

    /// The configuration is read again.
    pub(crate) fn reloading(&self) {
        // systemd rejects RELOADING=1 without the time.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => {
                let status =
                    text(read(&self.counts), None, &Health::Well) + "; reading its settings again";
                tell(&[NotifyState::Reloading, now, NotifyState::Status(&status)]);
            }
            Err(error) => log::debug!("cannot tell systemd: {error}"),
        }
    }

    /// More files were recorded.
    pub(crate) fn recorded(&self, tally: &Tally) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = Counts {
            classified: tally.classified_total() + tally.known,
            rejected: tally.rejected_total(),
        };
        // A message that has not been read yet announces these too.
        let _ = self.changed.try_send(());
    }

    /// The work is over.
    pub(crate) fn stopping(&self) {
        let status = text(read(&self.counts), None, &Health::Well);
        tell(&[NotifyState::Stopping, NotifyState::Status(&status)]);
    }
}

/// What the thread works with.
struct Reporter {
    monitor: Monitor,
    counts: Arc<Mutex<Counts>>,
    changes: Receiver<()>,
    pace: Duration,
    patience: Duration,
    health: Health,
    rate: Rate,
}

impl Reporter {
    fn run(mut self) {
        let mut next_look = Instant::now();
        let mut next_status = None;
        let mut last_status = next_look;
        loop {
            let now = Instant::now();
            if next_look <= now {
                next_look = now + self.pace;
                if self.look() {
                    next_status.get_or_insert(now.max(last_status + STATUS_PAUSE));
                }
            }
            if next_status.is_some_and(|moment| moment <= now) {
                last_status = now;
                let counts = read(&self.counts);
                let rate = self.rate.measure(now, counts);
                tell(&[NotifyState::Status(&text(counts, rate, &self.health))]);
                // Once more after the last work, to say that it was the last.
                next_status = rate.map(|_| now + STATUS_PAUSE);
            }
            let moment = next_status.map_or(next_look, |moment| moment.min(next_look));
            match self.changes.recv_deadline(moment) {
                Ok(()) if next_status.is_none() => {
                    let now = Instant::now();
                    self.rate.begin(now);
                    next_status = Some(now + STATUS_PAUSE);
                }
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks at the threads, and feeds the watchdog unless one is stuck. True when the status changes.
    fn look(&mut self) -> bool {
        let health = self.monitor.health(self.patience);
        if !matches!(health, Health::Hung(_)) {
            tell(&[NotifyState::Watchdog]);
        }
        let is_new = std::mem::discriminant(&health) != std::mem::discriminant(&self.health);
        match &health {
            Health::Hung(text) if is_new => log::error!("{text}; the watchdog is not fed"),
            Health::Waiting(text) if is_new => log::warn!("{text}; it goes on when that answers"),
            Health::Well if is_new => log::info!("all threads make progress again"),
            _ => {}
        }
        let changed = health != self.health;
        self.health = health;
        changed
    }
}

/// Files per second since the last status line.
#[derive(Debug)]
struct Rate {
    since: Instant,
    counts: Counts,
}

impl Rate {
    /// Measures from `now` on.
    fn since(now: Instant) -> Self {
        Self {
            since: now,
            counts: Counts::default(),
        }
    }

    /// Work begins after a pause, which does not count.
    fn begin(&mut self, now: Instant) {
        self.since = now;
    }

    /// The rate since the last measurement; `None` when there was no work.
    fn measure(&mut self, now: Instant, counts: Counts) -> Option<f64> {
        let files = |counts: Counts| counts.classified + counts.rejected;
        let more = files(counts) - files(self.counts);
        let seconds = (now - self.since).as_secs_f64();
        (self.since, self.counts) = (now, counts);
        (more > 0).then(|| more as f64 / seconds.max(1e-3))
    }
}

fn read(counts: &Mutex<Counts>) -> Counts {
    *counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The status line.
fn text(counts: Counts, rate: Option<f64>, health: &Health) -> String {
    let rate = rate.map_or_else(|| "idle".to_owned(), |rate| format!("{rate:.1} images/s"));
    let text = format!(
        "{} classified, {} rejected, {rate}",
        grouped(counts.classified),
        grouped(counts.rejected)
    );
    match health {
        Health::Well => text,
        Health::Waiting(thread) | Health::Hung(thread) => format!("{text}; {thread}"),
    }
}

/// A number in groups of three digits: `12 345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Does nothing if systemd did not start this process.
fn tell(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        log::debug!("cannot tell systemd: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(classified: u64, rejected: u64) -> Counts {
        Counts {
            classified,
            rejected,
        }
    }

    #[test]
    fn a_status_is_written_for_people() {
        let status = |counts, rate| text(counts, rate, &Health::Well);
        assert_eq!(
            status(counts(12_345, 3), Some(38.24)),
            "12 345 classified, 3 rejected, 38.2 images/s"
        );
        assert_eq!(
            status(counts(1_000_000, 999), None),
            "1 000 000 classified, 999 rejected, idle"
        );
        let waiting = Health::Waiting("decode-0 has waited for a file system for 20 s".into());
        assert_eq!(
            text(counts(0, 0), None, &waiting),
            "0 classified, 0 rejected, idle; decode-0 has waited for a file system for 20 s"
        );
    }

    #[test]
    fn a_rate_is_of_the_time_since_the_last_one() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut rate = Rate::since(start);
        assert_eq!(rate.measure(later(1), counts(10, 2)), Some(12.0));
        assert_eq!(rate.measure(later(3), counts(30, 2)), Some(10.0));
        assert_eq!(rate.measure(later(4), counts(30, 2)), None);
        // The hours without work do not count.
        rate.begin(later(9_000));
        assert_eq!(rate.measure(later(9_001), counts(35, 2)), Some(5.0));
    }
}

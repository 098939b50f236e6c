//! Whether the daemon's threads make progress.
//!
//! A watchdog that a timer feeds only proves that the timer works. So each thread that handles files marks
//! what it is doing in a [`ThreadMark`] of its own, and the thread that feeds the watchdog asks the
//! [`Monitor`] first.
//!
//! Two things count as a hang, which a restart cures:
//!
//! - a thread has computed on one thing for longer than the limit: a network, a decoder or a loop that
//!   doesn't end;
//! - files are under way, and no thread has begun or ended work on one for as long: a thread is gone, or
//!   channels wait for each other.
//!
//! Waiting for something outside the program is never a hang: a mount that does not answer, a catalog that
//! another program has locked. A restart would meet the same mount and the same lock, would lose what was
//! computed, and can't even end a thread that hangs in the kernel. Such a wait is reported in the log and in
//! `systemctl status`. The price is that an endless loop between two looks at a folder passes for a slow
//! folder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It waits for something to do.
    Idle = 0,
    /// It computes. That takes as long as our own code takes.
    Work = 1,
    /// It waits for a file system.
    Files = 2,
    /// It waits for the catalog.
    Catalog = 3,
}

/// What all threads are doing. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Monitor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    limit: Duration,
    threads: Mutex<Vec<Weak<Thread>>>,
    // Since when files are under way, in milliseconds since `began`; 0 when none are.
    loaded: AtomicU64,
    // When a thread last began or ended work on one, in milliseconds since `began`.
    moved: AtomicU64,
}

/// Where a thread marks what it is doing.
#[derive(Debug, Clone)]
pub(crate) struct ThreadMark {
    monitor: Monitor,
    thread: Arc<Thread>,
}

#[derive(Debug)]
struct Thread {
    name: String,
    // The activity in the lowest two bits; above them since when, in milliseconds since the monitor began.
    mark: AtomicU64,
}

/// An activity of a thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ActivityGuard {
    monitor: Monitor,
    thread: Arc<Thread>,
    before: Activity,
}

/// Whether the threads make progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// All do.
    Well,
    /// One waits for something outside the program: which one, for what and how long.
    Waiting(String),
    /// One is stuck: which one, and how long.
    Hung(String),
}

impl Monitor {
    /// A monitor that takes nothing for a hang that is over within `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                began: Instant::now(),
                limit,
                threads: Mutex::default(),
                loaded: AtomicU64::new(0),
                moved: AtomicU64::new(0),
            }),
        }
    }

    /// A mark for one more thread, which is watched until the mark is dropped.
    pub(crate) fn register(&self, name: impl Into<String>) -> ThreadMark {
        let thread = Arc::new(Thread {
            name: name.into(),
            mark: AtomicU64::new(mark(self.now(), Activity::Idle)),
        });
        self.threads().push(Arc::downgrade(&thread));
        ThreadMark {
            monitor: self.clone(),
            thread,
        }
    }

    /// Says whether files are under way.
    pub(crate) fn set_loaded(&self, any: bool) {
        let loaded = &self.shared.loaded;
        if !any {
            loaded.store(0, Ordering::Relaxed);
        } else if loaded.load(Ordering::Relaxed) == 0 {
            loaded.store(self.now().max(1), Ordering::Relaxed);
        }
    }

    fn moved(&self) {
        self.shared.moved.store(self.now(), Ordering::Relaxed);
    }

    /// Whether the threads make progress. A wait of less than `patience` is not mentioned.
    pub(crate) fn health(&self, patience: Duration) -> Health {
        self.health_at(self.now(), patience)
    }

    fn health_at(&self, now: u64, patience: Duration) -> Health {
        let limit = self.shared.limit;
        let lasted = |since: u64| Duration::from_millis(now.saturating_sub(since));
        let mut hung = None;
        let mut waiting: Option<(u64, String)> = None;
        let loaded = self.shared.loaded.load(Ordering::Relaxed);
        let moved = loaded.max(self.shared.moved.load(Ordering::Relaxed));
        let mut is_quiet = loaded != 0;
        let mut threads = self.threads();
        threads.retain(|thread| thread.strong_count() > 0);
        for thread in threads.iter().filter_map(Weak::upgrade) {
            let (since, activity) = thread.read();
            let (name, seconds) = (&thread.name, lasted(since).as_secs());
            let partner = match activity {
                Activity::Idle => continue,
                Activity::Work => {
                    if lasted(since) > limit {
                        hung = Some(format!("{name} has been at one thing for {seconds} s"));
                    }
                    continue;
                }
                Activity::Files => "a file system",
                Activity::Catalog => "the catalog",
            };
            // A short look into a folder is not what the files wait for.
            is_quiet &= lasted(since) <= limit / 2;
            if lasted(since) >= patience && waiting.as_ref().is_none_or(|(first, _)| since < *first)
            {
                let text = format!("{name} has waited for {partner} for {seconds} s");
                waiting = Some((since, text));
            }
        }
        if hung.is_none() && is_quiet && lasted(moved) > limit {
            let seconds = lasted(moved).as_secs();
            hung = Some(format!(
                "files are under way, and nothing has moved for {seconds} s"
            ));
        }
        match (hung, waiting) {
            (Some(text), _) => Health::Hung(text),
            (None, Some((_, text))) => Health::Waiting(text),
            (None, None) => Health::Well,
        }
    }

    /// Milliseconds since the start. 62 bits of them, as a mark has, last for longer than machines do.
    fn now(&self) -> u64 {
        self.shared.began.elapsed().as_millis() as u64
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Thread>>> {
        self.shared
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ThreadMark {
    /// A mark that no monitor looks at, for tests.
    pub(crate) fn unmonitored() -> Self {
        Monitor::new(Duration::MAX).register("")
    }

    /// Marks the beginning of an activity. Dropping the guard ends it and goes back to the activity before.
    /// It is no progress of a file: a turn of a loop, tidying up.
    pub(crate) fn begin(&self, activity: Activity) -> ActivityGuard {
        let (_, before) = self.thread.read();
        self.thread.write(self.monitor.now(), activity);
        ActivityGuard {
            monitor: self.monitor.clone(),
            thread: Arc::clone(&self.thread),
            before,
        }
    }

    /// Marks an activity from its beginning to its end. It is progress of a file.
    pub(crate) fn during<T>(&self, activity: Activity, work: impl FnOnce() -> T) -> T {
        self.monitor.moved();
        let busy = self.begin(activity);
        let outcome = work();
        drop(busy);
        self.monitor.moved();
        outcome
    }

    /// Says whether files are under way.
    pub(crate) fn set_loaded(&self, any: bool) {
        self.monitor.set_loaded(any);
    }

    /// How long a loop may wait in one turn without passing for hung.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.monitor.shared.limit / 4
    }
}

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        self.thread.write(self.monitor.now(), self.before);
    }
}

impl Thread {
    fn read(&self) -> (u64, Activity) {
        let mark = self.mark.load(Ordering::Relaxed);
        let activity = match mark & 3 {
            0 => Activity::Idle,
            1 => Activity::Work,
            2 => Activity::Files,
            _ => Activity::Catalog,
        };
        (mark >> 2, activity)
    }

    fn write(&self, now: u64, activity: Activity) {
        self.mark.store(mark(now, activity), Ordering::Relaxed);
    }
}

fn mark(now: u64, activity: Activity) -> u64 {
    (now << 2) | activity as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(2);
    const PATIENCE: Duration = Duration::from_secs(15);
    const LATER: u64 = 300_000;

    fn after(monitor: &Monitor, milliseconds: u64) -> Health {
        monitor.health_at(monitor.now() + milliseconds, PATIENCE)
    }

    #[test]
    fn a_thread_that_stays_at_one_thing_is_hung_and_one_that_begins_anew_is_not() {
        let monitor = Monitor::new(LIMIT);
        let mark = monitor.register("classify-0");
        let _other = monitor.register("classify-1");
        assert_eq!(after(&monitor, LATER), Health::Well, "idle for long");
        let busy = mark.begin(Activity::Work);
        assert_eq!(after(&monitor, 100_000), Health::Well);
        assert_eq!(
            after(&monitor, LATER),
            Health::Hung("classify-0 has been at one thing for 300 s".into())
        );
        drop(busy);
        assert_eq!(after(&monitor, LATER), Health::Well);
    }

    #[test]
    fn a_thread_that_waits_for_something_outside_is_reported_and_not_hung() {
        let monitor = Monitor::new(LIMIT);
        let (decode, record) = (monitor.register("decode-0"), monitor.register("record"));
        monitor.set_loaded(true);
        let reading = decode.begin(Activity::Files);
        assert_eq!(after(&monitor, 10_000), Health::Well);
        let wait = "decode-0 has waited for a file system for 300 s";
        assert_eq!(after(&monitor, LATER), Health::Waiting(wait.into()));
        // A thread that waits is no excuse for one that is hung.
        let computing = record.begin(Activity::Work);
        assert!(matches!(after(&monitor, LATER), Health::Hung(_)));
        drop((reading, computing));
        let _locked = record.begin(Activity::Catalog);
        let wait = "record has waited for the catalog for 300 s";
        assert_eq!(after(&monitor, LATER), Health::Waiting(wait.into()));
    }

    #[test]
    fn files_that_no_thread_works_on_are_a_hang() {
        let monitor = Monitor::new(LIMIT);
        let (intake, classify) = (monitor.register("intake"), monitor.register("classify-0"));
        classify.during(Activity::Work, || ());
        assert_eq!(after(&monitor, LATER), Health::Well, "there is no file");
        monitor.set_loaded(true);
        assert!(matches!(after(&monitor, LATER), Health::Hung(_)));
        // That the intake's loop turns is no progress.
        let later = monitor.now() + LATER;
        intake.thread.write(later, Activity::Work);
        assert!(matches!(
            monitor.health_at(later, PATIENCE),
            Health::Hung(_)
        ));
        intake.thread.write(later, Activity::Files);
        assert!(matches!(
            monitor.health_at(later, PATIENCE),
            Health::Hung(_)
        ));
        monitor.set_loaded(false);
        assert_eq!(monitor.health_at(later, PATIENCE), Health::Well);
    }

    #[test]
    fn an_end_goes_back_to_what_was_before() {
        let monitor = Monitor::new(LIMIT);
        let mark = monitor.register("intake");
        let turn = mark.begin(Activity::Work);
        mark.during(Activity::Files, || {
            assert_eq!(mark.thread.read().1, Activity::Files);
        });
        assert_eq!(mark.thread.read().1, Activity::Work);
        drop(turn);
        assert_eq!(mark.thread.read().1, Activity::Idle);
    }

    #[test]
    fn a_thread_that_has_ended_is_not_watched() {
        let monitor = Monitor::new(LIMIT);
        let mark = monitor.register("classify-0");
        mark.thread.write(0, Activity::Work);
        drop(mark);
        assert_eq!(after(&monitor, LATER), Health::Well);
    }
}

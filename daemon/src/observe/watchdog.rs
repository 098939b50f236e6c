//! Whether the daemon's threads get on with their work.
//!
//! A watchdog that a timer feeds says that a timer works. So each thread that carries files marks what
//! it is doing in a [`ThreadMark`] of its own, and whoever feeds the watchdog asks the [`Monitor`] first.
//!
//! Two things count as a hang, which a restart cures:
//!
//! - a thread has been at one piece of work of its own for longer than the limit: a network, a decoder
//!   or a loop that doesn't end;
//! - files are under way, and nobody has begun or ended anything for as long: a thread that is no more,
//!   channels that wait for each other.
//!
//! What a thread asks of others is never a hang: a mount that answers nothing, a catalog that someone
//! has locked. A restart would meet the same mount and the same lock, would lose what was computed, and
//! can't even end a thread that hangs in the kernel. Such a [`Wait`](Activity::Files) is reported, for
//! the log and for `systemctl status`, and ends when it ends. The price is that a loop without an end in
//! the code between two looks at a folder passes for a slow folder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It waits for something to do.
    Idle = 0,
    /// It computes: nobody but us can keep it from ending.
    Work = 1,
    /// It has asked something of a file system.
    Files = 2,
    /// It has asked something of the catalog.
    Catalog = 3,
}

/// Who knows what all threads are doing.
#[derive(Debug, Clone)]
pub(crate) struct Monitor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    limit: Duration,
    threads: Mutex<Vec<Weak<Thread>>>,
    // Since when files are under way; 0 when none are.
    loaded: AtomicU64,
    // When someone last began or ended work on one.
    moved: AtomicU64,
}

/// A thread's own mark.
#[derive(Debug, Clone)]
pub(crate) struct ThreadMark {
    monitor: Monitor,
    thread: Arc<Thread>,
}

#[derive(Debug)]
struct Thread {
    name: String,
    // An activity in the lowest two bits, and since when in those above.
    mark: AtomicU64,
}

/// Something that a thread does, until it is dropped.
#[derive(Debug)]
pub(crate) struct ActivityGuard {
    monitor: Monitor,
    thread: Arc<Thread>,
    before: Activity,
}

/// How the threads are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// All get on.
    Well,
    /// One has waited for others for longer than a moment: what it says of itself.
    Waiting(String),
    /// One doesn't get on: what it is at.
    Hung(String),
}

impl Monitor {
    /// One that takes nothing for a hang that is over within `limit`.
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

    /// The mark of a thread, which counts until it is dropped.
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
    pub(crate) fn carries(&self, any: bool) {
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

    /// How the threads are; who has waited for others for less than `patience` isn't mentioned.
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
            // Who looks into a folder for a moment isn't what the files wait for.
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

    /// Milliseconds since the start: what fits a mark for longer than machines last.
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
    /// One that nobody feels.
    pub(crate) fn unmonitored() -> Self {
        Monitor::new(Duration::MAX).register("")
    }

    /// Marks the beginning of something; its end is the drop of what this returns, which goes back to
    /// what was before. It carries no file on: a loop that turns, a tidying up.
    pub(crate) fn begin(&self, activity: Activity) -> ActivityGuard {
        let (_, before) = self.thread.read();
        self.thread.write(self.monitor.now(), activity);
        ActivityGuard {
            monitor: self.monitor.clone(),
            thread: Arc::clone(&self.thread),
            before,
        }
    }

    /// Carries a file on by something, marked from its beginning to its end.
    pub(crate) fn during<T>(&self, activity: Activity, work: impl FnOnce() -> T) -> T {
        self.monitor.moved();
        let busy = self.begin(activity);
        let outcome = work();
        drop(busy);
        self.monitor.moved();
        outcome
    }

    /// Says whether files are under way.
    pub(crate) fn carries(&self, any: bool) {
        self.monitor.carries(any);
    }

    /// How long a loop may wait in one turn without passing for hung.
    pub(crate) fn turn(&self) -> Duration {
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
    fn a_thread_that_waits_for_others_is_reported_and_not_hung() {
        let monitor = Monitor::new(LIMIT);
        let (decode, record) = (monitor.register("decode-0"), monitor.register("record"));
        monitor.carries(true);
        let reading = decode.begin(Activity::Files);
        assert_eq!(after(&monitor, 10_000), Health::Well);
        let wait = "decode-0 has waited for a file system for 300 s";
        assert_eq!(after(&monitor, LATER), Health::Waiting(wait.into()));
        // What is hung is not excused by others who wait.
        let computing = record.begin(Activity::Work);
        assert!(matches!(after(&monitor, LATER), Health::Hung(_)));
        drop((reading, computing));
        let _locked = record.begin(Activity::Catalog);
        let wait = "record has waited for the catalog for 300 s";
        assert_eq!(after(&monitor, LATER), Health::Waiting(wait.into()));
    }

    #[test]
    fn files_that_nobody_moves_are_a_hang() {
        let monitor = Monitor::new(LIMIT);
        let (intake, classify) = (monitor.register("intake"), monitor.register("classify-0"));
        classify.during(Activity::Work, || ());
        assert_eq!(after(&monitor, LATER), Health::Well, "there is no file");
        monitor.carries(true);
        assert!(matches!(after(&monitor, LATER), Health::Hung(_)));
        // That the intake turns is no progress.
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
        monitor.carries(false);
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
    fn a_thread_that_is_no_more_counts_no_more() {
        let monitor = Monitor::new(LIMIT);
        let mark = monitor.register("classify-0");
        mark.thread.write(0, Activity::Work);
        drop(mark);
        assert_eq!(after(&monitor, LATER), Health::Well);
    }
}

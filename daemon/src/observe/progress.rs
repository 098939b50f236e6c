//! Progress for a person at a terminal, and the observer that tells all the others.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use galmorph_catalog::{Entry, Verdict};
use galmorph_output::{path_text, visible};
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use jiff::Timestamp;

use super::metrics::Metrics;
use super::systemd::Service;
use super::{Observer, Stage, Tally, WaitingPlace};

/// The time that the rate is of.
const MINUTE: Duration = Duration::from_mins(1);

/// How long nothing was recorded when the daemon is called idle.
const PAUSE: Duration = Duration::from_secs(2);

/// Shows progress if standard error is a terminal.
pub(crate) struct Progress<'a> {
    bar: ProgressBar,
    live: Arc<Live>,
    // What is watched, said when the daemon is ready.
    watching: Mutex<String>,
    service: &'a Service,
    metrics: &'a Metrics,
}

impl<'a> Progress<'a> {
    /// A line at the bottom of the terminal.
    pub(crate) fn new(screen: &MultiProgress, service: &'a Service, metrics: &'a Metrics) -> Self {
        let live = Arc::<Live>::default();
        let shown = Arc::clone(&live);
        let draw = move |_: &ProgressState, output: &mut dyn fmt::Write| {
            // A line that can't be drawn is drawn again in a moment.
            let _ = output.write_str(&shown.line(Instant::now()));
        };
        let style = ProgressStyle::with_template("{spinner} {live}")
            .expect("the template is one that indicatif knows")
            .with_key("live", draw);
        let bar = screen.add(ProgressBar::new_spinner().with_style(style));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            live,
            watching: Mutex::default(),
            service,
            metrics,
        }
    }

    /// Says what is watched, as soon as the daemon is ready.
    pub(crate) fn watching(&self, what: String) {
        *self.watching.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        self.service.stopping();
    }

    /// Prints a line above the progress line, unless the log has it.
    fn print(&self, line: &str) {
        if !log::log_enabled!(log::Level::Info) {
            self.bar.println(visible(line));
        }
    }
}

impl Observer for Progress<'_> {
    fn started(&self) {
        let what = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        self.bar.println(visible(&what));
        self.service.ready();
    }

    fn recorded(&self, entries: &[Entry], tally: &Tally) {
        for entry in entries {
            self.metrics.recorded(entry);
            if let Verdict::Rejected { reason, message } = &entry.verdict {
                let path = path_text(&entry.path);
                self.print(&format!("rejected '{path}': {reason}: {message}"));
            }
        }
        self.service.recorded(tally);
        self.live.recorded(entries.len(), tally, Instant::now());
    }

    fn worked(&self, stage: Stage, took: Duration) {
        self.metrics.worked(stage, took);
    }

    fn ran(&self, views: usize) {
        self.metrics.ran(views);
    }

    fn answered(&self, after: Duration) {
        self.metrics.answered(after);
    }

    fn waits(&self, place: WaitingPlace, files: usize) {
        self.metrics.waits(place, files);
        self.live.waiting[place as usize].store(files, Ordering::Relaxed);
    }

    fn scanned(&self, took: Duration) {
        self.metrics.scanned(took);
        self.live.scanned();
    }

    fn left_alone(&self, files: &str) {
        self.print(&format!("files of other kinds are left alone: {files}"));
    }

    fn lost(&self) {
        self.metrics.lost();
    }
}

/// What the progress line says. It is drawn several times a second, whether or not something happens.
#[derive(Debug, Default)]
struct Live {
    // By `WaitingPlace`.
    waiting: [AtomicUsize; WaitingPlace::ALL.len()],
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    classified: u64,
    rejected: u64,
    // When files were recorded in the last minute, and how many.
    recent: VecDeque<(Instant, usize)>,
    // The last time that something was recorded, or the end of the first scan.
    last: Option<Timestamp>,
}

impl Live {
    fn recorded(&self, files: usize, tally: &Tally, now: Instant) {
        let mut work = self.work();
        work.classified = tally.classified_total() + tally.known;
        work.rejected = tally.rejected_total();
        work.last = Some(Timestamp::now());
        work.forget(now);
        // One entry a tenth of a second at most, so that a fast machine costs no more memory.
        match work.recent.back_mut() {
            Some((at, count)) if now - *at < Duration::from_millis(100) => *count += files,
            _ => work.recent.push_back((now, files)),
        }
    }

    fn scanned(&self) {
        self.work().last.get_or_insert_with(Timestamp::now);
    }

    fn line(&self, now: Instant) -> String {
        let waiting: usize = self
            .waiting
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum();
        let mut work = self.work();
        work.forget(now);
        let waits = match waiting {
            0 => String::new(),
            files => format!(", {files} waiting"),
        };
        let is_busy = work.recent.back().is_some_and(|(at, _)| now - *at < PAUSE);
        let pace = match work.last {
            None if waiting == 0 => "looking for files".into(),
            Some(last) if waiting == 0 && !is_busy => {
                format!("idle since {} UTC", last.strftime("%H:%M"))
            }
            _ => format!("{}/s", three_digits(work.rate(now))),
        };
        format!(
            "{} classified, {} rejected{waits} · {pace}",
            work.classified, work.rejected
        )
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// Forgets what is older than a minute.
    fn forget(&mut self, now: Instant) {
        while self
            .recent
            .front()
            .is_some_and(|(at, _)| now - *at > MINUTE)
        {
            self.recent.pop_front();
        }
    }

    /// Files per second of the last minute, or of the part of it since work began.
    fn rate(&self, now: Instant) -> f64 {
        let Some((began, _)) = self.recent.front() else {
            return 0.0;
        };
        let files: usize = self.recent.iter().map(|(_, count)| count).sum();
        files as f64 / (now - *began).as_secs_f64().max(1.0)
    }
}

/// A rate with three significant digits: `138`, `38.2`, `3.82`, `0.38`.
pub(crate) fn three_digits(rate: f64) -> String {
    match rate {
        0.0 => "0".into(),
        ..9.995 => format!("{rate:.2}"),
        ..99.95 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

/// Standard error for log lines, which makes the progress line step aside.
pub(crate) struct LogLines(pub(crate) MultiProgress);

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if io::stderr().is_terminal() {
            self.0.suspend(|| io::stderr().write(line))
        } else {
            io::stderr().write(line)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(classified: u64, rejected: u64) -> Tally {
        Tally {
            known: classified,
            rejected: [("broken", rejected)].into(),
            ..Tally::default()
        }
    }

    fn wait(live: &Live, files: usize) {
        live.waiting[WaitingPlace::Queue as usize].store(files, Ordering::Relaxed);
    }

    #[test]
    fn the_line_says_what_was_done_what_waits_and_how_fast_it_goes() {
        let live = Live::default();
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let nothing = "0 classified, 0 rejected · looking for files";
        assert_eq!(live.line(start), nothing);
        wait(&live, 3);
        assert_eq!(
            live.line(start),
            "0 classified, 0 rejected, 3 waiting · 0/s"
        );
        live.recorded(8, &tally(7, 1), start);
        live.recorded(8, &tally(15, 1), later(4));
        assert_eq!(
            live.line(later(4)),
            "15 classified, 1 rejected, 3 waiting · 4.00/s"
        );
        // The rate is of the last minute, not of all the time since the start.
        assert_eq!(
            live.line(later(63)),
            "15 classified, 1 rejected, 3 waiting · 0.14/s"
        );
        assert_eq!(
            live.line(later(600)),
            "15 classified, 1 rejected, 3 waiting · 0/s"
        );
    }

    #[test]
    fn a_daemon_that_waits_for_files_is_idle_since_its_last_one() {
        let live = Live::default();
        let start = Instant::now();
        live.scanned();
        let idle = |line: &str| line.contains(" · idle since ") && line.ends_with(" UTC");
        assert!(idle(&live.line(start)));
        live.recorded(1, &tally(1, 0), start);
        assert!(!idle(&live.line(start + Duration::from_secs(1))));
        let said = live.line(start + Duration::from_secs(3));
        assert!(idle(&said), "{said}");
        // 14:56, without a date or seconds.
        assert_eq!(said.rsplit(' ').nth(1).unwrap().len(), 5);
        wait(&live, 1);
        assert!(!idle(&live.line(start + Duration::from_secs(3))));
    }

    #[test]
    fn a_rate_has_three_digits() {
        let shown = [0.0, 0.0167, 0.9966, 3.824, 38.24, 99.96, 138.2, 2460.0].map(three_digits);
        let expected = ["0", "0.02", "1.00", "3.82", "38.2", "100", "138", "2460"];
        assert_eq!(shown, expected);
    }
}

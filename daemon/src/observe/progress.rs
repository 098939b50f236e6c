//! Progress for a person at a terminal, and the observer that tells everyone else too.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use galmorph_catalog::Entry;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::metrics::Metrics;
use super::systemd::Service;
use super::{Observer, Stage, Tally, WaitingPlace};

/// Shows progress where there is someone to see it.
pub(crate) struct Progress<'a> {
    bar: ProgressBar,
    service: &'a Service,
    metrics: &'a Metrics,
}

impl<'a> Progress<'a> {
    /// A line at the bottom of the terminal, if standard error is one.
    pub(crate) fn new(screen: &MultiProgress, service: &'a Service, metrics: &'a Metrics) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} · {per_sec} · {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = screen.add(ProgressBar::new_spinner().with_style(style));
        bar.set_message("looking for cutouts");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            service,
            metrics,
        }
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        self.service.stopping();
    }
}

impl Observer for Progress<'_> {
    fn started(&self) {
        self.service.ready();
    }

    fn recorded(&self, entries: &[Entry], tally: &Tally) {
        for entry in entries {
            self.metrics.recorded(entry);
        }
        self.service.recorded(tally);
        self.bar.set_position(tally.total());
        self.bar.set_message(format!(
            "{} classified, {} rejected",
            tally.classified_total() + tally.known,
            tally.rejected_total()
        ));
    }

    fn worked(&self, stage: Stage, took: Duration) {
        self.metrics.worked(stage, took);
    }

    fn answered(&self, after: Duration) {
        self.metrics.answered(after);
    }

    fn waits(&self, place: WaitingPlace, files: usize) {
        self.metrics.waits(place, files);
    }

    fn scanned(&self, took: Duration) {
        self.metrics.scanned(took);
    }

    fn lost(&self) {
        self.metrics.lost();
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

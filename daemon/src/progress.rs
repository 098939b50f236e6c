//! Watching the daemon work, behind a small trait, so that the pipeline doesn't know who watches: a
//! person at a terminal, systemd, or nobody.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::systemd::Service;
use crate::tally::Tally;

/// One who is told how the work goes. Called from several threads.
pub(crate) trait Observer: Sync {
    /// The model is ready and the first scan has begun.
    fn started(&self);

    /// More files were recorded.
    fn recorded(&self, tally: &Tally);
}

/// Shows progress where there is someone to see it.
pub(crate) struct Progress<'a> {
    bar: ProgressBar,
    service: &'a Service,
}

impl<'a> Progress<'a> {
    /// A line at the bottom of the terminal, if standard error is one.
    pub(crate) fn new(screen: &MultiProgress, service: &'a Service) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} · {per_sec} · {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = screen.add(ProgressBar::new_spinner().with_style(style));
        bar.set_message("looking for cutouts");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, service }
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

    fn recorded(&self, tally: &Tally) {
        self.service.recorded(tally);
        self.bar.set_position(tally.total());
        self.bar.set_message(format!(
            "{} classified, {} rejected",
            tally.classified_total() + tally.known,
            tally.rejected_total()
        ));
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

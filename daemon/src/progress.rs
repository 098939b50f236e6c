//! Watching the daemon work, behind a small trait, so that the pipeline doesn't know who watches: a
//! person at a terminal, systemd, a collector of metrics, or nobody.

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::catalog::Entry;
use crate::metrics::Metrics;
use crate::systemd::Service;
use crate::tally::Tally;

/// One who is told how the work goes. Called from several threads.
pub(crate) trait Observer: Sync {
    /// The model is ready and the first scan has begun.
    fn started(&self);

    /// These files were recorded; `tally` counts all so far.
    fn recorded(&self, entries: &[Entry], tally: &Tally);

    /// A thread did a piece of work: a file's, or a run of the network.
    fn worked(&self, stage: Stage, took: Duration);

    /// The row of a file that was seen to arrive was committed, so long after.
    fn answered(&self, after: Duration);

    /// So many files wait.
    fn waits(&self, place: Place, files: usize);

    /// A full scan has ended.
    fn scanned(&self, took: Duration);

    /// Notifications of the kernel were lost.
    fn lost(&self);
}

/// Work that is done for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its bytes are read.
    Read,
    /// Its bytes are hashed, and made an image.
    Decode,
    /// Views are made of the image.
    Preprocess,
    /// The network is run on them.
    Classify,
    /// The answer is committed.
    Record,
}

impl Stage {
    /// All, in their order.
    pub(crate) const ALL: [Self; 5] = [
        Self::Read,
        Self::Decode,
        Self::Preprocess,
        Self::Classify,
        Self::Record,
    ];

    /// Its name in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Decode => "decode",
            Self::Preprocess => "preprocess",
            Self::Classify => "classify",
            Self::Record => "record",
        }
    }
}

/// Does a piece of work, and tells how long it took.
pub(crate) fn timed<T>(observer: &dyn Observer, stage: Stage, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let outcome = work();
    observer.worked(stage, began.elapsed());
    outcome
}

/// Where files wait that the daemon knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// To see whether they still change, or to be tried again.
    Settling,
    /// For their turn.
    Queue,
    /// In the pipeline.
    UnderWay,
}

impl Place {
    /// All, in their order.
    pub(crate) const ALL: [Self; 3] = [Self::Settling, Self::Queue, Self::UnderWay];

    /// Its name in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Settling => "settling",
            Self::Queue => "queue",
            Self::UnderWay => "under_way",
        }
    }
}

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

    fn waits(&self, place: Place, files: usize) {
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

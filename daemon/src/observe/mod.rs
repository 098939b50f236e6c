//! What is seen of the daemon from outside: log, progress, metrics, systemd, the watchdog.
//!
//! The pipeline tells an [`Observer`] how it goes and does not know who watches: a person at a terminal,
//! systemd, a collector of metrics, or nobody.

mod logging;
pub(crate) mod metrics;
mod progress;
pub(crate) mod systemd;
mod tally;
pub(crate) mod watchdog;

use std::time::{Duration, Instant};

use galmorph_catalog::Entry;

pub(crate) use logging::LastError;
pub(crate) use progress::{LogLines, Progress, three_digits};
pub(crate) use tally::Tally;

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
    fn waits(&self, place: WaitingPlace, files: usize);

    /// A full scan has ended.
    fn scanned(&self, took: Duration);

    /// A full scan has found files of kinds that are not taken, and that were not named before.
    fn left_alone(&self, files: &str);

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
pub(crate) enum WaitingPlace {
    /// To see whether they still change, or to be tried again.
    Settling,
    /// For their turn.
    Queue,
    /// In the pipeline.
    UnderWay,
}

impl WaitingPlace {
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

//! What can be seen of the daemon from outside.
//!
//! The intake and the pipeline report to an [`Observer`] and do not know who watches: a person at a
//! terminal, systemd, or a collector of metrics. So no stage has code for any of them.
//!
//! | file | |
//! |---|---|
//! | `logging` | the log, the last error in it, panics |
//! | `progress` | the line at the bottom of a terminal; passes everything on to the others |
//! | `tally` | files recorded, counted by class and by reason |
//! | `metrics` | for Prometheus |
//! | `systemd` | readiness, the status line, feeding the watchdog |
//! | `watchdog` | which thread does what, and whether one is stuck |

mod logging;
pub(crate) mod metrics;
mod progress;
pub(crate) mod systemd;
mod tally;
pub(crate) mod watchdog;

use std::time::{Duration, Instant};

use galmorph_catalog::Entry;

pub(crate) use logging::{LastError, start_log};
pub(crate) use progress::{Progress, three_digits};
pub(crate) use tally::Tally;

/// What the intake and the pipeline report to. Called from several threads.
pub(crate) trait Observer: Sync {
    /// The model is ready and the first scan has begun.
    fn started(&self);

    /// These files were recorded; `tally` counts all so far.
    fn recorded(&self, entries: &[Entry], tally: &Tally);

    /// A thread did a piece of work for a file, or ran the network.
    fn worked(&self, stage: Stage, took: Duration);

    /// The network was run on so many views.
    fn ran(&self, views: usize);

    /// The row of a file that was seen to arrive was committed, `after` that.
    fn answered(&self, after: Duration);

    /// The number of files that wait at one place now.
    fn waits(&self, place: WaitingPlace, files: usize);

    /// A full scan has ended.
    fn scanned(&self, took: Duration);

    /// A full scan has found files of kinds that are not taken, and that were not named before.
    fn left_alone(&self, files: &str);

    /// Kernel notifications were lost.
    fn lost(&self);
}

/// A kind of work on files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Reading a file.
    Read,
    /// Hashing its bytes and decoding the image.
    Decode,
    /// Making views of the image.
    Preprocess,
    /// Running the network on them.
    Classify,
    /// Committing the result.
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

/// Does a piece of work, and reports how long it took.
pub(crate) fn timed<T>(observer: &dyn Observer, stage: Stage, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let outcome = work();
    observer.worked(stage, began.elapsed());
    outcome
}

/// Where a file waits that the daemon knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitingPlace {
    /// Until it has settled, or is to be tried again.
    Settling,
    /// For its turn.
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

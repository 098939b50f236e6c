//! Which files are taken, and when.
//!
//! Three sources lead to a file: scans of the folders, the kernel's hints, and the pipeline's word that
//! it must come again. All end in [`Intake::consider`], which asks the same questions of each: is it
//! ours, is it under way, is it done, has it settled? A file that is under way is never given twice; if
//! something happens to it meanwhile, it is considered again when it is back.
//!
//! A scan goes on while the pipeline works, whenever there is nothing else to do, so that the
//! [`queue`] knows of all that waits before it chooses.

mod decide;
mod delay;
mod departures;
mod notify;
mod other_files;
mod queue;
mod scan;
mod selection;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded, never};
use crossbeam::select;

use crate::file::{DepartedFile, TakenFile};
use crate::observe::watchdog::{Activity, ThreadMark};
use crate::observe::{Observer, WaitingPlace};
use crate::shutdown::Shutdown;
use decide::Cause;
use delay::{DelayQueue, Delayed};
use galmorph_catalog::{Reader, RequiredModel};
use notify::{Hint, Listener};
pub(crate) use other_files::OtherFiles;
pub(crate) use queue::Order;
use queue::Queue;
use scan::Scan;
pub(crate) use scan::{Found, survey};
pub(crate) use selection::Selection;

/// How many files may wait to settle; the others are found by a later scan.
const DELAYED: usize = 65_536;
/// How many files that arrived may be ready to go before hints are left in their queue.
const READY: usize = 1024;
/// How many files that scans found may be ready to go; the others are found by a later scan.
const BACKLOG: usize = 16_384;
/// How many entries of a scan are looked at before other things get their turn.
const SCAN_STEP: usize = 256;
/// How many other things may get their turn before the scan has its own.
const PATIENCE: u32 = 64;
/// A scan is followed by a pause so many times as long, however large the folders are.
const PAUSE: u32 = 9;

/// What to take, and when to end.
#[derive(Debug, Clone)]
pub(crate) struct IntakeOptions {
    /// The folders and the names.
    pub(crate) selection: Selection,
    /// How long a file must be left alone.
    pub(crate) settle: Duration,
    /// The time between two scans, at least.
    pub(crate) rescan_interval: Duration,
    /// Which files of a backlog go first.
    pub(crate) order: Order,
    /// Scans alone.
    pub(crate) poll: bool,
    /// End when everything that the first scan found is done.
    pub(crate) drain: bool,
    /// The file that is written to when the catalog was marked for another try.
    pub(crate) wake_file: PathBuf,
}

/// What the intake saw.
#[derive(Debug, Default)]
pub(crate) struct IntakeReport {
    /// Files that were done before.
    pub(crate) unchanged: u64,
    /// What a drain gave up on, a line each.
    pub(crate) abandoned: Vec<String>,
    /// Files of other kinds, as the last full scan found them.
    pub(crate) others: OtherFiles,
    /// Whether it was asked to end before the backlog was done.
    pub(crate) interrupted: bool,
}

/// What the intake and the pipeline say to each other by.
pub(crate) struct IntakeChannels {
    /// Files to be answered for.
    pub(crate) output: Sender<TakenFile>,
    /// Those that left the pipeline.
    pub(crate) finished: Receiver<DepartedFile>,
    /// That a scan begins.
    pub(crate) scans: Sender<()>,
}

/// The first stage.
pub(crate) struct Intake<'a> {
    options: IntakeOptions,
    catalog: Reader,
    wanted: RequiredModel,
    output: Sender<TakenFile>,
    finished: Receiver<DepartedFile>,
    scans: Sender<()>,
    stop: Shutdown,
    observer: &'a dyn Observer,
    listener: Option<Listener>,
    mark: ThreadMark,

    scan: Option<RunningScan>,
    // What happened since the scan had its turn.
    events: u32,
    full_scans: u32,
    next_scan: Option<Instant>,
    folders_to_scan: VecDeque<(Instant, PathBuf)>,
    ready: Queue,
    waiting: DelayQueue,
    under_way: HashMap<PathBuf, Delayed>,
    // Files under way that something happened to, and what it was last.
    touched: HashMap<PathBuf, Cause>,
    // What a drain gave up on, and is not to begin anew with.
    given_up: HashSet<PathBuf>,
    // The kinds of other files that were named already.
    named: OtherFiles,
    report: IntakeReport,
}

/// A scan that is going on.
struct RunningScan {
    entries: Scan,
    began: Instant,
    // Of all watched folders, not of one that has just appeared.
    is_full: bool,
}

impl RunningScan {
    fn new(folders: impl IntoIterator<Item = PathBuf>, is_full: bool) -> Self {
        Self {
            entries: Scan::new(folders),
            began: Instant::now(),
            is_full,
        }
    }
}

/// What a turn of the loop came to.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Something was seen to.
    Event,
    /// There was nothing to see to.
    Idle,
    /// Whoever took files takes no more, or the end was asked for.
    Over,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(
        options: IntakeOptions,
        catalog: Reader,
        wanted: RequiredModel,
        channels: IntakeChannels,
        stop: Shutdown,
        observer: &'a dyn Observer,
    ) -> Self {
        let IntakeChannels {
            output,
            finished,
            scans,
        } = channels;
        let ready = Queue::new(options.order, BACKLOG);
        Self {
            options,
            catalog,
            wanted,
            output,
            finished,
            scans,
            stop,
            observer,
            listener: None,
            mark: ThreadMark::unmonitored(),
            scan: None,
            events: 0,
            full_scans: 0,
            next_scan: None,
            folders_to_scan: VecDeque::new(),
            ready,
            waiting: DelayQueue::new(DELAYED),
            under_way: HashMap::new(),
            touched: HashMap::new(),
            given_up: HashSet::new(),
            named: OtherFiles::default(),
            report: IntakeReport::default(),
        }
    }

    /// With a mark that someone feels.
    pub(crate) fn with_mark(mut self, mark: ThreadMark) -> Self {
        self.mark = mark;
        self
    }

    /// Gives files to the pipeline until the end is asked for or, when draining, the backlog is done.
    pub(crate) fn run(mut self) -> IntakeReport {
        // First the ears, then the eyes: what comes while we scan is heard.
        self.listen();
        self.begin_scan();
        self.observer.started();
        while !self.stop.requested() {
            let _turn = self.mark.begin(Activity::Work);
            self.mark.carries(!self.under_way.is_empty());
            self.take_stock();
            self.count();
            if self.options.drain && self.is_idle() {
                return self.report;
            }
            let turn = self.step();
            if turn == Turn::Over {
                break;
            }
            self.events += 1;
            if self.may_scan() && (turn == Turn::Idle || self.events >= PATIENCE) {
                self.advance_scan();
                self.events = 0;
            }
        }
        self.report.interrupted = true;
        self.report
    }

    fn count(&self) {
        self.observer
            .waits(WaitingPlace::Settling, self.waiting.len());
        self.observer.waits(WaitingPlace::Queue, self.ready.len());
        self.observer
            .waits(WaitingPlace::UnderWay, self.under_way.len());
    }

    fn listen(&mut self) {
        let _files = self.mark.begin(Activity::Files);
        if self.options.drain {
            return;
        }
        let folders: Vec<PathBuf> = if self.options.poll {
            Vec::new()
        } else {
            self.options.selection.paths().collect()
        };
        match Listener::new(&folders, &self.options.wake_file) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => log::warn!("no notifications from the kernel: {error}; relying on scans"),
        }
    }

    fn begin_scan(&mut self) {
        log::debug!("scan begins");
        if self.listener.as_ref().is_some_and(Listener::is_stale) {
            log::info!("a watched folder is not the one that it was; listening anew");
            self.listen();
        }
        // Nobody need know twice.
        let _ = self.scans.try_send(());
        self.scan = Some(RunningScan::new(self.options.selection.paths(), true));
        self.full_scans += 1;
        self.next_scan = None;
        self.ready.scan_begins();
    }

    fn is_idle(&self) -> bool {
        self.scan.is_none()
            && self.next_scan.is_none()
            && self.folders_to_scan.is_empty()
            && self.ready.is_empty()
            && !self.ready.forgot()
            && self.waiting.is_empty()
            && self.under_way.is_empty()
    }

    /// Sees to what is due.
    fn take_stock(&mut self) {
        let _files = self.mark.begin(Activity::Files);
        let now = Instant::now();
        while self.ready.fresh() < READY
            && let Some((path, delayed)) = self.waiting.due(now)
        {
            self.recheck(path, delayed);
        }
        if self.scan.is_none() {
            if self.next_scan.is_some_and(|moment| moment <= now) || self.ready.wants_scan() {
                self.begin_scan();
            } else if self
                .folders_to_scan
                .front()
                .is_some_and(|(moment, _)| *moment <= now)
                && let Some((_, folder)) = self.folders_to_scan.pop_front()
            {
                self.scan = Some(RunningScan::new([folder], false));
            }
        }
    }

    /// Whether there is a scan to go on with. A drain, which has no later scan, finds no more files than
    /// may wait.
    fn may_scan(&self) -> bool {
        self.scan.is_some() && !(self.options.drain && self.waiting.is_full())
    }

    fn advance_scan(&mut self) {
        let _files = self.mark.begin(Activity::Files);
        let Some(mut scan) = self.scan.take() else {
            return;
        };
        for _ in 0..SCAN_STEP {
            match scan.entries.next(&self.options.selection) {
                None => return self.end_scan(&scan),
                Some(Found::File(path, metadata)) => self.consider(path, &metadata, Cause::Found),
                Some(Found::Fault(fault)) => self.scan_fault(fault),
            }
            if self.options.drain && self.waiting.is_full() {
                break;
            }
        }
        self.scan = Some(scan);
    }

    fn end_scan(&mut self, scan: &RunningScan) {
        let took = scan.began.elapsed();
        log::debug!("scan ends after {:.3} s", took.as_secs_f64());
        if !scan.is_full {
            return;
        }
        self.observer.scanned(took);
        self.name_others(scan.entries.others());
        if !self.options.drain {
            self.scan_by(Instant::now() + self.options.rescan_interval.max(took * PAUSE));
        }
    }

    /// Names the files that are left alone, when there are kinds of them that were not named before.
    fn name_others(&mut self, others: &OtherFiles) {
        if !others.is_known_to(&self.named) {
            let what = others.explain(self.options.selection.extensions());
            log::info!("files of other kinds are left alone: {what}");
            self.observer.left_alone(&what);
            self.named.merge(others);
        }
        self.report.others = others.clone();
    }

    /// A folder that can't be scanned may come back (a mount), and the next scan sees to it. A drain
    /// has no next scan.
    fn scan_fault(&mut self, fault: String) {
        log::warn!("{fault}");
        if self.options.drain {
            self.report.abandoned.push(fault);
        }
    }

    /// Sees to it that a scan begins at `moment` or earlier.
    fn scan_by(&mut self, moment: Instant) {
        self.next_scan = Some(self.next_scan.map_or(moment, |planned| planned.min(moment)));
    }

    /// Waits for whatever comes first: room for a file, news, or a moment. With a scan to go on with, it
    /// doesn't wait.
    fn step(&mut self) -> Turn {
        let (nothing, no_loss) = (never(), never());
        // With nobody to receive at the other end, it is never ready to take anything.
        let (nowhere, _nobody) = bounded(0);
        let patience = if self.may_scan() {
            Duration::ZERO
        } else {
            self.patience().min(self.mark.turn())
        };
        let hints = match &self.listener {
            Some(listener) if self.ready.fresh() < READY => listener.hints(),
            _ => &nothing,
        };
        let losses = self.listener.as_ref().map_or(&no_loss, Listener::losses);
        let output = if self.ready.is_empty() {
            &nowhere
        } else {
            &self.output
        };
        select! {
            recv(self.stop.receiver()) -> _ => return Turn::Over,
            recv(self.finished) -> news => match news {
                Ok((path, how)) => self.on_departure(path, how),
                Err(_) => return Turn::Over,
            },
            recv(losses) -> _ => {
                log::info!("notifications were lost; scanning");
                self.observer.lost();
                self.scan_by(Instant::now());
            },
            recv(hints) -> hint => if let Ok((moment, hint)) = hint {
                self.follow(moment, hint);
            },
            send(output, self.next_file()) -> sent => if sent.is_err() {
                return Turn::Over;
            },
            default(patience) => return Turn::Idle,
        }
        Turn::Event
    }

    /// The next file of the queue, which is not empty.
    fn next_file(&mut self) -> TakenFile {
        let file = self
            .ready
            .pop()
            .expect("a file is sent only while the queue has one");
        log::debug!("takes '{}'", file.path.display());
        let known = Delayed {
            stamp: None,
            origin: file.origin,
        };
        self.under_way.insert(file.path.clone(), known);
        file
    }

    /// How long nothing is due of what [`Intake::take_stock`] would see to. The rest waits for a file
    /// to go, and counting it would have us turn in circles until then.
    fn patience(&mut self) -> Duration {
        let mut moments = [None; 3];
        if self.ready.fresh() < READY {
            moments[0] = self.waiting.next_moment();
        }
        if self.scan.is_none() {
            moments[1] = self.next_scan;
            moments[2] = self.folders_to_scan.front().map(|(moment, _)| *moment);
        }
        let next = moments.into_iter().flatten().min();
        let now = Instant::now();
        next.map_or(Duration::from_hours(1), |moment| {
            moment.saturating_duration_since(now)
        })
    }

    fn follow(&mut self, moment: Instant, hint: Hint) {
        let _files = self.mark.begin(Activity::Files);
        let (path, cause) = match hint {
            Hint::Complete(path) => (path, Cause::Complete(moment)),
            Hint::Appeared(path) => (path, Cause::Young),
            Hint::Marked => {
                log::info!("files were marked to be tried again; scanning");
                return self.scan_by(Instant::now());
            }
        };
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            return;
        };
        if metadata.is_dir() && self.options.selection.enters(&path) {
            // At once, and again when the kernel surely listens to it: it may be filled meanwhile.
            let now = Instant::now();
            self.folders_to_scan.push_front((now, path.clone()));
            self.folders_to_scan
                .push_back((now + self.options.settle, path));
        } else if self.options.selection.takes(&path)
            && let Ok(Some(metadata)) = self.options.selection.look(&path)
        {
            self.consider(path, &metadata, cause);
        }
    }
}

#[cfg(test)]
mod tests;

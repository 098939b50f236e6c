//! Which files are taken, and when.
//!
//! Three sources lead to a file: scans of the folders, notifications from the kernel, and the pipeline when
//! it could not read one. All of them end in the same questions (`decide`): is it one of ours, is it under
//! way, is it done, has it settled? A file that is under way is never given to the pipeline twice. If
//! something happens to it meanwhile, it is considered again when it leaves the pipeline.
//!
//! The scan is the guarantee, and notifications only make it faster. A scan goes on while the pipeline
//! works, whenever there is nothing else to do, so that the queue knows of every file before it chooses the
//! next one.
//!
//! | file | |
//! |---|---|
//! | `scan` | walks the folders |
//! | `notify` | listens to the kernel, and follows what it reports |
//! | `options` | what is taken, and when |
//! | `selection` | which paths are ours, and opening them safely |
//! | `band_set` | images of which each band is a file |
//! | `exclusion` | names that are left alone |
//! | `decide` | the questions that each file is asked |
//! | `delay` | files that must settle, or are tried again later |
//! | `moving` | when a file is moved, and what happens to it afterwards |
//! | `queue` | files that can go, and which one goes next |
//! | `departures` | files that come back from the pipeline |
//! | `new_folders` | folders that have just appeared |
//! | `turn` | waits for the next thing to happen |

mod band_set;
mod decide;
mod delay;
mod departures;
mod moving;
mod new_folders;
mod notify;
mod options;
mod other_files;
mod queue;
mod scan;
mod selection;
mod turn;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender};

use crate::file::{DepartedFile, Errand, Origin, Seen, TakenFile};
use crate::observe::watchdog::{Activity, ThreadMark};
use crate::observe::{Observer, WaitingPlace};
use crate::shutdown::Shutdown;
use decide::Cause;
use delay::DelayQueue;
use galmorph_catalog::{Reader, RequiredModel};
use new_folders::NewFolders;
use notify::Listener;
pub(crate) use options::IntakeOptions;
pub(crate) use other_files::OtherFiles;
use queue::Queue;
use scan::Scan;
pub(crate) use scan::{Found, survey, survey_marked};
pub(crate) use selection::Selection;
use turn::Turn;

/// How many files may wait to settle. A later scan finds the others.
const DELAY_LIMIT: usize = 65_536;
/// How many fresh files may be in the queue before notifications are left in theirs.
const FRESH_LIMIT: usize = 1024;
/// How many files that scans found may be in the queue. A later scan finds the others.
const BACKLOG_LIMIT: usize = 16_384;
/// How many new folders may wait for a scan of their own. Beyond that, a full scan finds their files.
const NEW_FOLDER_LIMIT: usize = 1024;
/// How many errands may wait for the recorder before no more files are looked at.
const ERRAND_LIMIT: usize = 1024;
/// How many entries of a scan are looked at before other things get their turn.
const SCAN_STEP: usize = 256;
/// How many other things get their turn before the scan goes on.
const EVENTS_BEFORE_SCAN: u32 = 64;
/// The pause after a full scan is at least this many times as long as the scan. So scans take a tenth of
/// the time at most, however large the folders are.
const PAUSE_FACTOR: u32 = 9;

/// What the intake saw.
#[derive(Debug, Default)]
pub(crate) struct IntakeReport {
    /// The number of files that were done before.
    pub(crate) unchanged: u64,
    /// What a drain gave up on, a line each.
    pub(crate) abandoned: Vec<String>,
    /// Files of other kinds, as the last full scan found them.
    pub(crate) others: OtherFiles,
    /// Whether the end was requested before the backlog was done.
    pub(crate) interrupted: bool,
}

/// The channels between the intake and the pipeline.
pub(crate) struct IntakeChannels {
    /// Files for the pipeline.
    pub(crate) output: Sender<TakenFile>,
    /// Files that left the pipeline.
    pub(crate) departed: Receiver<DepartedFile>,
    /// What the recorder is asked for.
    pub(crate) errands: Sender<Errand>,
    /// A message for each full scan that begins.
    pub(crate) scans: Sender<()>,
}

/// The first stage.
pub(crate) struct Intake<'a> {
    options: IntakeOptions,
    catalog: Reader,
    required: RequiredModel,
    output: Sender<TakenFile>,
    departed: Receiver<DepartedFile>,
    errand_output: Sender<Errand>,
    scans: Sender<()>,
    stop: Shutdown,
    observer: &'a dyn Observer,
    listener: Option<Listener>,
    mark: ThreadMark,

    scan: Option<RunningScan>,
    // Events since the scan had its turn.
    events: u32,
    full_scans: u32,
    next_scan: Option<Instant>,
    new_folders: NewFolders,
    queue: Queue,
    delayed: DelayQueue,
    errands: VecDeque<Errand>,
    under_way: HashMap<PathBuf, UnderWay>,
    // Files under way that something happened to, and what it was last.
    touched: HashMap<PathBuf, Cause>,
    // Files that a drain gave up on and does not begin again with.
    given_up: HashSet<PathBuf>,
    // The kinds of other files that were named already.
    named: OtherFiles,
    report: IntakeReport,
}

/// A file in the pipeline, or that is being moved.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    // How it was when it was taken.
    seen: Seen,
    origin: Origin,
    is_move: bool,
}

/// A scan that is going on.
struct RunningScan {
    entries: Scan,
    // The last one that was looked at of the files that are to be tried again. They follow the folders.
    last_marked: PathBuf,
    began: Instant,
    // Of all watched folders, not of one that has just appeared.
    is_full: bool,
}

impl RunningScan {
    fn new(folders: impl IntoIterator<Item = PathBuf>, is_full: bool) -> Self {
        Self {
            entries: Scan::new(folders),
            last_marked: PathBuf::new(),
            began: Instant::now(),
            is_full,
        }
    }
}

impl<'a> Intake<'a> {
    pub(crate) fn new(
        options: IntakeOptions,
        catalog: Reader,
        required: RequiredModel,
        channels: IntakeChannels,
        stop: Shutdown,
        observer: &'a dyn Observer,
    ) -> Self {
        let IntakeChannels {
            output,
            departed,
            errands,
            scans,
        } = channels;
        let queue = Queue::new(options.order, BACKLOG_LIMIT);
        Self {
            options,
            catalog,
            required,
            output,
            departed,
            errand_output: errands,
            scans,
            stop,
            observer,
            listener: None,
            mark: ThreadMark::unmonitored(),
            scan: None,
            events: 0,
            full_scans: 0,
            next_scan: None,
            new_folders: NewFolders::new(NEW_FOLDER_LIMIT),
            queue,
            delayed: DelayQueue::new(DELAY_LIMIT),
            errands: VecDeque::new(),
            under_way: HashMap::new(),
            touched: HashMap::new(),
            given_up: HashSet::new(),
            named: OtherFiles::default(),
            report: IntakeReport::default(),
        }
    }

    /// The same, with a mark that the watchdog looks at.
    pub(crate) fn with_mark(mut self, mark: ThreadMark) -> Self {
        self.mark = mark;
        self
    }

    /// Gives files to the pipeline until the end is requested or, in a drain, the backlog is done.
    pub(crate) fn run(mut self) -> IntakeReport {
        // Listen first, then scan: what arrives during the scan is reported.
        self.listen();
        self.begin_full_scan();
        self.observer.started();
        while !self.stop.requested() {
            let _turn = self.mark.begin(Activity::Work);
            self.mark.set_loaded(!self.under_way.is_empty());
            self.do_what_is_due();
            self.report_waiting();
            if self.options.drain && self.is_idle() {
                return self.report;
            }
            let turn = self.wait_for_event();
            if turn == Turn::Over {
                break;
            }
            self.events += 1;
            if self.can_scan() && (turn == Turn::Idle || self.events >= EVENTS_BEFORE_SCAN) {
                self.advance_scan();
                self.events = 0;
            }
        }
        self.report.interrupted = true;
        self.report
    }

    fn report_waiting(&self) {
        self.observer
            .waits(WaitingPlace::Settling, self.delayed.len());
        self.observer.waits(WaitingPlace::Queue, self.queue.len());
        self.observer
            .waits(WaitingPlace::UnderWay, self.under_way.len());
    }

    fn begin_full_scan(&mut self) {
        log::debug!("scan begins");
        if self.listener.as_ref().is_some_and(Listener::is_stale) {
            log::info!("a watched folder is not the one that it was; listening anew");
            self.listen();
        }
        // A message that the recorder has not read yet stands for this scan too.
        let _ = self.scans.try_send(());
        self.scan = Some(RunningScan::new(self.options.selection.paths(), true));
        self.full_scans += 1;
        self.next_scan = None;
        self.queue.scan_begins();
    }

    fn is_idle(&self) -> bool {
        self.scan.is_none()
            && self.next_scan.is_none()
            && self.new_folders.is_empty()
            && self.queue.is_empty()
            && !self.queue.has_dropped()
            && self.delayed.is_empty()
            && self.errands.is_empty()
            && self.under_way.is_empty()
    }

    /// Looks again at the files whose moment has come, and begins the scan whose moment has come.
    fn do_what_is_due(&mut self) {
        let _files = self.mark.begin(Activity::Files);
        let now = Instant::now();
        while self.has_room()
            && let Some((path, delayed)) = self.delayed.due(now)
        {
            self.recheck(path, delayed);
        }
        if self.scan.is_some() {
            return;
        }
        if self.next_scan.is_some_and(|moment| moment <= now) || self.queue.wants_scan() {
            self.begin_full_scan();
        } else if let Some(folder) = self.new_folders.due(now) {
            self.scan = Some(RunningScan::new([folder], false));
        }
    }

    /// Whether files that have waited can go on.
    fn has_room(&self) -> bool {
        self.queue.fresh_len() < FRESH_LIMIT && self.errands.len() < ERRAND_LIMIT
    }

    /// Whether there is a scan to go on with. A drain has no later scan, so it does not look at more files
    /// while there is no room for one that must wait.
    fn can_scan(&self) -> bool {
        self.scan.is_some() && self.has_room_for_found()
    }

    fn has_room_for_found(&self) -> bool {
        self.errands.len() < ERRAND_LIMIT && !(self.options.drain && self.delayed.is_full())
    }

    fn advance_scan(&mut self) {
        let _files = self.mark.begin(Activity::Files);
        let Some(mut scan) = self.scan.take() else {
            return;
        };
        for _ in 0..SCAN_STEP {
            match scan.entries.next(&self.options.selection) {
                None if scan.is_full && self.advance_marked(&mut scan.last_marked) => break,
                None => return self.end_scan(&scan),
                Some(Found::File(path, seen)) => self.consider(path, seen, Cause::Found),
                Some(Found::Fault(fault)) => self.scan_fault(fault),
            }
            if !self.has_room_for_found() {
                break;
            }
        }
        self.scan = Some(scan);
    }

    fn end_scan(&mut self, scan: &RunningScan) {
        let took = scan.began.elapsed();
        let what = if scan.is_full {
            "scan"
        } else {
            "scan of a new folder"
        };
        log::debug!("{what} ends after {:.3} s", took.as_secs_f64());
        if !scan.is_full {
            return;
        }
        self.observer.scanned(took);
        self.name_others(scan.entries.others());
        if !self.options.drain {
            let pause = self.options.rescan_interval.max(took * PAUSE_FACTOR);
            self.scan_by(Instant::now() + pause);
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

    /// A folder that can't be scanned may come back (a mount), and the next scan finds its files. A drain
    /// has no next scan.
    fn scan_fault(&mut self, fault: String) {
        log::warn!("{fault}");
        if self.options.drain {
            self.report.abandoned.push(fault);
        }
    }

    /// Makes a full scan begin at `moment` or earlier.
    fn scan_by(&mut self, moment: Instant) {
        self.next_scan = Some(self.next_scan.map_or(moment, |planned| planned.min(moment)));
    }
}

#[cfg(test)]
mod tests;

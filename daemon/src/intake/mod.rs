//! Which files are taken, and when.
//!
//! Three sources lead to a file: scans of the folders, the kernel's hints, and the pipeline's word that
//! it must come again. All end in [`Intake::consider`], which asks the same questions of each: is it
//! ours, is it under way, is it done, has it settled? A file that is under way is never given twice; if
//! something happens to it meanwhile, it is considered again when it is back.

mod notify;
mod returns;
mod scan;
mod settle;

use std::collections::{HashMap, VecDeque};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crossbeam::channel::{Receiver, Sender, bounded, never};
use crossbeam::select;

use crate::catalog::{Reader, Standing};
use crate::clock;
use crate::heartbeat::{Activity, Pulse};
use crate::progress::Observer;
use crate::stop::Stop;
use crate::taken::{FinishedFile, Stamp, Taken, stamp};
use notify::{Hint, Listener};
use scan::Scan;
pub(crate) use scan::{Found, Selection, survey};
use settle::{Wait, WaitingRoom};

/// How many files may wait to settle; the others are found by a later scan.
const WAITING_ROOM: usize = 65_536;
/// How many files may be ready to go before hints are left in their queue.
const READY: usize = 1024;
/// How many entries of a scan are looked at before other things get their turn.
const SCAN_STEP: usize = 256;

/// What to take, and when to end.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The folders and the names.
    pub(crate) selection: Selection,
    /// How long a file must be left alone.
    pub(crate) settle: Duration,
    /// The time between two scans.
    pub(crate) rescan_interval: Duration,
    /// Scans alone.
    pub(crate) poll: bool,
    /// End when everything that the first scan found is done.
    pub(crate) drain: bool,
    /// The file that is written to when the catalog was marked for another try.
    pub(crate) bell: PathBuf,
}

/// What the intake saw.
#[derive(Debug, Default)]
pub(crate) struct IntakeReport {
    /// Files that were done before.
    pub(crate) unchanged: u64,
    /// What a drain gave up on, a line each.
    pub(crate) abandoned: Vec<String>,
    /// Whether it was asked to end before the backlog was done.
    pub(crate) interrupted: bool,
}

/// The first stage.
pub(crate) struct Intake {
    plan: Plan,
    catalog: Reader,
    model: i64,
    output: Sender<Taken>,
    finished: Receiver<FinishedFile>,
    stop: Stop,
    listener: Option<Listener>,
    pulse: Pulse,

    scan: Option<Scan>,
    next_scan: Option<Instant>,
    folders_to_scan: VecDeque<(Instant, PathBuf)>,
    ready: VecDeque<Taken>,
    waiting: WaitingRoom,
    under_way: HashMap<PathBuf, (String, u32)>,
    // Files under way that something happened to, and what it was last.
    touched: HashMap<PathBuf, Cause>,
    report: IntakeReport,
}

/// How a file came to be considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Found as it lies there; it has settled if it is old enough.
    Found,
    /// Closed or renamed into place: it has settled.
    Complete,
    /// It has just come to be, or to change.
    Young,
}

impl Intake {
    pub(crate) fn new(
        plan: Plan,
        catalog: Reader,
        model: i64,
        output: Sender<Taken>,
        finished: Receiver<FinishedFile>,
        stop: Stop,
    ) -> Self {
        Self {
            plan,
            catalog,
            model,
            output,
            finished,
            stop,
            listener: None,
            pulse: Pulse::unfelt(),
            scan: None,
            next_scan: None,
            folders_to_scan: VecDeque::new(),
            ready: VecDeque::new(),
            waiting: WaitingRoom::new(WAITING_ROOM),
            under_way: HashMap::new(),
            touched: HashMap::new(),
            report: IntakeReport::default(),
        }
    }

    /// With a pulse that someone feels.
    pub(crate) fn with_pulse(mut self, pulse: Pulse) -> Self {
        self.pulse = pulse;
        self
    }

    /// Gives files to the pipeline until the end is asked for or, when draining, the backlog is done.
    pub(crate) fn run(mut self, observer: &dyn Observer) -> IntakeReport {
        // First the ears, then the eyes: what comes while we scan is heard.
        self.listen();
        self.begin_scan();
        observer.started();
        while !self.stop.requested() {
            let _turn = self.pulse.begin(Activity::Work);
            self.pulse.carries(!self.under_way.is_empty());
            self.take_stock();
            if self.plan.drain && self.is_idle() {
                return self.report;
            }
            if !self.step() {
                break;
            }
        }
        self.report.interrupted = true;
        self.report
    }

    fn listen(&mut self) {
        let _files = self.pulse.begin(Activity::Files);
        if self.plan.drain {
            return;
        }
        let folders = if self.plan.poll {
            &[]
        } else {
            self.plan.selection.folders()
        };
        match Listener::new(folders, &self.plan.bell) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => log::warn!("no notifications from the kernel: {error}; relying on scans"),
        }
    }

    fn begin_scan(&mut self) {
        log::debug!("scan begins");
        self.scan = Some(Scan::new(self.plan.selection.folders().iter().cloned()));
        self.next_scan = None;
    }

    fn is_idle(&self) -> bool {
        self.scan.is_none()
            && self.next_scan.is_none()
            && self.folders_to_scan.is_empty()
            && self.ready.is_empty()
            && self.waiting.is_empty()
            && self.under_way.is_empty()
    }

    /// Moves what is due, and the scan, until a file is ready or there is nothing to do but wait.
    fn take_stock(&mut self) {
        let _files = self.pulse.begin(Activity::Files);
        let now = Instant::now();
        if self.listener.as_ref().is_some_and(Listener::overflowed) {
            let planned = self.next_scan.is_some_and(|moment| moment <= now);
            if !planned {
                log::info!("notifications were lost; scanning");
                self.scan_by(now);
            }
        }
        while self.ready.len() < READY
            && let Some((path, wait)) = self.waiting.due(now)
        {
            self.look_again(path, wait);
        }
        if self.scan.is_none() {
            if self.next_scan.is_some_and(|moment| moment <= now) {
                self.begin_scan();
            } else if self
                .folders_to_scan
                .front()
                .is_some_and(|(moment, _)| *moment <= now)
                && let Some((_, folder)) = self.folders_to_scan.pop_front()
            {
                self.scan = Some(Scan::new([folder]));
            }
        }
        if self.may_scan() {
            self.advance_scan();
        }
    }

    /// Whether there is a scan to go on with.
    fn may_scan(&self) -> bool {
        self.scan.is_some() && self.may_find()
    }

    /// Whether a scan may find another file: the one that it found goes first, and a drain, which has
    /// no later scan, finds no more than may wait.
    fn may_find(&self) -> bool {
        let no_room = self.plan.drain && self.waiting.is_full();
        self.ready.is_empty() && !no_room
    }

    fn advance_scan(&mut self) {
        let Some(mut scan) = self.scan.take() else {
            return;
        };
        for _ in 0..SCAN_STEP {
            match scan.next(&self.plan.selection) {
                None => {
                    log::debug!("scan ends");
                    if !self.plan.drain {
                        self.scan_by(Instant::now() + self.plan.rescan_interval);
                    }
                    return;
                }
                Some(Found::File(path, metadata)) => self.consider(path, &metadata, Cause::Found),
                Some(Found::Fault(fault)) => self.scan_fault(fault),
            }
            if !self.may_find() {
                break;
            }
        }
        self.scan = Some(scan);
    }

    /// A folder that can't be scanned may come back (a mount), and the next scan sees to it. A drain
    /// has no next scan.
    fn scan_fault(&mut self, fault: String) {
        log::warn!("{fault}");
        if self.plan.drain {
            self.report.abandoned.push(fault);
        }
    }

    /// Sees to it that a scan begins at `moment` or earlier.
    fn scan_by(&mut self, moment: Instant) {
        self.next_scan = Some(self.next_scan.map_or(moment, |planned| planned.min(moment)));
    }

    /// Waits for whatever comes first: room for a file, news, or a moment. False when all is over.
    fn step(&mut self) -> bool {
        let nothing = never();
        // With nobody to receive at the other end, it is never ready to take anything.
        let (nowhere, _nobody) = bounded(0);
        let patience = if self.may_scan() {
            Duration::ZERO
        } else {
            self.patience().min(self.pulse.turn())
        };
        let hints = match &self.listener {
            Some(listener) if self.ready.len() < READY => listener.hints(),
            _ => &nothing,
        };
        let output = if self.ready.is_empty() {
            &nowhere
        } else {
            &self.output
        };
        select! {
            recv(self.stop.receiver()) -> _ => return false,
            recv(self.finished) -> news => match news {
                Ok((path, how)) => self.welcome_back(path, how),
                Err(_) => return false,
            },
            recv(hints) -> hint => if let Ok(hint) = hint {
                self.follow(hint);
            },
            send(output, self.ready.pop_front().unwrap_or_default()) -> sent => {
                return sent.is_ok();
            },
            default(patience) => {},
        }
        true
    }

    /// How long nothing is due of what [`Intake::take_stock`] would see to. The rest waits for a file
    /// to go, and counting it would have us turn in circles until then.
    fn patience(&mut self) -> Duration {
        let mut moments = [None; 3];
        if self.ready.len() < READY {
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

    fn follow(&mut self, hint: Hint) {
        let _files = self.pulse.begin(Activity::Files);
        let (path, cause) = match hint {
            Hint::Complete(path) => (path, Cause::Complete),
            Hint::Appeared(path) => (path, Cause::Young),
            Hint::Marked => {
                log::info!("files were marked to be tried again; scanning");
                return self.scan_by(Instant::now());
            }
        };
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            return;
        };
        if metadata.is_dir() && self.plan.selection.enters(&path) {
            // At once, and again when the kernel surely listens to it: it may be filled meanwhile.
            let now = Instant::now();
            self.folders_to_scan.push_front((now, path.clone()));
            self.folders_to_scan
                .push_back((now + self.plan.settle, path));
        } else if metadata.is_file() && self.plan.selection.takes(&path) {
            self.consider(path, &metadata, cause);
        }
    }

    fn consider(&mut self, path: PathBuf, metadata: &Metadata, cause: Cause) {
        if self.under_way.contains_key(&path) {
            // A scan only sees that it is there; that is no news.
            if cause != Cause::Found {
                self.touched.insert(path, cause);
            }
            return;
        }
        if cause != Cause::Complete && self.waiting.contains(&path) {
            return;
        }
        let stamp = stamp(metadata);
        // Whoever wrote it may have kept its size, and within one tick of the clock its time: what was
        // written just now is read in any case, and its digest says whether it is new.
        if cause != Cause::Complete && self.is_done(&path, &stamp) {
            self.waiting.remove(&path);
            self.report.unchanged += u64::from(cause == Cause::Found);
            return;
        }
        let wait = self.waiting.remove(&path).unwrap_or_else(|| Wait {
            stamp: None,
            first_seen: clock::now(),
            failures: 0,
        });
        let settled = match cause {
            Cause::Complete => true,
            Cause::Young => false,
            Cause::Found => age(metadata).is_some_and(|age| age >= self.plan.settle),
        };
        if settled {
            self.take(path, stamp, wait);
        } else {
            self.let_settle(path, stamp, wait);
        }
    }

    fn is_done(&self, path: &Path, stamp: &Stamp) -> bool {
        match self.catalog.standing(path, stamp, self.model) {
            Ok(standing) => standing == Standing::Done,
            Err(error) => {
                log::warn!("{error}; '{}' is read again", path.display());
                false
            }
        }
    }

    fn take(&mut self, path: PathBuf, stamp: Stamp, wait: Wait) {
        self.under_way
            .insert(path.clone(), (wait.first_seen.clone(), wait.failures));
        self.ready.push_back(Taken {
            path,
            stamp,
            first_seen: wait.first_seen,
            failures: wait.failures,
        });
    }
}

/// How long ago a file was modified; none if that lies in the future.
fn age(metadata: &Metadata) -> Option<Duration> {
    let modified = metadata.modified().ok()?;
    SystemTime::now().duration_since(modified).ok()
}

#[cfg(test)]
mod tests;

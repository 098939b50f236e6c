//! The recorder: verdicts in, committed rows out. It is the only thread that writes to the catalog.
//!
//! All verdicts that wait are committed in one transaction. So a commit serves many files under load, and an
//! idle daemon still records at once. While the catalog is locked or the disk is full, the recorder waits:
//! nothing that was computed is thrown away.
//!
//! It also does what else is written: it moves the files that the intake says were left alone, and takes the
//! mark from those that can't be tried again.
//!
//! After each commit, and when there has been no work for a moment, it brings some rows to show the answers of a
//! model that is in use again, and to say what a new manifest says of their objects.
//!
//! When there has been no work for a moment, it tidies up. It writes the last error into the catalog, and
//! empties SQLite's write-ahead log, which would stay as large as it ever was. If a reader still needs the
//! log, it tries again after ever longer pauses. Work never waits for this.

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, never};
use crossbeam::select;

use super::Judged;
use super::backoff::patiently;
use super::pending::Pending;
use super::relocate::{Relocator, departures, record_outcomes};
use crate::file::{DepartedFile, Departure, Errand};
use crate::identity::{Identities, Sweep};
use crate::observe::watchdog::{Activity, ThreadMark};
use crate::observe::{LastError, Observer, Stage, Tally, timed};
use crate::shutdown::Shutdown;
use galmorph_catalog::{CatalogError, LoggedError, Verdict, Writer};
use galmorph_output::path_text;

/// The largest number of files that one transaction records.
const GROUP: usize = 256;

/// How long there must have been no work before the recorder tidies up, and the longest pause between two
/// attempts.
const IDLE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The recorder's thread.
pub(super) struct Recorder<'a> {
    writer: Writer,
    pending: &'a Pending,
    departed: Sender<DepartedFile>,
    mark: ThreadMark,
    relocator: Relocator,
    sweep: Sweep,
    // Whether manifests were looked at.
    is_identified: bool,
    context: RecorderContext<'a>,
    written_error: Option<LoggedError>,
    tally: Tally,
    // When it is time to tidy up, and how long the last pause was. `None` when everything is tidy.
    untidy: Option<(Instant, Duration)>,
}

/// What the recorder works with besides its channels.
#[derive(Clone, Copy)]
pub(super) struct RecorderContext<'a> {
    /// The request to end the daemon, not this pipeline alone: a pipeline that makes room for the next one
    /// has time to wait for the catalog.
    pub(super) exit: &'a Shutdown,
    pub(super) drain: bool,
    pub(super) identities: &'a Identities,
    /// Whether files are read again that would be shown in another way.
    pub(super) reclassify: bool,
    /// How long manifests must stay unchanged before they are read.
    pub(super) settle: Duration,
    pub(super) observer: &'a dyn Observer,
    pub(super) last_error: &'a LastError,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        writer: Writer,
        pending: &'a Pending,
        departed: Sender<DepartedFile>,
        mark: ThreadMark,
        relocator: Relocator,
        tally: Tally,
        context: RecorderContext<'a>,
    ) -> Self {
        Self {
            writer,
            pending,
            departed,
            mark,
            relocator,
            sweep: Sweep::default(),
            is_identified: false,
            context,
            written_error: None,
            tally,
            // The last daemon may have been killed before it tidied up.
            untidy: Some((Instant::now() + IDLE, IDLE)),
        }
    }

    /// Finishes the moves that an earlier daemon began, and looks for manifests that are new.
    pub(super) fn put_in_order(&mut self) -> Result<(), CatalogError> {
        let mark = self.mark.clone();
        let _files = mark.begin(Activity::Files);
        let RecorderContext {
            exit,
            drain,
            settle,
            ..
        } = self.context;
        patiently(exit, drain, || {
            // Before each scan, so that an idle daemon notices, too.
            self.writer.verify()?;
            self.relocator.recover(&mut self.writer)
        })?;
        let is_first = !std::mem::replace(&mut self.is_identified, true);
        for folder in self.context.identities.refresh(is_first, settle, exit) {
            if self.writer.identified().contains(&folder) {
                self.sweep.begin(folder);
                self.untidy = Some((Instant::now(), IDLE));
            }
        }
        // A drain has one scan, which has to find what was marked.
        while drain && !exit.requested() && patiently(exit, drain, || self.identify())? {}
        Ok(())
    }

    /// Brings some more rows up to date with what is known of their objects. Returns whether there are more.
    fn identify(&mut self) -> Result<bool, CatalogError> {
        let reclassify = self.context.reclassify;
        (self.sweep).step(&mut self.writer, self.context.identities, reclassify)
    }

    /// Records until `input` ends, runs `errands`, and puts files in order before each scan that `scans`
    /// announces. An error means that the catalog can't be used any more, and ends the daemon.
    pub(super) fn run(
        mut self,
        input: &Receiver<Vec<Judged>>,
        errands: &Receiver<Errand>,
        scans: &Receiver<()>,
    ) -> Result<Tally, CatalogError> {
        let more_errands = errands;
        let mut errands = errands.clone();
        let mut scans = scans.clone();
        loop {
            let patience = self.untidy.map_or(Duration::from_hours(1), |(moment, _)| {
                moment.saturating_duration_since(Instant::now())
            });
            select! {
                recv(input) -> group => match group {
                    Ok(group) => self.record(group, input)?,
                    Err(_) => break,
                },
                recv(errands) -> errand => match errand {
                    Ok(errand) => self.run_errands(errand, more_errands)?,
                    // The intake has ended before us.
                    Err(_) => errands = never(),
                },
                recv(scans) -> scan => match scan {
                    Ok(()) => self.put_in_order().inspect_err(|_| self.context.exit.request())?,
                    // The intake has ended before us.
                    Err(_) => scans = never(),
                },
                recv(self.context.last_error.changes()) -> _ => {
                    self.untidy.get_or_insert((Instant::now() + IDLE, IDLE));
                }
                default(patience) => self.tidy_up().inspect_err(|_| self.context.exit.request())?,
            }
        }
        while let Ok(errand) = more_errands.try_recv() {
            self.run_errands(errand, more_errands)?;
        }
        let RecorderContext { exit, drain, .. } = self.context;
        // A drain ends when everything is done; a daemon that is asked to end goes on with this at its next start.
        while drain && !exit.requested() && self.settle()? {}
        self.tidy_up()?;
        patiently(exit, drain, || self.writer.verify())?;
        Ok(self.tally)
    }

    /// Runs an errand, and others that wait.
    fn run_errands(&mut self, first: Errand, more: &Receiver<Errand>) -> Result<(), CatalogError> {
        let (mut to_move, mut to_unmark) = (Vec::new(), Vec::new());
        for errand in std::iter::once(first).chain(more.try_iter().take(GROUP - 1)) {
            match errand {
                Errand::Move(file) => to_move.push(file),
                Errand::Unmark(path) => to_unmark.push(path),
            }
        }
        let RecorderContext { exit, drain, .. } = self.context;
        let mark = self.mark.clone();
        let _files = mark.begin(Activity::Files);
        let mut work = || {
            if !to_unmark.is_empty() {
                patiently(exit, drain, || self.writer.unmark(&to_unmark))?;
            }
            let plan = || self.relocator.plan(&mut self.writer, &to_move);
            let (planned, mut departed) = patiently(exit, drain, plan)?;
            if !planned.is_empty() {
                let outcomes = self.relocator.carry_out(planned);
                patiently(exit, drain, || record_outcomes(&mut self.writer, &outcomes))
                    .inspect_err(|error| self.relocator.put_back(error, &outcomes))?;
                departed.extend(departures(outcomes));
            }
            Ok(departed)
        };
        let departed = work().inspect_err(|_| exit.request())?;
        for file in departed {
            // The intake may have ended before us.
            let _ = self.departed.send(file);
        }
        self.untidy = Some((Instant::now() + IDLE, IDLE));
        Ok(())
    }

    fn record(
        &mut self,
        mut group: Vec<Judged>,
        input: &Receiver<Vec<Judged>>,
    ) -> Result<(), CatalogError> {
        while group.len() < GROUP
            && let Ok(more) = input.try_recv()
        {
            group.extend(more);
        }
        while !group.is_empty() {
            let rest = group.split_off(group.len().min(GROUP));
            let mark = self.mark.clone();
            mark.during(Activity::Catalog, || self.commit(&group))
                .inspect_err(|_| self.context.exit.request())?;
            let followers = self.follow_up(group);
            group = rest;
            group.extend(followers);
        }
        // Under load there may be no idle moment for long.
        self.write_error()?;
        self.settle()?;
        self.identify_if_possible()?;
        self.untidy = Some((Instant::now() + IDLE, IDLE));
        Ok(())
    }

    /// Does what can wait. If it can't be done now, it is tried again later. An error means that the catalog
    /// is lost.
    fn tidy_up(&mut self) -> Result<(), CatalogError> {
        let Some((_, pause)) = self.untidy.take() else {
            return Ok(());
        };
        let _catalog = self.mark.begin(Activity::Catalog);
        if self.settle()? || self.identify_if_possible()? {
            self.untidy = Some((Instant::now(), IDLE));
            return Ok(());
        }
        let is_tidy = self.write_error()? && self.empty_log()? && self.sweep.is_done();
        if !is_tidy {
            let pause = (pause * 2).min(LONGEST_PAUSE);
            self.untidy = Some((Instant::now() + pause, pause));
        }
        Ok(())
    }

    fn write_error(&mut self) -> Result<bool, CatalogError> {
        let last = self.context.last_error.get();
        if let Some(error) = &last
            && last != self.written_error
        {
            // The error itself is in the log. A warning that it can't be written would take its place.
            match self.writer.note_error(error) {
                Ok(()) => self.written_error = last,
                Err(fault) if fault.needs_new_start() => return Err(fault),
                Err(fault) => {
                    log::info!("{fault}");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Brings some rows to show the answers of a model that is in use again. Returns whether there is more to do.
    fn settle(&mut self) -> Result<bool, CatalogError> {
        match self.writer.settle() {
            Ok(more) => Ok(more),
            Err(fault) if fault.needs_new_start() => Err(fault),
            Err(fault) => {
                // The view is right without it.
                log::info!("{fault}");
                Ok(false)
            }
        }
    }

    /// The same as [`identify`](Self::identify), later where the catalog is locked. An error means that it is lost.
    fn identify_if_possible(&mut self) -> Result<bool, CatalogError> {
        match self.identify() {
            Ok(more) => Ok(more),
            Err(fault) if fault.needs_new_start() => Err(fault),
            Err(fault) => {
                log::info!("{fault}");
                Ok(false)
            }
        }
    }

    fn empty_log(&self) -> Result<bool, CatalogError> {
        match self.writer.empty_log() {
            Ok(true) => {
                log::debug!("emptied the write-ahead log");
                Ok(true)
            }
            Ok(false) => {
                log::debug!("a reader needs the write-ahead log");
                Ok(false)
            }
            Err(fault) if fault.needs_new_start() => Err(fault),
            Err(fault) => {
                log::warn!("{fault}");
                Ok(false)
            }
        }
    }

    /// Records files.
    fn commit(&mut self, group: &[Judged]) -> Result<(), CatalogError> {
        let began = Instant::now();
        let entries: Vec<_> = group.iter().map(|judged| judged.entry.clone()).collect();
        let RecorderContext {
            exit,
            drain,
            observer,
            ..
        } = self.context;
        let record = || patiently(exit, drain, || self.writer.record(&entries));
        timed(observer, Stage::Record, record)?;
        patiently(exit, drain, || {
            let reclassify = self.context.reclassify;
            (self.context.identities).check_recorded(&mut self.writer, reclassify, &entries)
        })?;
        let arrivals = group.iter().map(|judged| judged.taken.origin.arrived);
        for arrived in arrivals.flatten() {
            observer.answered(arrived.elapsed());
        }
        for entry in &entries {
            self.tally.add(entry);
            if let Verdict::Rejected { reason, message } = &entry.verdict {
                let path = path_text(&entry.path);
                log::info!(
                    path = path, reason = reason.as_str();
                    "rejected '{path}': {reason}: {message}"
                );
            }
        }
        log::debug!(
            "recorded {} files in {:.1} ms: {} classified, {} rejected so far",
            entries.len(),
            began.elapsed().as_secs_f64() * 1e3,
            self.tally.classified_total() + self.tally.known,
            self.tally.rejected_total()
        );
        observer.recorded(&entries, &self.tally);
        Ok(())
    }

    /// Tells the intake, and gives the verdict to the files that waited for the same content. These are
    /// returned, to be recorded next.
    fn follow_up(&self, recorded: Vec<Judged>) -> Vec<Judged> {
        let mut waiting = Vec::new();
        for Judged { taken, entry } in recorded {
            let content = entry.digest.zip(entry.rendering.clone());
            let followers = content.map_or_else(Vec::new, |content| self.pending.settle(&content));
            for mut follower in followers {
                follower.entry.dimensions = entry.dimensions;
                follower.entry.rendering.clone_from(&entry.rendering);
                follower.entry.verdict = match &entry.verdict {
                    Verdict::Classified(_) | Verdict::Known => Verdict::Known,
                    rejected @ Verdict::Rejected { .. } => rejected.clone(),
                };
                waiting.push(follower);
            }
            // The intake may have ended before us.
            let _ = self.departed.send((taken.path, Departure::Recorded));
        }
        waiting
    }
}

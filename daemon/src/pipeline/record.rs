//! The one who writes: verdicts in, committed rows out.
//!
//! Whatever is queued is committed in one transaction, so that under load a commit serves many files
//! and an idle daemon still records at once. A catalog that is locked, or a disk that is full, is
//! waited for: nothing that was computed is thrown away.

use std::time::Instant;

use crossbeam::channel::{Receiver, Sender};

use super::Judged;
use super::known::Pending;
use crate::catalog::{CatalogError, Verdict, Writer};
use crate::progress::Observer;
use crate::retry::patiently;
use crate::stop::Stop;
use crate::taken::{Finished, FinishedFile};
use crate::tally::Tally;

/// The most files that one transaction records.
const GROUP: usize = 256;

/// The recorder's thread.
pub(super) struct Recorder<'a> {
    writer: Writer,
    pending: &'a Pending,
    finished: Sender<FinishedFile>,
    stop: &'a Stop,
    drain: bool,
    observer: &'a dyn Observer,
    tally: Tally,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        writer: Writer,
        pending: &'a Pending,
        finished: Sender<FinishedFile>,
        stop: &'a Stop,
        drain: bool,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            writer,
            pending,
            finished,
            stop,
            drain,
            observer,
            tally: Tally::default(),
        }
    }

    /// Records until `input` ends. An error means that the catalog is lost to us, and ends everything.
    pub(super) fn run(mut self, input: &Receiver<Vec<Judged>>) -> Result<Tally, CatalogError> {
        while let Ok(mut group) = input.recv() {
            while group.len() < GROUP
                && let Ok(more) = input.try_recv()
            {
                group.extend(more);
            }
            while !group.is_empty() {
                let rest = group.split_off(group.len().min(GROUP));
                let recorded = self.commit(group).inspect_err(|_| self.stop.request())?;
                group = rest;
                group.extend(self.follow_up(recorded));
            }
        }
        Ok(self.tally)
    }

    fn commit(&mut self, group: Vec<Judged>) -> Result<Vec<Judged>, CatalogError> {
        let began = Instant::now();
        let (files, entries): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|judged| (judged.taken, judged.entry))
            .unzip();
        let (stop, drain) = (self.stop, self.drain);
        patiently(stop, drain, || self.writer.record(&entries))?;
        for entry in &entries {
            self.tally.add(entry);
            if let Verdict::Rejected { kind, message } = &entry.verdict {
                log::info!("rejected '{}': {kind}: {message}", entry.path);
            }
        }
        log::info!(
            "recorded {} files in {:.1} ms: {} classified, {} rejected so far",
            entries.len(),
            began.elapsed().as_secs_f64() * 1e3,
            self.tally.classified_total() + self.tally.known,
            self.tally.rejected_total()
        );
        self.observer.recorded(&self.tally);
        let join = |(taken, entry)| Judged { taken, entry };
        Ok(files.into_iter().zip(entries).map(join).collect())
    }

    /// Tells the intake, and gives the verdict to those who waited for the same content.
    fn follow_up(&self, recorded: Vec<Judged>) -> Vec<Judged> {
        let mut waiting = Vec::new();
        for Judged { taken, entry } in recorded {
            let followers = entry
                .digest
                .as_deref()
                .map_or_else(Vec::new, |digest| self.pending.settle(digest));
            for mut follower in followers {
                follower.entry.dimensions = entry.dimensions;
                follower.entry.verdict = match &entry.verdict {
                    Verdict::Classified(_) | Verdict::Known => Verdict::Known,
                    rejected @ Verdict::Rejected { .. } => rejected.clone(),
                };
                waiting.push(follower);
            }
            // The intake may have ended before us.
            let _ = self.finished.send((taken.path, Finished::Recorded));
        }
        waiting
    }
}

//! From a file that has settled to a row that is committed.
//!
//! ```text
//! intake -> decode pool -> batcher -> classifier pool -> recorder
//!    ^                                                      |
//!    +------------------- finished -------------------------+
//! ```
//!
//! Each stage takes from one bounded channel and gives to the next; a full one stops the stage before
//! it, back to the scan, so memory is bounded however large the backlog is. `finished` is the one
//! channel without a bound, since a bound there could close the circle on itself: what it holds is
//! bounded all the same, one message for each file that is under way.
//!
//! A file that is under way ends in exactly one message to the intake: [`Finished::Recorded`](crate::taken::Finished::Recorded) after
//! the commit, or one of the reasons why it must come again. When the end is asked for, the intake
//! stops giving, files that were not read yet are let go (they are found again), and everything that
//! was read is classified and recorded.

mod batch;
mod classify;
mod decode;
mod filing;
mod known;
mod record;

use std::thread;

use crossbeam::channel::{bounded, unbounded};

use crate::catalog::{CatalogError, Entry, Reader, Wanted, Writer};
use crate::config::Config;
use crate::errors::LastError;
use crate::failure::Failure;
use crate::intake::{Intake, IntakeReport, Plan};
use crate::model::Model;
use crate::panics::catch;
use crate::progress::Observer;
use crate::retry::patiently;
use crate::stop::Stop;
use crate::taken::{FinishedFile, Taken};
use crate::tally::Tally;
pub(crate) use decode::decode;
use filing::Filing;
use known::Pending;

/// More decoders than this only take the disk from each other.
const MOST_DECODERS: usize = 16;

/// An image with its network inputs, under way to a classifier.
#[derive(Debug)]
struct Prepared {
    taken: Taken,
    entry: Entry,
    views: Vec<f32>,
}

/// A file with its verdict, under way to the recorder.
#[derive(Debug)]
struct Judged {
    taken: Taken,
    entry: Entry,
}

/// What the pipeline did.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was recorded.
    pub(crate) tally: Tally,
    /// What the intake saw.
    pub(crate) intake: IntakeReport,
}

/// Runs the daemon until it is asked to end or, with `plan.drain`, until the backlog is done.
pub(crate) fn run(
    config: &Config,
    plan: Plan,
    model: &Model,
    writer: Writer,
    stop: &Stop,
    observer: &dyn Observer,
    last_error: &LastError,
) -> Result<Report, Failure> {
    let workers = config.worker_count();
    // Decoding is a tenth of the work and less, and a thread of it must not starve behind the network.
    let decoders = workers.div_ceil(4).min(MOST_DECODERS);
    let model_id = writer.model();
    let wanted = Wanted {
        model: model_id,
        reclassify: config.reclassify,
    };
    let drain = plan.drain;
    let catalog = writer.path().to_owned();
    let reader = || patiently(stop, drain, || Reader::open(&catalog));

    let (taken_out, taken_in) = bounded::<Taken>(2 * config.batch);
    let (prepared_out, prepared_in) = bounded::<Prepared>(config.batch);
    let (batch_out, batch_in) = bounded::<Vec<Prepared>>(1);
    let (judged_out, judged_in) = bounded::<Vec<Judged>>(workers + 1);
    let (finished_out, finished_in) = unbounded::<FinishedFile>();
    let (scan_out, scan_in) = bounded::<()>(1);
    let pending = Pending::default();

    let filing = Filing::new(plan.selection.clone());
    let intake = Intake::new(
        plan,
        reader()?,
        wanted,
        taken_out,
        finished_in,
        scan_out,
        stop.clone(),
    );
    let mut decode_workers = Vec::new();
    for _ in 0..decoders {
        decode_workers.push(decode::Worker {
            limits: config.limits(),
            preprocessing: model.card.preprocessing.clone(),
            catalog: reader()?,
            model: model_id,
            pending: &pending,
            stop: stop.clone(),
            input: taken_in.clone(),
            images: prepared_out.clone(),
            verdicts: judged_out.clone(),
            finished: finished_out.clone(),
        });
    }
    drop((taken_in, prepared_out));

    let mut recorder = record::Recorder::new(
        writer,
        &pending,
        finished_out.clone(),
        filing,
        stop,
        drain,
        observer,
        last_error,
    );
    // Before the first scan, so that it finds each file where its row says.
    recorder.put_in_order()?;

    let (batch, delay) = (config.batch, config.max_delay());
    thread::scope(|scope| {
        for worker in decode_workers {
            scope.spawn(move || worker.run());
        }
        scope.spawn(move || batch::run(&prepared_in, &batch_out, batch, delay));
        for _ in 0..workers {
            let (input, output) = (batch_in.clone(), judged_out.clone());
            scope.spawn(move || classify::run(&input, &output, &mut model.classifier()));
        }
        drop((batch_in, judged_out));
        drop(finished_out);
        let recorder = scope.spawn(move || {
            // Nobody is to wait for a recorder that is no more.
            catch(|| recorder.run(&judged_in, &scan_in)).unwrap_or_else(|panic| {
                stop.request();
                Err(CatalogError::Unusable(format!(
                    "the recorder failed: {panic}"
                )))
            })
        });

        let intake = intake.run(observer);
        let tally = recorder
            .join()
            .unwrap_or_else(|_| Err(CatalogError::Unusable("the recorder failed".into())))?;
        Ok(Report { tally, intake })
    })
}

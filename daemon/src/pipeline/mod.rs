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
//! A file that is under way ends in exactly one message to the intake: [`Departure::Recorded`](crate::file::Departure::Recorded) after
//! the commit, or one of the reasons why it must come again. When the end is asked for, the intake
//! stops giving, files that were not read yet are let go (they are found again), and everything that
//! was read is classified and recorded.

pub(crate) mod backoff;
mod batch;
mod classify;
mod decode;
mod pending;
mod record;
mod relocate;

use std::thread::{self, Scope, ScopedJoinHandle};

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use crate::config::Config;
use crate::failure::Failure;
use crate::file::{DepartedFile, TakenFile};
use crate::intake::{Intake, IntakeChannels, IntakeOptions, IntakeReport};
use crate::observe::LastError;
use crate::observe::Observer;
use crate::observe::Tally;
use crate::observe::watchdog::Monitor;
use crate::pipeline::backoff::patiently;
use crate::shutdown::Shutdown;
pub(crate) use decode::{decode, object_id};
use galmorph_catalog::{CatalogError, Entry, Reader, RequiredModel, Writer};
use galmorph_inference::Model;
use galmorph_inference::catch;
use pending::Pending;
use relocate::Relocator;

/// More decoders than this only take the disk from each other.
const MOST_DECODERS: usize = 16;

/// An image with its network inputs, under way to a classifier.
#[derive(Debug)]
struct Prepared {
    taken: TakenFile,
    entry: Entry,
    views: Vec<f32>,
}

/// A file with its verdict, under way to the recorder.
#[derive(Debug)]
struct Judged {
    taken: TakenFile,
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

/// What a pipeline runs on.
#[derive(Clone, Copy)]
pub(crate) struct PipelineContext<'a> {
    /// The settings.
    pub(crate) config: &'a Config,
    /// The network.
    pub(crate) model: &'a Model,
    /// The end of this pipeline.
    pub(crate) stop: &'a Shutdown,
    /// The end of everything.
    pub(crate) exit: &'a Shutdown,
    /// Who is told how it goes.
    pub(crate) observer: &'a dyn Observer,
    /// What was logged last.
    pub(crate) last_error: &'a LastError,
    /// Who feels whether the threads get on.
    pub(crate) monitor: &'a Monitor,
}

impl<'a> PipelineContext<'a> {
    fn context(&self, drain: bool) -> record::RecorderContext<'a> {
        record::RecorderContext {
            exit: self.exit,
            drain,
            observer: self.observer,
            last_error: self.last_error,
        }
    }

    /// Starts the classifiers.
    fn classify<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        workers: usize,
        input: &Receiver<Vec<Prepared>>,
        output: &Sender<Vec<Judged>>,
    ) -> Result<(), Failure>
    where
        'a: 'scope,
    {
        for number in 0..workers {
            let (input, output) = (input.clone(), output.clone());
            let name = format!("classify-{number}");
            let mark = self.monitor.register(&*name);
            spawn(scope, &name, move || {
                let mut classifier = self.model.classifier();
                classify::run(&input, &output, &mut classifier, &mark, self.observer);
            })?;
        }
        Ok(())
    }
}

/// Runs the daemon until it is asked to end or, with `plan.drain`, until the backlog is done. Counts on
/// from `tally`. To be called on a thread that may become the intake's.
pub(crate) fn run(
    job: &PipelineContext<'_>,
    plan: IntakeOptions,
    writer: Writer,
    tally: Tally,
) -> Result<Report, Failure> {
    let PipelineContext {
        config,
        model,
        stop,
        exit,
        monitor,
        ..
    } = *job;
    let workers = config.worker_count();
    // Decoding is a tenth of the work and less, and a thread of it must not starve behind the network.
    let decoders = workers.div_ceil(4).min(MOST_DECODERS);
    let model_id = writer.model();
    let wanted = RequiredModel {
        model: model_id,
        reclassify: config.reclassify,
    };
    let drain = plan.drain;
    let catalog = writer.path().to_owned();
    let reader = || patiently(exit, drain, || Reader::open(&catalog));

    let (taken_out, taken_in) = bounded::<TakenFile>(2 * config.batch);
    let (prepared_out, prepared_in) = bounded::<Prepared>(config.batch);
    let (batch_out, batch_in) = bounded::<Vec<Prepared>>(1);
    let (judged_out, judged_in) = bounded::<Vec<Judged>>(workers + 1);
    let (finished_out, finished_in) = unbounded::<DepartedFile>();
    let (scan_out, scan_in) = bounded::<()>(1);
    let pending = Pending::default();

    let selection = plan.selection.clone();
    let relocator = Relocator::new(selection.clone());
    let intake = Intake::new(
        plan,
        reader()?,
        wanted,
        IntakeChannels {
            output: taken_out,
            finished: finished_in,
            scans: scan_out,
        },
        stop.clone(),
        job.observer,
    )
    .with_mark(monitor.register("intake"));
    let mut decode_workers = Vec::new();
    for number in 0..decoders {
        decode_workers.push(decode::Worker {
            selection: &selection,
            limits: config.limits(),
            preprocessing: model.card.preprocessing.clone(),
            catalog: reader()?,
            model: model_id,
            pending: &pending,
            stop: stop.clone(),
            observer: job.observer,
            mark: monitor.register(format!("decode-{number}")),
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
        monitor.register("record"),
        relocator,
        tally,
        job.context(drain),
    );
    // Before the first scan, so that it finds each file where its row says.
    recorder.put_in_order()?;

    let (batch, delay) = (config.batch, config.max_delay());
    let report = thread::scope(|scope| {
        for (number, worker) in decode_workers.into_iter().enumerate() {
            spawn(scope, &format!("decode-{number}"), move || worker.run())?;
        }
        spawn(scope, "batch", move || {
            batch::run(&prepared_in, &batch_out, batch, delay);
        })?;
        job.classify(scope, workers, &batch_in, &judged_out)?;
        drop((batch_in, judged_out));
        drop(finished_out);
        let recorder = spawn(scope, "record", move || {
            // Nobody is to wait for a recorder that is no more.
            catch(|| recorder.run(&judged_in, &scan_in)).unwrap_or_else(|panic| {
                exit.request();
                Err(CatalogError::Unusable(format!(
                    "the recorder failed: {panic}"
                )))
            })
        })?;

        let intake = intake.run();
        let tally = recorder
            .join()
            .unwrap_or_else(|_| Err(CatalogError::Unusable("the recorder failed".into())))?;
        Ok(Report { tally, intake })
    });
    monitor.carries(false);
    report
}

/// Starts a thread by a name, which `top -H` and the log of a panic show.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, Failure> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn_scoped(scope, work)
        .map_err(|error| Failure::Unusable(format!("cannot start the thread '{name}': {error}")))
}

//! From a file that has settled to a row that is committed.
//!
//! ```text
//! intake -> decode pool -> batcher -> classifier pool -> recorder
//!    ^           |                                       ^  |
//!    |           +----- known or rejected ---------------+  |
//!    +-------------------- departed ------------------------+
//! ```
//!
//! A file that has its answer and is to be moved goes from the intake to the recorder alone: an errand.
//!
//! | file | |
//! |---|---|
//! | `decode` | reads a file once, hashes it, makes network inputs of it |
//! | `content` | what was read of an image |
//! | `pending` | files whose content is being computed for another file |
//! | `batch` | groups images |
//! | `classify` | runs the network |
//! | `record` | commits rows; the only thread that writes to the catalog |
//! | `relocate` | moves files to `done` and `rejected` |
//! | `backoff` | waits for a catalog that is locked |
//!
//! Each stage takes from one bounded channel and gives to the next. A full channel stops the stage before
//! it, back to the scan, so memory is bounded however large the backlog is. `departed` alone has no bound,
//! since with one the stages could wait for each other in a circle. It holds at most one message for each
//! file that is under way, and those are bounded by the other channels.
//!
//! A file that is under way ends in exactly one message to the intake:
//! [`Departure::Recorded`](crate::file::Departure::Recorded) after the commit, or a reason why it must come
//! again. When the end is requested, the intake stops; files that were not read yet are dropped, since the
//! next start finds them again; everything that was read is classified and recorded.

pub(crate) mod backoff;
mod batch;
mod classify;
mod content;
mod decode;
mod pending;
mod record;
mod relocate;

use std::thread::{self, Scope};

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use crate::config::WatchSettings;
use crate::failure::{Failure, InternalFault};
use crate::file::{DepartedFile, Errand, TakenFile};
use crate::identity::Identities;
use crate::intake::{Intake, IntakeChannels, IntakeOptions, IntakeReport};
use crate::observe::watchdog::Monitor;
use crate::observe::{LastError, Observer, Tally};
use crate::shutdown::Shutdown;
use crate::threads::{Worker, spawn};
use backoff::patiently;
pub(crate) use content::{Content, ContentFault};
use galmorph_catalog::{Entry, Reader, RequiredModel, Writer};
use galmorph_inference::Model;
use pending::Pending;
use relocate::Relocator;

/// More decoders than this only compete for the disk.
const MOST_DECODERS: usize = 16;

/// How many errands of the intake may wait for the recorder.
const ERRANDS: usize = 256;

/// An image with its network inputs, on its way to a classifier.
#[derive(Debug)]
struct Prepared {
    taken: TakenFile,
    entry: Entry,
    views: Vec<f32>,
}

/// A file with its verdict, on its way to the recorder.
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
    pub(crate) settings: &'a WatchSettings,
    /// The network.
    pub(crate) model: &'a Model,
    /// The request to end this pipeline.
    pub(crate) stop: &'a Shutdown,
    /// The request to end the daemon.
    pub(crate) exit: &'a Shutdown,
    /// What the stages report to.
    pub(crate) observer: &'a dyn Observer,
    /// The last error in the log.
    pub(crate) last_error: &'a LastError,
    /// Watches whether the threads make progress.
    pub(crate) monitor: &'a Monitor,
}

impl<'a> PipelineContext<'a> {
    fn for_recorder<'b>(
        &self,
        drain: bool,
        identities: &'b Identities,
    ) -> record::RecorderContext<'b>
    where
        'a: 'b,
    {
        record::RecorderContext {
            exit: self.exit,
            drain,
            identities,
            reclassify: self.settings.reclassify,
            settle: self.settings.settle,
            observer: self.observer,
            last_error: self.last_error,
        }
    }

    /// Starts a classifier.
    fn classify<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        number: usize,
        input: Receiver<Vec<Prepared>>,
        output: Sender<Vec<Judged>>,
    ) -> Result<Worker<'scope, ()>, InternalFault>
    where
        'a: 'scope,
    {
        let name = format!("classify-{number}");
        let mark = self.monitor.register(&*name);
        spawn(scope, &name, self.exit, move || {
            let mut classifier = self.model.classifier();
            classify::run(&input, &output, &mut classifier, &mark, self.observer);
        })
    }
}

/// Runs the pipeline until its end is requested or, in a drain, until the backlog is done. `tally` is what
/// was recorded before, and counted on. The calling thread becomes the intake's.
pub(crate) fn run(
    context: &PipelineContext<'_>,
    options: IntakeOptions,
    writer: Writer,
    tally: Tally,
) -> Result<Report, Failure> {
    let PipelineContext {
        settings,
        model,
        stop,
        exit,
        monitor,
        ..
    } = *context;
    let workers = settings.workers.get();
    // Decoding is a tenth of the work or less; but a decoder must not wait until the network has a pause.
    let decoders = workers.div_ceil(4).min(MOST_DECODERS);
    let model_id = writer.model();
    let required = RequiredModel {
        model: model_id,
        reclassify: settings.reclassify,
    };
    let drain = options.drain;
    let catalog = writer.path().to_owned();
    let reader = || patiently(exit, drain, || Reader::open(&catalog));

    let (taken_out, taken_in) = bounded::<TakenFile>(2 * settings.batch);
    let (prepared_out, prepared_in) = bounded::<Prepared>(settings.batch);
    let (batch_out, batch_in) = bounded::<Vec<Prepared>>(1);
    let (judged_out, judged_in) = bounded::<Vec<Judged>>(workers + 1);
    let (departed_out, departed_in) = unbounded::<DepartedFile>();
    let (errand_out, errand_in) = bounded::<Errand>(ERRANDS);
    let (scan_out, scan_in) = bounded::<()>(1);
    let pending = Pending::default();

    let selection = options.selection.clone();
    let relocator = Relocator::new(selection.clone());
    let identities = Identities::new(selection.clone());
    let intake = Intake::new(
        options,
        reader()?,
        required,
        IntakeChannels {
            output: taken_out,
            departed: departed_in,
            errands: errand_out,
            scans: scan_out,
        },
        stop.clone(),
        context.observer,
    )
    .with_mark(monitor.register("intake"));
    let mut decoding = Vec::new();
    for number in 0..decoders {
        decoding.push(decode::Decoder {
            selection: &selection,
            limits: settings.limits,
            preprocessing: model.card.preprocessing.clone(),
            catalog: reader()?,
            identities: &identities,
            model: model_id,
            pending: &pending,
            stop: stop.clone(),
            observer: context.observer,
            mark: monitor.register(format!("decode-{number}")),
            input: taken_in.clone(),
            images: prepared_out.clone(),
            verdicts: judged_out.clone(),
            departed: departed_out.clone(),
        });
    }
    drop((taken_in, prepared_out));

    let mut recorder = record::Recorder::new(
        writer,
        &pending,
        departed_out.clone(),
        monitor.register("record"),
        relocator,
        tally,
        context.for_recorder(drain, &identities),
    );
    // Before the first scan, so that it finds each file where its row says.
    recorder.put_in_order()?;

    let (batch, delay) = (settings.batch, settings.max_delay);
    let report = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (number, decoder) in decoding.into_iter().enumerate() {
            let name = format!("decode-{number}");
            threads.push(spawn(scope, &name, exit, move || decoder.run())?);
        }
        threads.push(spawn(scope, "batch", exit, move || {
            batch::run(&prepared_in, &batch_out, batch, delay);
        })?);
        for number in 0..workers {
            let (input, output) = (batch_in.clone(), judged_out.clone());
            threads.push(context.classify(scope, number, input, output)?);
        }
        // The threads have their own ends of the channels. A stage ends when the one before it has.
        drop((batch_in, judged_out, departed_out));
        let recorder = spawn(scope, "record", exit, move || {
            recorder.run(&judged_in, &errand_in, &scan_in)
        })?;

        let intake = intake.run();
        for thread in threads {
            thread.join()?;
        }
        let tally = recorder.join()??;
        Ok(Report { tally, intake })
    });
    monitor.set_loaded(false);
    report
}

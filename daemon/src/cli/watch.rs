//! `galmorph watch`: the daemon.
//!
//! It runs one pipeline after another. Each runs until a signal asks for the end, or until SIGHUP has led
//! to settings that can be used. Then it finishes the images in progress, and the next one begins with the
//! new settings and a scan. So a reload loses nothing, for the same reason for which a restart doesn't.
//! Everything is read and checked while the old pipeline works on; settings with a fault change nothing.

use std::convert::Infallible;
use std::path::Path;
use std::thread;
use std::time::Instant;

use clap::Args;
use crossbeam::channel::{Receiver, bounded, never};
use crossbeam::select;
use galmorph_cutout::RejectReason;
use indicatif::MultiProgress;
use jiff::Timestamp;

use super::summary::Summary;
use super::{Outcome, hint};
use crate::config::{Setup, WatchArguments};
use crate::failure::{Failure, InternalFault};
use crate::intake::IntakeOptions;
use crate::observe::metrics::{Metrics, Server};
use crate::observe::systemd::Service;
use crate::observe::{LastError, Progress, Tally};
use crate::pipeline::backoff::Backoff;
use crate::pipeline::{self, PipelineContext, Report};
use crate::shutdown::Shutdown;
use crate::threads::spawn;
use galmorph_catalog::{CatalogError, LoggedError, ModelInUse, Writer, note_loss};
use galmorph_output::Endpoint;
use galmorph_output::readable;

#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    arguments: WatchArguments,

    /// End when everything in the folders is done
    #[arg(long)]
    drain: bool,
}

impl Watch {
    pub(super) fn run(
        &self,
        screen: &MultiProgress,
        last_error: &LastError,
        quiet: bool,
    ) -> Result<Outcome, Failure> {
        // Before the slow things, so that an early signal is a request to end and does not kill.
        let (exit, reloads) = Shutdown::on_signals(!self.drain).map_err(InternalFault::Signals)?;
        let setup = self.arguments.set_up()?;
        let service = Service::start()?;
        let Some(writer) = self.open(&setup, &exit)? else {
            return Ok(Outcome::Fine);
        };
        let metrics = Metrics::new(service.monitor().clone(), last_error.clone());
        let progress = Progress::new(screen, &service, &metrics);
        let began = Instant::now();
        let daemon = Daemon {
            watch: self,
            exit,
            reloads,
            service: &service,
            progress: &progress,
            metrics: &metrics,
            last_error,
        };
        let catalog = setup.settings.catalog.clone();
        let ended = daemon.run(setup, writer);
        progress.finish();
        let (report, setup) = ended.inspect_err(|failure| note_loss_of(&catalog, failure))?;
        let early_stop = setup.model.card.early_stop;
        let summary = Summary {
            report: &report,
            elapsed: began.elapsed(),
            views: (!early_stop.is_never()).then(|| (early_stop, metrics.views())),
            catalog: &setup.settings.catalog,
            extensions: &setup.settings.extensions,
            drain: self.drain,
        };
        if !quiet {
            summary.print()?;
        }
        if !self.drain {
            return Ok(Outcome::Fine);
        }
        let rejected = report.tally.rejected_total() > 0 || !report.intake.abandoned.is_empty();
        if rejected && !report.intake.interrupted {
            Ok(Outcome::SomeRejected)
        } else {
            Ok(Outcome::Fine)
        }
    }

    /// Opens the catalog, and tries again while a fault may pass. `None` when the end is requested
    /// meanwhile.
    fn open(&self, setup: &Setup, exit: &Shutdown) -> Result<Option<Writer>, Failure> {
        let mut backoff = Backoff::new(self.drain);
        loop {
            match open_catalog(setup, exit) {
                Ok(writer) => return Ok(Some(writer)),
                Err(CatalogError::Transient(_)) if exit.requested() => return Ok(None),
                Err(error) => backoff.wait(error, exit)?,
            }
            if exit.requested() {
                return Ok(None);
            }
        }
    }
}

/// Has `galmorph status` say that the daemon ended because its catalog was replaced: in the one that took
/// its place.
fn note_loss_of(catalog: &Path, failure: &Failure) {
    let Failure::Transient(cause) = failure else {
        return;
    };
    let Some(CatalogError::Lost(fault)) = cause.downcast_ref() else {
        return;
    };
    let error = LoggedError {
        message: fault.to_string(),
        at: Timestamp::now(),
    };
    if let Err(fault) = note_loss(catalog, &error) {
        log::info!("{fault}");
    }
}

/// What is watched, with which catalog and model, for the person who started it.
fn watching(setup: &Setup) -> String {
    let folders: Vec<String> = setup
        .settings
        .folders
        .iter()
        .map(|folder| readable(&folder.path))
        .collect();
    format!(
        "watching {} (catalog {}, model {})",
        folders.join(", "),
        readable(&setup.settings.catalog),
        setup.model.card.name
    )
}

/// Opens the catalog, and records what is watched.
fn open_catalog(setup: &Setup, exit: &Shutdown) -> Result<Writer, CatalogError> {
    let Setup { settings, model } = setup;
    let mut writer = Writer::open_supervised(
        &settings.catalog,
        &ModelInUse {
            name: model.name().to_owned(),
            digest: model.digest,
            card: model.card_in_use(),
            arithmetic: model.arithmetic().as_str().to_owned(),
        },
        &mut |what| {
            Service::preparing(&format!("migrating the catalog: {what}"));
            !exit.requested()
        },
    )?;
    let rejected = writer.record_watch(&settings.watched(), &settings.limits)?;
    let warn = |count: u64, settings_then: &str, depends: fn(RejectReason) -> bool| {
        if count == 0 {
            return;
        }
        let reasons = RejectReason::ALL.iter().filter(|reason| depends(**reason));
        let options: Vec<String> = reasons.map(|r| format!("--reason {r}")).collect();
        let retry = format!("retry {}", options.join(" "));
        log::warn!(
            "{count} files are rejected under other {settings_then} than the present ones (to try them again: {})",
            hint::command(&retry, &settings.catalog)
        );
    };
    let limits = rejected.other_limits;
    warn(limits, "limits", RejectReason::depends_on_limits);
    let rendering = rejected.other_rendering;
    warn(
        rendering,
        "bands, colours or stretches",
        RejectReason::depends_on_rendering,
    );
    log::info!(
        model = model.card.name;
        "model '{}' ({}, {}), {}, catalog '{}', {} workers",
        model.card.name,
        model.card.network,
        model.kernel,
        model.averages(),
        readable(&settings.catalog),
        settings.workers
    );
    Ok(writer)
}

/// The pipelines, one after the other.
struct Daemon<'a> {
    watch: &'a Watch,
    exit: Shutdown,
    reloads: Receiver<()>,
    service: &'a Service,
    progress: &'a Progress<'a>,
    metrics: &'a Metrics,
    last_error: &'a LastError,
}

/// What came of reading the settings again: a setup, or every fault.
type Reloaded = Result<Setup, Vec<String>>;

impl Daemon<'_> {
    fn run(&self, mut setup: Setup, mut writer: Writer) -> Result<(Report, Setup), Failure> {
        let mut tally = Tally::default();
        let mut server = self.serve(setup.settings.metrics.as_ref())?;
        loop {
            self.metrics
                .set_up(&setup.model, setup.settings.catalog.clone());
            self.progress.watching(watching(&setup));
            let (report, next) = self.run_until_reload(&setup, writer, tally)?;
            let Some(next) = next else {
                return Ok((report, setup));
            };
            let opened = match self.take_over(&setup, &next, &mut server) {
                Ok(opened) => {
                    self.metrics.reloaded(true);
                    setup = next;
                    opened
                }
                Err(failure) => {
                    self.refuse(&failure.lines());
                    self.watch.open(&setup, &self.exit)?
                }
            };
            match opened {
                Some(opened) => writer = opened,
                None => return Ok((report, setup)),
            }
            tally = report.tally;
        }
    }

    /// Opens what the next pipeline needs; a fault leaves everything as it is. `None` when the end is
    /// requested meanwhile.
    fn take_over(
        &self,
        setup: &Setup,
        next: &Setup,
        server: &mut Option<Server>,
    ) -> Result<Option<Writer>, Failure> {
        let endpoint = &next.settings.metrics;
        if *endpoint == setup.settings.metrics {
            return self.watch.open(next, &self.exit);
        }
        let new = self.serve(endpoint.as_ref())?;
        let writer = self.watch.open(next, &self.exit)?;
        *server = new;
        Ok(writer)
    }

    fn serve(&self, endpoint: Option<&Endpoint>) -> Result<Option<Server>, Failure> {
        endpoint
            .map(|endpoint| Server::start(endpoint, self.metrics))
            .transpose()
    }

    /// Runs one pipeline to its end. The setup of the next one comes with it, if a reload ended it.
    fn run_until_reload(
        &self,
        setup: &Setup,
        writer: Writer,
        tally: Tally,
    ) -> Result<(Report, Option<Setup>), Failure> {
        let stop = self.exit.child();
        let context = PipelineContext {
            settings: &setup.settings,
            model: &setup.model,
            stop: &stop,
            exit: &self.exit,
            observer: self.progress,
            last_error: self.last_error,
            monitor: self.service.monitor(),
        };
        let options = IntakeOptions::new(&setup.settings, self.watch.drain);
        let (alive, ended) = bounded::<Infallible>(0);
        thread::scope(|scope| {
            let pipeline = spawn(scope, "intake", &self.exit, move || {
                // Dropped when the pipeline ends, even by a panic.
                let _alive = alive;
                pipeline::run(&context, options, writer, tally)
            })?;
            // The scope waits for the pipeline, so a panic here must end it.
            let request = stop.on_drop();
            let next = self.wait_for_reload(setup, &ended);
            // The pipeline has ended, or makes room for the next one.
            drop(request);
            let report = pipeline.join()??;
            Ok((report, next.filter(|_| !self.exit.requested())))
        })
    }

    /// Waits for a pipeline to end, or for settings that can take the place of `setup`.
    fn wait_for_reload(&self, setup: &Setup, ended: &Receiver<Infallible>) -> Option<Setup> {
        let nothing = never();
        let mut reading: Option<Receiver<Reloaded>> = None;
        loop {
            // One at a time: a SIGHUP that comes meanwhile waits in its channel.
            let (reloads, outcome) = match &reading {
                Some(outcome) => (&nothing, outcome),
                None => (&self.reloads, &never()),
            };
            select! {
                recv(ended) -> _ => return None,
                recv(reloads) -> _ => {
                    log::info!("SIGHUP: reading the configuration again");
                    self.service.reloading();
                    reading = Some(self.read_again(setup));
                }
                recv(outcome) -> outcome => {
                    let panicked = |_| Err(vec!["reading it failed; the log says why".into()]);
                    match outcome.unwrap_or_else(panicked) {
                        Ok(next) => return Some(next),
                        Err(faults) => self.refuse(&faults),
                    }
                    self.service.ready();
                    reading = None;
                }
            }
        }
    }

    /// Reads and checks everything on a thread of its own. That thread may hang on a mount, so the end of
    /// the daemon does not wait for it.
    fn read_again(&self, setup: &Setup) -> Receiver<Reloaded> {
        let (sender, outcome) = bounded(1);
        let arguments = self.watch.arguments.clone();
        let current = setup.settings.catalog.clone();
        let refused = sender.clone();
        let thread = thread::Builder::new().name("reload".into()).spawn(move || {
            // The daemon may have ended.
            let _ = sender.send(arguments.examine().into_setup(&current));
        });
        if let Err(error) = thread {
            // There is room for one, and the thread that would have sent it never ran.
            let _ = refused.send(Err(vec![format!("cannot start a thread: {error}")]));
        }
        outcome
    }

    /// Says why everything stays as it is.
    fn refuse(&self, faults: &[String]) {
        self.metrics.reloaded(false);
        for fault in faults {
            log::error!("not reloaded, everything stays as it is: {fault}");
        }
    }
}

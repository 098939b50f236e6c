//! `galmorph watch`: the daemon.
//!
//! It is a row of pipelines. Each runs until the end is asked for, or until SIGHUP has led to settings
//! that can be used: then it finishes what is in hand, as at the end, and the next one begins with the
//! new settings and a scan. So a reload loses nothing, for the same reason for which a restart doesn't.
//! Everything is read and checked while the old pipeline works on; settings with a fault change nothing.

use std::convert::Infallible;
use std::thread;
use std::time::Instant;

use clap::Args;
use crossbeam::channel::{Receiver, bounded, never};
use crossbeam::select;
use indicatif::MultiProgress;

use super::summary::Summary;
use super::{Outcome, hint};
use crate::config::{Settings, Setup};
use crate::failure::Failure;
use crate::intake::{IntakeOptions, Selection};
use crate::observe::LastError;
use crate::observe::Progress;
use crate::observe::Tally;
use crate::observe::metrics::{Endpoint, Metrics, Server};
use crate::observe::systemd::Service;
use crate::pipeline::backoff::Backoff;
use crate::pipeline::{self, PipelineContext, Report};
use crate::shutdown::Shutdown;
use galmorph_catalog::{CatalogError, ModelInUse, Watched, WatchedFolder, Writer, wake_file};

#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    settings: Settings,

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
        // Before the slow things, so that an early signal is already a request and not an abortion.
        let (exit, wishes) = Shutdown::on_signals(!self.drain)
            .map_err(|error| Failure::Usage(format!("cannot handle signals: {error}")))?;
        let setup = self.settings.set_up()?;
        let service = Service::start()
            .map_err(|error| Failure::Unusable(format!("cannot start a thread: {error}")))?;
        let Some(writer) = self.open(&setup, &exit)? else {
            return Ok(Outcome::Fine);
        };
        let metrics = Metrics::new(service.monitor().clone(), last_error.clone());
        let progress = Progress::new(screen, &service, &metrics);
        let began = Instant::now();
        let daemon = Daemon {
            watch: self,
            exit,
            wishes,
            service: &service,
            progress: &progress,
            metrics: &metrics,
            last_error,
        };
        let ended = daemon.run(setup, writer);
        progress.finish();
        let (report, setup) = ended?;
        let early_stop = setup.model.card.early_stop;
        let summary = Summary {
            report: &report,
            elapsed: began.elapsed(),
            runs: (!early_stop.is_never()).then(|| (early_stop, metrics.runs())),
            catalog: &setup.catalog,
            extensions: &setup.config.extensions,
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

    /// Opens the catalog, and waits where a fault may pass. None if the end is asked for meanwhile.
    fn open(&self, setup: &Setup, exit: &Shutdown) -> Result<Option<Writer>, Failure> {
        let mut backoff = Backoff::new(self.drain);
        loop {
            match open_catalog(setup) {
                Ok(writer) => return Ok(Some(writer)),
                Err(CatalogError::Transient(fault)) if !exit.requested() => {
                    backoff.wait(&fault, exit)?;
                }
                Err(CatalogError::Transient(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if exit.requested() {
                return Ok(None);
            }
        }
    }

    fn plan(&self, setup: &Setup) -> IntakeOptions {
        let config = &setup.config;
        let wake_file = wake_file(&setup.catalog);
        IntakeOptions {
            selection: Selection::new(setup.folders.clone(), config.extensions.clone())
                .with_links(config.follow_links)
                .with_catalog(&setup.catalog),
            settle: config.settle(),
            rescan_interval: config.rescan_interval(),
            order: config.order,
            poll: config.poll,
            drain: self.drain,
            // As the kernel calls it.
            wake_file: wake_file.canonicalize().unwrap_or(wake_file),
        }
    }
}

/// What is watched, with which catalog and model, for the person who started it.
fn watching(setup: &Setup) -> String {
    let folders: Vec<String> = setup
        .folders
        .iter()
        .map(|folder| folder.path.display().to_string())
        .collect();
    format!(
        "watching {} (catalog {}, model {})",
        folders.join(", "),
        setup.catalog.display(),
        setup.model.card.name
    )
}

/// Opens the catalog, and records what is watched.
fn open_catalog(setup: &Setup) -> Result<Writer, CatalogError> {
    let (config, model) = (&setup.config, &setup.model);
    let writer = Writer::open(
        &setup.catalog,
        &ModelInUse {
            name: model.card.name.clone(),
            digest: model.digest,
            card: model.card_in_use(),
        },
    )?;
    let watched = Watched {
        folders: setup.folders.iter().map(WatchedFolder::from).collect(),
        extensions: config.extensions.clone(),
        reclassify: config.reclassify,
        follow_links: config.follow_links,
    };
    let rejected = writer.record_watch(&watched, &config.limits())?;
    if rejected > 0 {
        let retry = "retry --reason too_large --reason too_small";
        let retry = hint::command(retry, &setup.catalog);
        log::warn!(
            "{rejected} files are rejected under other limits than today's ({retry} queues them again)"
        );
    }
    log::info!(
        model = model.card.name;
        "model '{}' ({}, {}), {}, catalog '{}', {} workers",
        model.card.name,
        model.card.network,
        model.kernel,
        model.averages(),
        setup.catalog.display(),
        config.worker_count()
    );
    Ok(writer)
}

/// The pipelines, one after the other.
struct Daemon<'a> {
    watch: &'a Watch,
    exit: Shutdown,
    wishes: Receiver<()>,
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
        let mut server = self.serve(setup.config.metrics.as_ref())?;
        loop {
            self.metrics.set_up(&setup.model, setup.catalog.clone());
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

    /// Opens what the next pipeline needs; a fault leaves everything as it is. None if the end is asked
    /// for meanwhile.
    fn take_over(
        &self,
        setup: &Setup,
        next: &Setup,
        server: &mut Option<Server>,
    ) -> Result<Option<Writer>, Failure> {
        let endpoint = &next.config.metrics;
        if *endpoint == setup.config.metrics {
            return self.watch.open(next, &self.exit);
        }
        let new = self.serve(endpoint.as_ref())?;
        let writer = self.watch.open(next, &self.exit)?;
        *server = new;
        Ok(writer)
    }

    fn serve(&self, endpoint: Option<&Endpoint>) -> Result<Option<Server>, Failure> {
        let Some(endpoint) = endpoint else {
            return Ok(None);
        };
        match Server::start(endpoint, self.metrics) {
            Ok(server) => Ok(Some(server)),
            Err(error) => Err(Failure::Usage(format!(
                "cannot give metrics at {endpoint}: {error}"
            ))),
        }
    }

    /// Runs one pipeline; with it comes the setup of the next, if there is to be one.
    fn run_until_reload(
        &self,
        setup: &Setup,
        writer: Writer,
        tally: Tally,
    ) -> Result<(Report, Option<Setup>), Failure> {
        let stop = self.exit.child();
        let job = PipelineContext {
            config: &setup.config,
            model: &setup.model,
            stop: &stop,
            exit: &self.exit,
            observer: self.progress,
            last_error: self.last_error,
            monitor: self.service.monitor(),
        };
        let plan = self.watch.plan(setup);
        let (alive, ended) = bounded::<Infallible>(0);
        thread::scope(|scope| {
            let pipeline = pipeline::spawn(scope, "intake", move || {
                let _alive = alive;
                pipeline::run(&job, plan, writer, tally)
            })?;
            let next = self.wait_for_reload(setup, &ended);
            // It has ended, or is to make room for the next.
            stop.request();
            let report = pipeline
                .join()
                .unwrap_or_else(|_| Err(Failure::Unusable("the intake failed".into())))?;
            Ok((report, next.filter(|_| !self.exit.requested())))
        })
    }

    /// Waits for a pipeline to end, or for settings that can take the place of `setup`.
    fn wait_for_reload(&self, setup: &Setup, ended: &Receiver<Infallible>) -> Option<Setup> {
        let nothing = never();
        let mut reading: Option<Receiver<Reloaded>> = None;
        loop {
            // One at a time: a wish that comes meanwhile stays where it is.
            let (wishes, outcome) = match &reading {
                Some(outcome) => (&nothing, outcome),
                None => (&self.wishes, &never()),
            };
            select! {
                recv(ended) -> _ => return None,
                recv(wishes) -> _ => {
                    log::info!("asked to read the configuration again");
                    self.service.reloading();
                    reading = Some(self.read_again(setup));
                }
                recv(outcome) -> outcome => {
                    let reloaded = outcome.unwrap_or_else(|_| Err(vec!["it can't be read".into()]));
                    match reloaded {
                        Ok(next) => return Some(next),
                        Err(faults) => self.refuse(&faults),
                    }
                    self.service.ready();
                    reading = None;
                }
            }
        }
    }

    /// Reads and checks everything on a thread of its own. Nobody waits for that thread if the end is
    /// asked for: it may hang on a mount.
    fn read_again(&self, setup: &Setup) -> Receiver<Reloaded> {
        let (sender, outcome) = bounded(1);
        let (settings, current) = (self.watch.settings.clone(), setup.catalog.clone());
        let refused = sender.clone();
        let thread = thread::Builder::new().name("reload".into()).spawn(move || {
            // The daemon may have ended.
            let _ = sender.send(settings.examine().into_setup(&current));
        });
        if let Err(error) = thread {
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

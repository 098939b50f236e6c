//! Metrics for Prometheus.
//!
//! They are always counted, which costs next to nothing, and served only if the configuration names an
//! endpoint. `docs/operations.md` says what each of them means. `server` serves them; `current` has those
//! that are read off when a collector asks.

mod current;
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use galmorph_cutout::Morphology;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::observe::LastError;
use crate::observe::watchdog::Monitor;
use crate::observe::{Stage, WaitingPlace};
use current::Current;
use galmorph_catalog::{Entry, Verdict};
use galmorph_inference::Model;
pub(crate) use server::Server;

/// The text format of `OpenMetrics`, which Prometheus reads.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the time from arrival to answer, in seconds.
const DELAYS: [f64; 14] = [
    0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0,
];

/// One label and its value.
type Label = [(&'static str, &'static str); 1];
type Seconds = Counter<f64, AtomicU64>;

/// The metrics. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    current: Arc<Current>,
    classified: Family<Label, Counter>,
    known: Counter,
    rejected: Family<Label, Counter>,
    waiting: Family<Label, Gauge>,
    work: Family<Label, Seconds>,
    runs: Counter,
    views: Counter,
    delay: Histogram,
    scans: Counter,
    scan: Gauge<f64, AtomicU64>,
    losses: Counter,
    reloads: Family<Label, Counter>,
}

impl Metrics {
    /// All counters at zero.
    pub(crate) fn new(monitor: Monitor, last_error: LastError) -> Self {
        let mut registry = Registry::default();
        let current = Arc::new(Current::new(monitor, last_error));
        registry.register_collector(Box::new(Arc::clone(&current)));
        let ours = registry.sub_registry_with_prefix("galmorph");

        let classified: Family<Label, Counter> =
            plain(ours, "files_classified", "Files classified by the network");
        for class in Morphology::names() {
            drop(classified.get_or_create(&[("class", class)]));
        }
        let known = plain(
            ours,
            "files_known",
            "Files whose content was already classified",
        );
        let rejected = plain(ours, "files_rejected", "Files rejected");
        let waiting: Family<Label, Gauge> = plain(
            ours,
            "files_waiting",
            "Files that the daemon knows of and that have no result yet",
        );
        for place in WaitingPlace::ALL {
            drop(waiting.get_or_create(&[("place", place.name())]));
        }
        let work: Family<Label, Seconds> = of_time(
            ours,
            "work",
            "Time that threads spent in each stage, waiting included",
        );
        for stage in Stage::ALL {
            drop(work.get_or_create(&[("stage", stage.name())]));
        }
        let runs = plain(
            ours,
            "network_runs",
            "Runs of the network, each on the views of an image or of several",
        );
        let views = plain(ours, "network_views", "Views that the network was run on");
        let delay = Histogram::new(DELAYS);
        ours.register_with_unit(
            "arrival_to_answer",
            "From the kernel's notification that a file is complete to its committed row",
            Unit::Seconds,
            delay.clone(),
        );
        let scans = plain(ours, "scans", "Full scans of the folders");
        let scan = of_time(ours, "last_scan", "How long the last full scan took");
        let losses = plain(
            ours,
            "notification_losses",
            "Times that kernel notifications were lost. A scan follows each loss",
        );
        let reloads: Family<Label, Counter> = plain(
            ours,
            "reloads",
            "Times that the configuration was read again",
        );
        for outcome in ["done", "refused"] {
            drop(reloads.get_or_create(&[("outcome", outcome)]));
        }
        Self {
            registry: Arc::new(registry),
            current,
            classified,
            known,
            rejected,
            waiting,
            work,
            runs,
            views,
            delay,
            scans,
            scan,
            losses,
            reloads,
        }
    }

    /// The model and the catalog in use from now on.
    pub(crate) fn set_up(&self, model: &Model, catalog: PathBuf) {
        let labels = vec![
            ("name", model.card.name.clone()),
            ("digest", model.digest.to_string()),
            ("kernel", model.kernel.to_string()),
        ];
        self.current.set(labels, catalog);
    }

    /// Counts a file that was recorded.
    pub(crate) fn recorded(&self, entry: &Entry) {
        match &entry.verdict {
            Verdict::Classified(answer) => {
                let class = [("class", answer.label().name())];
                self.classified.get_or_create(&class).inc();
            }
            Verdict::Known => {
                self.known.inc();
            }
            Verdict::Rejected { reason, .. } => {
                self.rejected
                    .get_or_create(&[("reason", reason.as_str())])
                    .inc();
            }
        }
    }

    /// Adds the time of one piece of work.
    pub(crate) fn worked(&self, stage: Stage, took: Duration) {
        self.work
            .get_or_create(&[("stage", stage.name())])
            .inc_by(took.as_secs_f64());
    }

    /// Counts a run of the network on so many views.
    pub(crate) fn ran(&self, views: usize) {
        self.runs.inc();
        self.views.inc_by(views as u64);
    }

    /// The number of views that the network was run on.
    pub(crate) fn views(&self) -> u64 {
        self.views.get()
    }

    /// Adds the time from a file's arrival to its row.
    pub(crate) fn answered(&self, after: Duration) {
        self.delay.observe(after.as_secs_f64());
    }

    /// Sets the number of files that wait at one place.
    pub(crate) fn waits(&self, place: WaitingPlace, files: usize) {
        self.waiting
            .get_or_create(&[("place", place.name())])
            .set(files as i64);
    }

    /// Counts a full scan.
    pub(crate) fn scanned(&self, took: Duration) {
        self.scans.inc();
        self.scan.set(took.as_secs_f64());
    }

    /// Counts a loss of kernel notifications.
    pub(crate) fn lost(&self) {
        self.losses.inc();
    }

    /// Counts a reload.
    pub(crate) fn reloaded(&self, done: bool) {
        let outcome = if done { "done" } else { "refused" };
        self.reloads.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// All of them, in the text format of `OpenMetrics`.
    fn text(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}

/// A metric without a unit, registered.
fn plain<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// A metric in seconds, registered.
fn of_time<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

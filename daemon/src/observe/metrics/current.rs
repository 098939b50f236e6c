//! Metrics that are not counted but read off at the moment when a collector asks.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::param::page_size;
use rustix::time::{ClockId, clock_gettime};

use crate::observe::LastError;
use crate::observe::watchdog::{Health, Monitor};
use galmorph_catalog::sizes;

/// Where they are read off.
#[derive(Debug)]
pub(super) struct Current {
    monitor: Monitor,
    last_error: LastError,
    began: SystemTime,
    setup: Mutex<Option<Setup>>,
}

/// The model and the catalog in use.
#[derive(Debug)]
struct Setup {
    model: Vec<(&'static str, String)>,
    catalog: PathBuf,
}

impl Current {
    pub(super) fn new(monitor: Monitor, last_error: LastError) -> Self {
        Self {
            monitor,
            last_error,
            began: SystemTime::now(),
            setup: Mutex::default(),
        }
    }

    /// Sets the labels of the model and the catalog that are in use from now on.
    pub(super) fn set(&self, model: Vec<(&'static str, String)>, catalog: PathBuf) {
        *self.setup() = Some(Setup { model, catalog });
    }

    fn setup(&self) -> MutexGuard<'_, Option<Setup>> {
        self.setup.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_daemon(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        let build = [(version, ConstGauge::new(1))];
        page.family("galmorph_build_info", "The program.", None, build)?;
        if let Some(Setup { model, catalog }) = &*self.setup() {
            let of_model = [(model.clone(), ConstGauge::new(1))];
            page.family("galmorph_model_info", "The model.", None, of_model)?;
            // Without a size there is no sample: zero would pass for an empty catalog.
            if let Ok((database, log)) = sizes(catalog) {
                page.family(
                    "galmorph_catalog",
                    "Size of the catalog's files.",
                    Some(&Unit::Bytes),
                    [
                        ([("file", "database")], ConstGauge::new(database)),
                        ([("file", "wal")], ConstGauge::new(log)),
                    ],
                )?;
            }
        }
        let is_well = !matches!(self.monitor.health(Duration::MAX), Health::Hung(_));
        page.one(
            "galmorph_healthy",
            "1 while no thread is stuck, else 0.",
            None,
            &ConstGauge::new(u64::from(is_well)),
        )?;
        let [warnings, errors] = self.last_error.counts();
        page.family(
            "galmorph_complaints",
            "Warnings and errors that were logged.",
            None,
            [
                ([("level", "warning")], ConstCounter::new(warnings)),
                ([("level", "error")], ConstCounter::new(errors)),
            ],
        )
    }

    /// Writes what every process has, under the names that Prometheus' own libraries use.
    fn write_process(&self, page: &mut Page<'_>) -> fmt::Result {
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        page.one(
            "process_cpu",
            "Processor time spent, in the program and in the system.",
            Some(&Unit::Seconds),
            &ConstCounter::new(spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9),
        )?;
        let began = match self.began.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => after.as_secs_f64(),
            // The clock was wrong at the start; its value is served as it was.
            Err(before) => -before.duration().as_secs_f64(),
        };
        page.one(
            "process_start_time",
            "When the process began, since 1970.",
            Some(&Unit::Seconds),
            &ConstGauge::new(began),
        )?;
        if let Some(bytes) = resident_memory() {
            let (help, unit) = ("Memory in use.", Some(&Unit::Bytes));
            page.one(
                "process_resident_memory",
                help,
                unit,
                &ConstGauge::new(bytes),
            )?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // Not counting the descriptor that this listing itself has open.
            let open = open.count().saturating_sub(1) as u64;
            let help = "Open file descriptors.";
            page.one("process_open_fds", help, None, &ConstGauge::new(open))?;
        }
        Ok(())
    }
}

impl Collector for Current {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        self.write_daemon(&mut page)?;
        self.write_process(&mut page)
    }
}

/// Memory in use, in bytes.
fn resident_memory() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(pages * page_size() as u64)
}

/// The page that the metrics are written to.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn one(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: &impl EncodeMetric,
    ) -> fmt::Result {
        let (page, kind) = (&mut self.0, metric.metric_type());
        metric.encode(page.encode_descriptor(name, help, unit, kind)?)
    }

    fn family<L: EncodeLabelSet, M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metrics: impl IntoIterator<Item = (L, M)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, M::TYPE)?;
        for (labels, metric) in metrics {
            metric.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

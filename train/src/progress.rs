//! Shows how far long work has come: a bar on a terminal, a log line now and then elsewhere.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The time between two log lines where there is no terminal.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// Work that is under way.
pub(crate) struct Progress {
    bar: ProgressBar,
    title: String,
    unit: &'static str,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// Begins `length` units of work.
    pub(crate) fn new(title: &str, length: u64, unit: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let template = format!(
            "{{prefix}} [{{bar:30}}] {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left {{msg}}"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(title.to_owned());
        Self {
            bar,
            title: title.to_owned(),
            unit,
            last_line: Mutex::new(Instant::now()),
        }
    }

    /// Counts work that is done.
    pub(crate) fn advance(&self, units: u64) {
        self.bar.inc(units);
        self.log_now_and_then();
    }

    /// Counts work that was done before, so that the rate is not taken for it.
    pub(crate) fn skip(&self, units: u64) {
        self.bar.set_position(units);
        self.bar.reset_eta();
        self.bar.reset_elapsed();
    }

    /// Shows a remark beside the bar.
    pub(crate) fn remark(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn log_now_and_then(&self) {
        if !self.bar.is_hidden() {
            return;
        }
        let Ok(mut last) = self.last_line.lock() else {
            return;
        };
        if last.elapsed() < LOG_INTERVAL {
            return;
        }
        *last = Instant::now();
        log::info!(
            "{}: {}/{} {}, {:.0}/s, {} left {}",
            self.title,
            self.bar.position(),
            self.bar.length().unwrap_or_default(),
            self.unit,
            self.bar.per_sec(),
            indicatif::HumanDuration(self.bar.eta()),
            self.bar.message()
        );
    }
}

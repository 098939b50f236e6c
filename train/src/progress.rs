//! Shows the progress of long work: as a bar on a terminal, otherwise as a log line every 30 seconds.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The time from one log line to the next without a terminal.
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

    /// Counts work that an earlier run did. It has no part in the rate.
    pub(crate) fn skip(&self, units: u64) {
        self.bar.set_position(units);
        self.bar.reset_eta();
        self.bar.reset_elapsed();
    }

    /// Shows a remark next to the bar.
    pub(crate) fn remark(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn log_now_and_then(&self) {
        if !self.bar.is_hidden() {
            return;
        }
        // A poisoned lock means that another thread is on its way out with a panic.
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

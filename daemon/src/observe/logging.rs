//! The last error, kept for those who ask later.
//!
//! An operator who asks `galmorph status` what is wrong wants the last thing that the log complained
//! of. So what is logged as a warning or worse is kept here as it goes by, whatever the log's own
//! level, and the recorder writes it into the catalog.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::channel::{Receiver, Sender, bounded};
use log::{Level, LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use galmorph_catalog::LoggedError;
use jiff::Timestamp;

/// The last error, shared by the one who logs and the one who writes it down.
#[derive(Debug, Clone)]
pub(crate) struct LastError {
    error: Arc<Mutex<Option<LoggedError>>>,
    // Warnings, and errors.
    counts: Arc<[AtomicU64; 2]>,
    bell: Sender<()>,
    news: Receiver<()>,
}

impl LastError {
    /// None yet.
    pub(crate) fn new() -> Self {
        let (bell, news) = bounded(1);
        Self {
            error: Arc::default(),
            counts: Arc::default(),
            bell,
            news,
        }
    }

    fn set(&self, level: Level, message: String) {
        self.counts[usize::from(level == Level::Error)].fetch_add(1, Ordering::Relaxed);
        let at = Timestamp::now();
        let error = LoggedError { message, at };
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        // If it rang already, one ring will do for both.
        let _ = self.bell.try_send(());
    }

    /// Rings when there is a new one.
    pub(crate) fn news(&self) -> &Receiver<()> {
        &self.news
    }

    /// The last one.
    pub(crate) fn get(&self) -> Option<LoggedError> {
        self.error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many warnings there were, and how many errors.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [0, 1].map(|level: usize| self.counts[level].load(Ordering::Relaxed))
    }

    /// Makes `logger` the program's logger, and keeps what goes through it.
    pub(crate) fn listen_to(&self, logger: env_logger::Logger) {
        let level = logger.filter().max(LevelFilter::Warn);
        let tee = Tee {
            logger,
            journal: journal(),
            last: self.clone(),
        };
        if log::set_boxed_logger(Box::new(tee)).is_ok() {
            log::set_max_level(level);
        }
    }
}

/// The journal, if that is where standard error goes: it takes a line's level and its fields along.
fn journal() -> Option<JournalLog> {
    connected_to_journal()
        .then(JournalLog::new)
        .and_then(Result::ok)
}

/// A logger, and the last error beside it.
struct Tee {
    logger: env_logger::Logger,
    journal: Option<JournalLog>,
    last: LastError,
}

impl Log for Tee {
    fn enabled(&self, metadata: &Metadata) -> bool {
        is_ours(metadata) || self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        if is_ours(record.metadata()) {
            self.last.set(record.level(), record.args().to_string());
        }
        match &self.journal {
            Some(journal) if self.logger.matches(record) => journal.log(record),
            Some(_) => {}
            None => self.logger.log(record),
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}

/// Libraries complain of much that this program has an answer to.
fn is_ours(metadata: &Metadata) -> bool {
    metadata.level() <= Level::Warn && metadata.target().starts_with("galmorph")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_warnings_are_kept_even_of_a_log_that_is_quiet() {
        let last = LastError::new();
        let tee = Tee {
            logger: env_logger::Builder::new()
                .filter_level(LevelFilter::Off)
                .build(),
            journal: None,
            last: last.clone(),
        };
        let log = |level, target: &str, text: &str| {
            tee.log(
                &Record::builder()
                    .level(level)
                    .target(target)
                    .args(format_args!("{text}"))
                    .build(),
            );
        };
        log(Level::Info, "galmorph::intake", "fine");
        log(Level::Error, "notify", "of a library");
        assert!(last.get().is_none() && last.news().is_empty());
        log(Level::Warn, "galmorph::intake", "first");
        log(Level::Error, "galmorph::catalog", "second");
        assert_eq!(last.get().unwrap().message, "second");
        assert_eq!((last.news().len(), last.counts()), (1, [1, 1]));
    }
}

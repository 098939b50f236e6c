//! The log, and the last error in it.
//!
//! Log lines go to standard error, or to the journal. An operator who asks `galmorph status` what is wrong
//! wants the last warning or error. So each one is kept here as it goes by, whatever the log's own level,
//! and the recorder writes it into the catalog.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::env;
use std::io::{self, Write as _};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam::channel::{Receiver, Sender, bounded};
use env_logger::{Builder, Logger, Target};
use indicatif::MultiProgress;
use jiff::Timestamp;
use log::{Level, LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

use super::progress::LogLines;
use crate::failure::Failure;
use galmorph_catalog::LoggedError;
use galmorph_output::{log_levels, visible};

/// Starts the program's log: what `level` says, else what the environment says, else warnings.
pub(crate) fn start_log(level: Option<&str>, screen: &MultiProgress) -> Result<LastError, Failure> {
    let asked = match level {
        Some(level) => level.to_owned(),
        None => log_levels()
            .map_err(Failure::Usage)?
            .unwrap_or_else(|| "warn".into()),
    };
    let mut builder = Builder::new();
    builder.parse_filters(&asked);
    if let Ok(style) = env::var(env_logger::DEFAULT_WRITE_STYLE_ENV) {
        builder.parse_write_style(&style);
    }
    let lines = Target::Pipe(Box::new(LogLines(screen.clone())));
    let logger = builder.target(lines).build();
    let error = Metadata::builder()
        .level(Level::Error)
        .target(module_path!())
        .build();
    let logs_errors = logger.enabled(&error);
    let last_error = LastError::new();
    last_error.keep_from(logger);
    panic::set_hook(Box::new(move |panic| report_panic(panic, logs_errors)));
    Ok(last_error)
}

/// A panic is always told, even by a log that is off. In a decoder or a network it rejects one image and
/// the daemon goes on; so it belongs in the log, and can be what `galmorph status` shows.
fn report_panic(panic: &PanicHookInfo, logs_errors: bool) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    // Where it was, and what it says, are two lines.
    let text = panic.to_string();
    let text = text.lines().collect::<Vec<_>>().join(" ");
    log::error!("thread '{name}' {text}");
    let mut stderr = io::stderr().lock();
    // If the reader of standard error is gone, there is no one left to tell.
    if !logs_errors {
        let _ = writeln!(stderr, "galmorph: thread '{name}' {}", visible(&text));
    }
    // As RUST_BACKTRACE asks. It is too long for the log.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(stderr, "{backtrace}");
    }
}

/// The last warning or error. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct LastError {
    error: Arc<Mutex<Option<LoggedError>>>,
    // Warnings, and errors.
    counts: Arc<[AtomicU64; 2]>,
    changed: Sender<()>,
    changes: Receiver<()>,
}

impl LastError {
    /// None yet.
    pub(crate) fn new() -> Self {
        let (sender, changes) = bounded(1);
        Self {
            error: Arc::default(),
            counts: Arc::default(),
            changed: sender,
            changes,
        }
    }

    fn set(&self, level: Level, message: String) {
        self.counts[usize::from(level == Level::Error)].fetch_add(1, Ordering::Relaxed);
        let at = Timestamp::now();
        let error = LoggedError { message, at };
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        // A message that has not been read yet announces this one too.
        let _ = self.changed.try_send(());
    }

    /// Has a message when there is a new one.
    pub(crate) fn changes(&self) -> &Receiver<()> {
        &self.changes
    }

    /// The last one.
    pub(crate) fn get(&self) -> Option<LoggedError> {
        self.error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The number of warnings so far, and of errors.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [0, 1].map(|level: usize| self.counts[level].load(Ordering::Relaxed))
    }

    /// Makes `logger` the program's logger, and keeps the last error that goes through it.
    fn keep_from(&self, logger: Logger) {
        let level = logger.filter().max(LevelFilter::Warn);
        let tee = Tee {
            logger,
            journal: journal(),
            last: self.clone(),
        };
        log::set_boxed_logger(Box::new(tee)).expect("the log is started once");
        log::set_max_level(level);
    }
}

/// The journal, if standard error goes there: it keeps a line's level and its fields.
fn journal() -> Option<JournalLog> {
    connected_to_journal()
        .then(JournalLog::new)
        .and_then(Result::ok)
}

/// The logger that writes, and the last error.
struct Tee {
    logger: Logger,
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
        if self.logger.matches(record) {
            // The fields of a record stay as they are: programs read them.
            let text = record.args().to_string();
            let mut shown = record.to_builder();
            self.write(&shown.args(format_args!("{}", visible(&text))).build());
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}

impl Tee {
    fn write(&self, record: &Record) {
        match &self.journal {
            Some(journal) => journal.log(record),
            None => self.logger.log(record),
        }
    }
}

/// Libraries warn of much that this program copes with; their warnings are only logged.
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
            logger: Builder::new().filter_level(LevelFilter::Off).build(),
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
        assert!(last.get().is_none() && last.changes().is_empty());
        log(Level::Warn, "galmorph::intake", "first");
        log(Level::Error, "galmorph::catalog", "second");
        assert_eq!(last.get().unwrap().message, "second");
        assert_eq!((last.changes().len(), last.counts()), (1, [1, 1]));
    }

    #[test]
    fn a_line_of_the_log_is_one_line_and_its_fields_are_exact() {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (lines, last) = (Lines::default(), LastError::new());
        let tee = Tee {
            logger: Builder::new()
                .filter_level(LevelFilter::Info)
                .format(|output, record| {
                    let path = record.key_values().get("path".into());
                    let path = path.map(|path| path.to_string());
                    writeln!(output, "{} {path:?}", record.args())
                })
                .target(Target::Pipe(Box::new(lines.clone())))
                .build(),
            journal: None,
            last: last.clone(),
        };
        let name = "a\u{1b}[2J\n\u{202e}b";
        tee.log(
            &Record::builder()
                .level(Level::Warn)
                .target("galmorph::intake")
                .key_values(&[("path", name)])
                .args(format_args!("rejected '{name}'"))
                .build(),
        );
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let seen = "rejected 'a\\u{1b}[2J\\n\\u{202e}b'";
        assert_eq!(written, format!("{seen} {:?}\n", Some(name)));
        assert_eq!(last.get().unwrap().message, format!("rejected '{name}'"));
    }
}

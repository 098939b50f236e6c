//! Errors by consequence: what a fault means for the program, not where it came from.
//!
//! A [`Failure`] ends the command. Its kind decides the exit code, and the exit code decides whether
//! systemd starts the daemon again (`systemd/galmorph.service`). Faults that end nothing (a file that can't
//! be read just now, an image that is broken) have types of their own in the pipeline and never become a
//! [`Failure`].

use std::error::Error;
use std::io;

use galmorph_catalog::CatalogError;
use galmorph_inference::ModelError;
use galmorph_output::OutputError;

/// What the exit codes mean, for the help.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 fine, 1 some inputs were rejected, 2 usage or configuration, 3 the catalog or \
     the model can't be used, 70 a fault of the program or the system, 75 the catalog is locked or can't be \
     locked, its disk is full, or it was replaced while in use: try again.";

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, the configuration or a file named there is wrong. One or more lines, a fault each.
    #[error("{0}")]
    Usage(String),
    /// The catalog or the model can't be used until someone repairs it.
    #[error(transparent)]
    Unusable(Cause),
    /// The catalog can't be used just now, and the command could not wait any longer.
    #[error(transparent)]
    Transient(Cause),
    /// Results could not be written out.
    #[error("cannot write the results: {0}")]
    Output(#[source] io::Error),
    /// A bug, or a system that refuses what every program gets. A restart may help.
    #[error(transparent)]
    Internal(#[from] InternalFault),
}

/// The error behind a failure, or a message with one or more lines.
type Cause = Box<dyn Error + Send + Sync>;

/// A fault that neither the user nor a file is the cause of.
#[derive(Debug, thiserror::Error)]
pub enum InternalFault {
    /// The system starts no more threads for us.
    #[error("cannot start the thread '{thread}': {source}")]
    Start {
        /// The thread's name.
        thread: String,
        /// Why not.
        source: io::Error,
    },
    /// A thread panicked.
    #[error("the thread '{thread}' failed: {message}")]
    Panic {
        /// The thread's name.
        thread: String,
        /// What it said.
        message: String,
    },
    /// The system takes no signal handlers from us.
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        match error {
            OutputError::File { .. } => Self::Usage(error.to_string()),
            OutputError::Stream(error) => Self::Output(error),
        }
    }
}

impl Failure {
    /// The program's exit code. 70 and 75 are `EX_SOFTWARE` and `EX_TEMPFAIL` of `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Output(_) => 2,
            Self::Unusable(_) => 3,
            Self::Internal(_) => 70,
            Self::Transient(_) => 75,
        }
    }

    /// The message, a fault a line.
    pub fn lines(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        match error {
            // The next start takes the catalog that is there, and holds no lock.
            CatalogError::Transient(_) | CatalogError::Lost(_) | CatalogError::Stuck(_) => {
                Self::Transient(error.into())
            }
            CatalogError::Unusable(_) => Self::Unusable(error.into()),
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Unusable(error.into())
    }
}

/// Every fault that a command found before it gave up, a line each.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Of the settings and the folders.
    pub(crate) usage: Vec<String>,
    /// Of the model and the catalog.
    pub(crate) unusable: Vec<String>,
    /// Of a catalog that is locked, or whose disk is full.
    pub(crate) transient: Vec<String>,
}

impl Faults {
    /// Adds a failure of the model or of the catalog.
    pub(crate) fn add(&mut self, failure: &Failure) {
        let faults = match failure {
            Failure::Transient(_) => &mut self.transient,
            _ => &mut self.unusable,
        };
        faults.extend(failure.lines());
    }

    /// All of them.
    pub(crate) fn into_lines(self) -> Vec<String> {
        [self.usage, self.unusable, self.transient].concat()
    }

    /// One failure that names them all, if there are any. The kind that takes the most work to repair
    /// decides the exit code.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        let (usage, unusable) = (!self.usage.is_empty(), !self.unusable.is_empty());
        let lines = self.into_lines();
        let text = lines.join("\n");
        if usage {
            Err(Failure::Usage(text))
        } else if unusable {
            Err(Failure::Unusable(text.into()))
        } else if lines.is_empty() {
            Ok(())
        } else {
            Err(Failure::Transient(text.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_failure_decides_the_exit_code() {
        let locked = Failure::from(CatalogError::Transient("locked".into()));
        let damaged = Failure::from(CatalogError::Unusable("damaged".into()));
        let panic = InternalFault::Panic {
            thread: "record".into(),
            message: "panic: a bug".into(),
        };
        let codes = [
            (Failure::Usage("two\nlines".into()), 2),
            (Failure::Output(io::ErrorKind::StorageFull.into()), 2),
            (damaged, 3),
            (panic.into(), 70),
            (locked, 75),
        ];
        for (failure, code) in codes {
            assert_eq!(failure.exit_code(), code, "{failure}");
            assert!(EXIT_CODES.contains(&format!(" {code} ")), "{code}");
        }
    }

    #[test]
    fn the_worst_of_several_faults_decides_and_all_are_named() {
        let mut faults = Faults::default();
        faults.add(&Failure::Transient("locked".into()));
        faults.add(&Failure::Unusable("no card".into()));
        let failure = faults.into_result().unwrap_err();
        assert_eq!(failure.exit_code(), 3);
        assert_eq!(failure.lines(), ["no card", "locked"]);
        assert!(Faults::default().into_result().is_ok());
    }

    #[test]
    fn a_failure_keeps_the_error_behind_it() {
        let error = io::Error::from(io::ErrorKind::WouldBlock);
        let failure = Failure::from(InternalFault::Start {
            thread: "decode-0".into(),
            source: error,
        });
        let source = failure.source().expect("the system's own error");
        assert!(source.is::<io::Error>());
    }
}

//! Why a command could not do its work, by what to do about it.

use std::io;
use std::path::Path;

use galmorph_catalog::CatalogError;
use galmorph_inference::ModelError;
use galmorph_output::{OutputError, readable};

/// What the exit codes mean, for the help.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 fine, 1 something is missing or could not be read, 2 usage, 3 a catalog, a model or the server can't be \
     used, 70 a fault of the program or the system, 75 try again: a disk is full, a catalog is locked, or the server is away.";

/// Why a command ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, or a file that it names, is wrong.
    #[error("{0}")]
    Usage(String),
    /// A catalog, a model or a server can't be used until someone repairs it.
    #[error("{0}")]
    Unusable(String),
    /// It may work later.
    #[error("{0}")]
    Transient(String),
    /// A bug, or a system that refuses what every program gets.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// The program's exit code; 70 and 75 as in `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unusable(_) => 3,
            Self::Internal(_) => 70,
            Self::Transient(_) => 75,
        }
    }

    /// A file that could not be read, written or looked at. A disk that is full may have room later, and a mount that is
    /// gone may come back.
    pub(crate) fn io(verb: &str, path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind;
        let message = format!("cannot {verb} '{}': {error}", readable(path));
        match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::AlreadyExists
            | ErrorKind::InvalidData => Self::Unusable(message),
            _ => Self::Transient(message),
        }
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Transient(fault) | CatalogError::Stuck(fault) => {
                Self::Transient(fault.to_string())
            }
            CatalogError::Lost(fault) | CatalogError::Unusable(fault) => {
                Self::Unusable(fault.to_string())
            }
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Unusable(error.to_string())
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::Usage(error.to_string())
    }
}

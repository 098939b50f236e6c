//! Errors by consequence: the exit code follows from the kind, as with `galmorph`.

use std::io;

use galmorph_catalog::CatalogError;
use galmorph_output::OutputError;

/// What the exit codes mean, for the help.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 fine, 2 usage or configuration, 3 the catalog can't be used, 70 a fault of the \
     program or the system, 75 the catalog is locked or its disk is full: try again.";

/// Why the program could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, or a file that it names, is wrong.
    #[error("{0}")]
    Usage(String),
    /// The catalog can't be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A bug, or a system that refuses what every program gets.
    #[error("{0}: {1}")]
    Internal(&'static str, #[source] io::Error),
}

impl Failure {
    /// The program's exit code. 70 and 75 are `EX_SOFTWARE` and `EX_TEMPFAIL` of `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Catalog(CatalogError::Unusable(_)) => 3,
            Self::Catalog(
                CatalogError::Transient(_) | CatalogError::Lost(_) | CatalogError::Stuck(_),
            ) => 75,
            Self::Internal(..) => 70,
        }
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::Usage(error.to_string())
    }
}

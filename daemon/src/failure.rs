//! Errors split by consequence: what a fault means for the program, not where it came from.
//!
//! A [`Failure`] ends the command, and its kind decides the exit code. Faults that end nothing (a
//! file that can't be read just now, an image that is broken) have types of their own in the
//! pipeline, and never become a [`Failure`].

use std::io;

use galmorph_catalog::CatalogError;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, the configuration or a file named there is at fault. One or more lines.
    #[error("{0}")]
    Usage(String),
    /// The catalog or the model can't be used.
    #[error("{0}")]
    Unusable(String),
    /// Results could not be written out.
    #[error("cannot write the results: {0}")]
    Output(#[source] io::Error),
}

impl Failure {
    /// 2 for usage and configuration, 3 for a catalog or model that can't be used.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Output(_) => 2,
            Self::Unusable(_) => 3,
        }
    }

    /// The message, one fault a line.
    pub fn lines(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        Self::Unusable(error.to_string())
    }
}

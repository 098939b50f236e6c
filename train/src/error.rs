//! What can go wrong, split by what the user must do about it.

use std::path::{Path, PathBuf};

/// A failure of the training program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line, the labels or the images are wrong: mend the input.
    #[error("{0}")]
    Input(String),
    /// A checkpoint or model is not what it should be: use another file.
    #[error("{0}")]
    Artefact(String),
    /// A file can't be read or written.
    #[error("cannot {action} '{}': {source}", path.display())]
    Io {
        /// `read`, `write` or the like.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Stopped by a signal after the state was saved.
    #[error("interrupted; the same command goes on from '{}'", .0.display())]
    Interrupted(PathBuf),
}

impl Error {
    /// Attaches what was tried, and on which file.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// The exit code: 2 for wrong input, 3 for a file that can't be used, 130 after a signal.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            Self::Artefact(_) | Self::Io { .. } => 3,
            Self::Interrupted(_) => 130,
        }
    }
}

/// The result of what can fail so.
pub type Result<T> = std::result::Result<T, Error>;

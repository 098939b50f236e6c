//! Errors of a catalog, by what they mean for the caller: try again, or give up.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

use galmorph_output::readable;
use rusqlite::ErrorCode;

/// "Input/output error", which Rust has no name for.
const EIO: i32 = 5;

/// What is wrong with a catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Trying again may help: the catalog is locked, the disk is full, the disk fails.
    #[error(transparent)]
    Transient(CatalogFault),
    /// The file that is open is no longer the catalog on the disk. Only a new start helps.
    #[error(transparent)]
    Lost(CatalogFault),
    /// The catalog may be whole, but this process can't go on with it. Only a new start helps: a lock that could not be given
    /// back is held until the process ends.
    #[error(transparent)]
    Stuck(CatalogFault),
    /// Trying again does not help until someone repairs the cause.
    #[error(transparent)]
    Unusable(CatalogFault),
}

/// One line that names the catalog and what is wrong with it, and the error behind it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CatalogFault {
    message: String,
    source: Option<Source>,
}

type Source = Box<dyn Error + Send + Sync>;

impl CatalogError {
    /// Whether a new start of the program may help, and nothing that this process does.
    pub const fn needs_new_start(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Stuck(_))
    }

    /// The same error, after `attempts` that failed with it.
    #[must_use]
    pub fn after(self, attempts: u32) -> Self {
        let note = |fault: CatalogFault| CatalogFault {
            message: format!("{} (gave up after {attempts} attempts)", fault.message),
            ..fault
        };
        match self {
            Self::Transient(fault) => Self::Transient(note(fault)),
            Self::Lost(fault) => Self::Lost(note(fault)),
            Self::Stuck(fault) => Self::Stuck(note(fault)),
            Self::Unusable(fault) => Self::Unusable(note(fault)),
        }
    }
}

impl CatalogFault {
    /// A message, which repeats what the error behind it says.
    pub(crate) fn new(message: String, source: impl Into<Source>) -> Self {
        Self {
            message,
            source: Some(source.into()),
        }
    }
}

/// A fault that no other error is behind.
impl From<String> for CatalogFault {
    fn from(message: String) -> Self {
        Self {
            message,
            source: None,
        }
    }
}

impl From<&str> for CatalogFault {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

/// An error of a catalog that could be used before. If it can't be opened now, or is forbidden, that may
/// pass: a mount comes and goes.
pub(crate) fn fault(path: &Path, verb: &str, error: rusqlite::Error) -> CatalogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            CatalogError::Transient(describe(path, verb, error))
        }
        _ => lasting_fault(path, verb, error),
    }
}

/// An error of a catalog that is opened for the first time. If it can't be opened, the person who named it
/// must hear that at once.
pub(crate) fn opening_fault(path: &Path, error: rusqlite::Error) -> CatalogError {
    lasting_fault(path, "open", error)
}

fn lasting_fault(path: &Path, verb: &str, error: rusqlite::Error) -> CatalogError {
    let code = error.sqlite_error_code();
    let fault = describe(path, verb, error);
    match code {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure,
        ) => CatalogError::Transient(fault),
        // SQLite says so after it has asked for the locks of the log a hundred times.
        Some(ErrorCode::FileLockingProtocolFailed) => CatalogError::Stuck(fault),
        _ => CatalogError::Unusable(fault),
    }
}

fn describe(path: &Path, verb: &str, error: rusqlite::Error) -> CatalogFault {
    let message = format!("cannot {verb} catalog '{}': {error}", readable(path));
    CatalogFault::new(message, error)
}

/// A full disk and a failing mount may pass. A file that may not be written stays so until someone changes
/// that.
pub(crate) fn refusal(catalog: &Path, what: &str, error: io::Error) -> CatalogError {
    let message = format!(
        "cannot write to catalog '{}': {what}: {error}",
        readable(catalog)
    );
    let passes = matches!(
        error.kind(),
        ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::StaleNetworkFileHandle
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
    );
    let passes = passes || error.raw_os_error() == Some(EIO);
    let fault = CatalogFault::new(message, error);
    if passes {
        CatalogError::Transient(fault)
    } else {
        CatalogError::Unusable(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_may_pass_and_a_forbidden_file_does_not() {
        let path = Path::new("c.sqlite");
        let is_transient =
            |error: io::Error| matches!(refusal(path, "x", error), CatalogError::Transient(_));
        assert!(is_transient(ErrorKind::StorageFull.into()));
        assert!(is_transient(io::Error::from_raw_os_error(EIO)));
        assert!(!is_transient(ErrorKind::PermissionDenied.into()));
        assert!(!is_transient(ErrorKind::ReadOnlyFilesystem.into()));
    }
}

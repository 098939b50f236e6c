//! Faults of a catalog, by what they mean for the caller: try again, or give up.

use std::path::Path;

use rusqlite::ErrorCode;

/// What is wrong with a catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Trying again may help: locked by someone, a full disk, an I/O error.
    #[error("{0}")]
    Transient(String),
    /// It won't, until someone sees to it.
    #[error("{0}")]
    Unusable(String),
}

/// A fault of a catalog that was usable before: what can't be opened or is forbidden by now may be so
/// for a while, as on a mount that comes and goes.
pub(crate) fn fault(path: &Path, verb: &str, error: &rusqlite::Error) -> CatalogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            CatalogError::Transient(describe(path, verb, error))
        }
        _ => lasting_fault(path, verb, error),
    }
}

/// A fault of a catalog that we are about to use: whoever started us is to hear at once that it can't be.
pub(crate) fn opening_fault(path: &Path, error: &rusqlite::Error) -> CatalogError {
    lasting_fault(path, "open", error)
}

fn lasting_fault(path: &Path, verb: &str, error: &rusqlite::Error) -> CatalogError {
    let message = describe(path, verb, error);
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure,
        ) => CatalogError::Transient(message),
        _ => CatalogError::Unusable(message),
    }
}

fn describe(path: &Path, verb: &str, error: &rusqlite::Error) -> String {
    format!("cannot {verb} catalog '{}': {error}", path.display())
}

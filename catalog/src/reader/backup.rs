//! A copy of the catalog as it is at one moment, while the daemon writes on.
//!
//! SQLite's own online backup, in one step, reads from one snapshot, so that a busy writer can't have
//! it begin again and again. The copy is one file, without a write-ahead log, that is checked before
//! anyone can take it for a backup.

use std::error::Error;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{Reader, check};
use crate::CatalogError;
use galmorph_output::readable;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The catalog can't be read, or what was read of it isn't sound.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The copy can't be written.
    #[error("cannot write the copy: {0}")]
    Copy(#[source] Box<dyn Error + Send + Sync>),
}

impl Reader {
    /// Copies the catalog into `copy`, an empty file, and checks it there. Syncing it is the caller's part.
    pub fn back_up(&self, copy: &Path) -> Result<(), BackupError> {
        // Faults of both ends come as the same kind of error: what reads is asked first, on its own.
        let writing = |error: rusqlite::Error| BackupError::Copy(error.into());
        let mut connection = Connection::open(copy).map_err(writing)?;
        // It is synced as a whole when it is complete.
        connection
            .pragma_update(None, "synchronous", "OFF")
            .map_err(writing)?;
        let backup = Backup::new(&self.connection, &mut connection).map_err(writing)?;
        match backup.step(-1).map_err(writing)? {
            StepResult::Done => {}
            _ => {
                return Err(CatalogError::Transient(
                    format!(
                        "cannot read catalog '{}': database is locked",
                        readable(&self.path)
                    )
                    .into(),
                )
                .into());
            }
        }
        drop(backup);
        connection
            .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(writing)?;
        // Where the damage is such that nothing can be read, that is a finding, too.
        let faults = check::damage(&connection).unwrap_or_else(|error| vec![error.to_string()]);
        if let Some(first) = faults.first() {
            return Err(CatalogError::Unusable(format!(
                "the copy of catalog '{}' is damaged, and so may be the catalog: {first} (galmorph check --deep)",
                readable(&self.path)
            ).into())
            .into());
        }
        connection.close().map_err(|(_, error)| writing(error))
    }
}

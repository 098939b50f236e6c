//! The one connection that writes: the daemon's.

mod moves;
mod record;

use std::fs::File;
use std::path::{Path, PathBuf};

use blake3::Hash;
use rusqlite::Connection;

use crate::connect::{BUSY_TIMEOUT, check_version};
use crate::error::{fault, opening_fault};
use crate::{CatalogError, file, schema};
pub use moves::{Move, Standing};
pub use record::{Entry, Verdict, shortest};
pub(crate) use record::{sql_bytes, unsigned};

/// A model as the catalog knows it. Two that differ in anything that changes an answer differ here: the
/// file, or the card with the settings in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInUse {
    /// Its name, for people.
    pub name: String,
    /// The digest of its file.
    pub digest: Hash,
    /// Its card with the settings in use, as JSON.
    pub card: String,
}

/// The connection that writes.
#[derive(Debug)]
pub struct Writer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) model: i64,
    _lock: File,
}

impl Writer {
    /// Opens a catalog for the daemon, making or migrating it as needed, and records the model.
    pub fn open(path: &Path, model: &ModelInUse) -> Result<Self, CatalogError> {
        let fault = |error| opening_fault(path, error);
        let lock = file::lock(path)?;
        file::make(path)?;
        let mut connection = Connection::open(path).map_err(fault)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
        let version = check_version(&connection, path)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
            )
            .map_err(fault)?;
        if version < schema::VERSION {
            schema::migrate(&mut connection, version).map_err(fault)?;
        }
        let model = record::model_id(&connection, model).map_err(fault)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            model,
            _lock: lock,
        })
    }

    /// The row of the model in use.
    pub fn model(&self) -> i64 {
        self.model
    }

    /// Where the catalog is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records what became of some files, all or none.
    pub fn record(&mut self, entries: &[Entry]) -> Result<(), CatalogError> {
        let model = self.model;
        let mut work = || {
            let transaction = self.connection.transaction()?;
            for entry in entries {
                record::write(&transaction, model, entry)?;
            }
            transaction.commit()
        };
        work().map_err(|error| fault(&self.path, "write to", error))
    }
}

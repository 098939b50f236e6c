//! The one connection that writes: the daemon's.

mod identity;
mod moves;
mod record;
mod settle;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction};

use crate::connect::{BUSY_TIMEOUT, check_version};
use crate::error::{fault, opening_fault};
use crate::lock::CatalogLock;
use crate::migration::{Ended, Supervisor};
use crate::model::{ModelInUse, model_id};
use crate::presence::{Loss, Presence};
use crate::{CatalogError, migration, schema, shape};
use galmorph_output::readable;
pub use identity::{Described, Revision};
pub use moves::{Move, Standing};
pub use record::{Entry, Verdict, length, new_row, rendering_key};
pub(crate) use record::{SEPARATOR, row_columns, sql_bytes, take_row, unsigned, write};
pub(crate) use settle::{Place, begin as begin_settling};

/// The time between two lines of the log on a migration.
const PAUSE: Duration = Duration::from_secs(5);

/// The connection that writes.
#[derive(Debug)]
pub struct Writer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) model: i64,
    pub(crate) presence: Presence,
    /// The folders of which more is, or was, known than the names of the files.
    pub(crate) identified: Vec<PathBuf>,
    /// `None` when every row shows what it should.
    pub(crate) settling: Option<Place>,
}

impl Writer {
    /// Opens a catalog for the daemon, making or migrating it as needed, and records the model.
    pub fn open(path: &Path, model: &ModelInUse) -> Result<Self, CatalogError> {
        Self::open_supervised(path, model, &mut |_| true)
    }

    /// The same. A migration, which may take minutes, tells `supervisor` what it does, and ends when that says so; a
    /// later call goes on with it.
    pub fn open_supervised(
        path: &Path,
        model: &ModelInUse,
        supervisor: Supervisor,
    ) -> Result<Self, CatalogError> {
        let fault = |error| opening_fault(path, error);
        let lock = CatalogLock::take(path)?;
        let connection = Connection::open(lock.real()).map_err(fault)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
        let version = check_version(&connection, path)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
            )
            .map_err(fault)?;
        if version == 0 {
            schema::create(&connection).map_err(fault)?;
        } else if version < schema::VERSION {
            let migrated = migrate(&connection, version, path, supervisor);
            let faulty = |error| crate::error::fault(path, "migrate", error);
            if migrated.map_err(faulty)? == Ended::Stopped {
                let message = format!(
                    "the migration of catalog '{}' was stopped; the next start goes on with it",
                    readable(path)
                );
                return Err(CatalogError::Transient(message.into()));
            }
        }
        for what in shape::mend(&connection).map_err(fault)? {
            log::warn!("catalog '{}': {what}; it was made again", readable(path));
        }
        let model = model_id(&connection, model).map_err(fault)?;
        let presence = Presence::new(path, lock, &connection)?;
        let writer = Self {
            connection,
            path: path.to_owned(),
            model,
            presence,
            identified: Vec::new(),
            settling: None,
        };
        writer.verify()?;
        Ok(writer)
    }

    /// Looks whether the catalog that is open is the one on the disk.
    pub fn verify(&self) -> Result<(), CatalogError> {
        let Some(loss) = self.presence.loss(&self.connection)? else {
            return Ok(());
        };
        Err(CatalogError::Lost(format!(
            "catalog '{}' is not the one that was opened: {} (a new start takes the catalog that is there, and classifies what it lacks)",
            readable(&self.path),
            loss.what()
        ).into()))
    }

    /// Does what writes, and looks before and after: what was written to a file that no one can find is not
    /// recorded.
    pub(crate) fn write<T>(
        &self,
        verb: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, CatalogError> {
        self.verify()?;
        let outcome = work(&self.connection);
        // An error may well come from the loss.
        self.verify()?;
        outcome.map_err(|error| fault(&self.path, verb, error))
    }

    /// The same in one transaction: all or nothing, and only in the catalog in which the model has its row.
    pub(crate) fn transact<T>(
        &self,
        verb: &str,
        work: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, CatalogError> {
        self.write(verb, |connection| self.presence.transact(connection, work))
    }

    /// The row of the model in use.
    pub fn model(&self) -> i64 {
        self.model
    }

    /// Where the catalog is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The watched folders of which a manifest or a pattern says more than the names of the files, or once did.
    pub fn identified(&self) -> &[PathBuf] {
        &self.identified
    }

    /// Records what became of some files, all or none.
    pub fn record(&mut self, entries: &[Entry]) -> Result<(), CatalogError> {
        let (model, now) = (self.model, Timestamp::now());
        self.transact("write to", |transaction| {
            entries
                .iter()
                .try_for_each(|entry| record::write(transaction, model, entry, now))
        })
    }
}

/// Brings a catalog up to date, and says how that goes in the log.
fn migrate(
    connection: &Connection,
    version: i32,
    path: &Path,
    supervisor: Supervisor,
) -> rusqlite::Result<Ended> {
    let file = readable(path);
    log::info!(
        "bringing catalog '{file}' from version {version} to {}",
        schema::VERSION
    );
    let mut told = Instant::now();
    let ended = migration::migrate(connection, version, &mut |what| {
        if told.elapsed() > PAUSE {
            told = Instant::now();
            log::info!("migration of catalog '{file}': {what}");
        }
        supervisor(what)
    })?;
    if ended == Ended::Complete {
        log::info!("catalog '{file}' has version {}", schema::VERSION);
    }
    Ok(ended)
}

/// SQLite moves its log into the database and removes it, by its name, when the last connection is closed.
/// Of a catalog that is lost, it must not: the name may be that of another catalog's log.
impl Drop for Writer {
    fn drop(&mut self) {
        let loss = self.presence.loss(&self.connection);
        if matches!(loss, Ok(None | Some(Loss::Restored))) {
            return;
        }
        let keep = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        if let Err(error) = self.connection.set_db_config(keep, true) {
            log::warn!("cannot leave the write-ahead log as it is: {error}");
        }
        if let Ok(Some(loss)) = loss {
            self.presence.clear(loss, || {
                // As far as it goes: whoever reads the lost file needs the log, which no one has then.
                if let Err(error) = self.checkpoint() {
                    log::info!("cannot move the log into the lost catalog: {error}");
                }
            });
        }
    }
}

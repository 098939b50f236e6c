//! The catalog: an SQLite file with one writer and any number of readers.
//!
//! SQLite keeps the promise that this program makes: what was recorded survives whatever comes, and
//! can be read at any time with anything. WAL lets readers and the writer leave each other alone;
//! `synchronous = FULL` makes a commit a fact.

mod backup;
mod deep;
mod files;
mod moves;
mod query;
mod record;
mod retry;
mod schema;
mod standing;
mod watch;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use galmorph_cutout::ModelCard;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};

pub(crate) use backup::BackupError;
pub(crate) use files::{Condition, in_use, inspect, sizes};
pub(crate) use moves::Move;
pub(crate) use query::{Filter, Query};
pub(crate) use record::{Entry, Verdict, shortest};
pub(crate) use retry::{ByReason, bell, retry};
pub(crate) use schema::probability_columns;
pub(crate) use standing::{Standing, Wanted, Why};
pub(crate) use watch::{Watch, Watched};

/// The first SQLite whose WAL mode can't lose commits.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long SQLite itself waits for a lock before it reports one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// What is wrong with a catalog.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// Trying again may help: locked by someone, a full disk, an I/O error.
    #[error("{0}")]
    Transient(String),
    /// It won't, until someone sees to it.
    #[error("{0}")]
    Unusable(String),
}

/// The one who writes.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    path: PathBuf,
    model: i64,
    _lock: File,
}

/// One who reads.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Writer {
    /// Opens a catalog for the daemon, making or migrating it as needed, and enters the model.
    pub(crate) fn open(path: &Path, digest: &str, card: &ModelCard) -> Result<Self, CatalogError> {
        let fault = |error| opening_fault(path, &error);
        let lock = files::lock(path)?;
        files::make(path)?;
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
        let json = card
            .to_json()
            .map_err(|error| CatalogError::Unusable(error.to_string()))?;
        let model = record::model_id(&connection, digest, card, &json).map_err(fault)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            model,
            _lock: lock,
        })
    }

    /// The row of the model in use.
    pub(crate) fn model(&self) -> i64 {
        self.model
    }

    /// Where the catalog is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Records what became of some files, all or none.
    pub(crate) fn record(&mut self, entries: &[Entry]) -> Result<(), CatalogError> {
        let model = self.model;
        let mut work = || {
            let transaction = self.connection.transaction()?;
            for entry in entries {
                record::write(&transaction, model, entry)?;
            }
            transaction.commit()
        };
        work().map_err(|error| fault(&self.path, "write to", &error))
    }
}

impl Reader {
    /// Opens a catalog that is there, without ever changing it.
    pub(crate) fn open(path: &Path) -> Result<Self, CatalogError> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// Opens a catalog of the version that this program writes, to check it. SQLite doesn't check the
    /// constraints of tables that a connection can't write to, so this one could, and is told not to.
    pub(crate) fn open_to_check(path: &Path) -> Result<Self, CatalogError> {
        let reader = Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        reader
            .connection
            .pragma_update(None, "query_only", true)
            .map_err(|error| opening_fault(path, &error))?;
        require_current(check_version(&reader.connection, path)?, path)?;
        Ok(reader)
    }

    fn open_with(path: &Path, mode: OpenFlags) -> Result<Self, CatalogError> {
        let fault = |error| opening_fault(path, &error);
        if !path.exists() {
            return Err(no_catalog(path));
        }
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(fault)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
        let look = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        if look.is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::CannotOpen))
            && sizes(path).1 == 0
        {
            // On a read-only mount SQLite can't make the files that it reads a WAL catalog with, and
            // needs none of them to read one that nobody writes to.
            connection = files::open_immutable(path)?;
        }
        if check_version(&connection, path)? == 0 {
            return Err(CatalogError::Unusable(format!(
                "'{}' is empty, not a galmorph catalog",
                path.display()
            )));
        }
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// Opens a catalog of the version that this program writes.
    pub(crate) fn open_current(path: &Path) -> Result<Self, CatalogError> {
        let reader = Self::open(path)?;
        require_current(check_version(&reader.connection, path)?, path)?;
        Ok(reader)
    }

    /// Has everything that `work` reads be of one moment.
    pub(crate) fn at_one_moment<T, E: From<CatalogError>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        // Ended by its drop: there is nothing to commit.
        let _transaction = self
            .connection
            .unchecked_transaction()
            .map_err(|error| fault(&self.path, "read", &error))?;
        work()
    }

    /// Whether `model` has answered for this content.
    pub(crate) fn has_answer(&self, digest: &str, model: i64) -> Result<bool, CatalogError> {
        let statement = "SELECT 1 FROM classification WHERE digest = ?1 AND model = ?2";
        self.exists(statement, params![digest, model])
    }

    fn exists(&self, statement: &str, values: impl rusqlite::Params) -> Result<bool, CatalogError> {
        let find = || {
            let mut statement = self.connection.prepare_cached(statement)?;
            statement.query_row(values, |_| Ok(())).optional()
        };
        find()
            .map(|found| found.is_some())
            .map_err(|error| fault(&self.path, "read", &error))
    }
}

fn no_catalog(path: &Path) -> CatalogError {
    CatalogError::Unusable(format!(
        "no catalog '{}' (galmorph watch makes it; --catalog names another)",
        path.display()
    ))
}

/// For those who need what the current version has: only the daemon migrates.
fn require_current(version: i32, path: &Path) -> Result<(), CatalogError> {
    if version < schema::VERSION {
        return Err(CatalogError::Unusable(format!(
            "catalog '{}' has version {version}, and this needs version {} (start galmorph watch once; it brings the catalog up to date)",
            path.display(),
            schema::VERSION
        )));
    }
    Ok(())
}

/// The version of a catalog: 0 for an empty file, an error for one that isn't ours or is too new.
fn check_version(connection: &Connection, path: &Path) -> Result<i32, CatalogError> {
    check_library(rusqlite::version_number())?;
    let pragma = |name: &str| -> Result<i32, CatalogError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|error| opening_fault(path, &error))
    };
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let file = path.display();
    if application != schema::APPLICATION_ID {
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|error| opening_fault(path, &error))?;
        return if tables == 0 && version == 0 {
            Ok(0)
        } else {
            Err(CatalogError::Unusable(format!(
                "'{file}' is a database of another program, not a galmorph catalog"
            )))
        };
    }
    if version > schema::VERSION {
        return Err(CatalogError::Unusable(format!(
            "catalog '{file}' has version {version}, and this program knows versions up to {} (update galmorph)",
            schema::VERSION
        )));
    }
    Ok(version)
}

fn check_library(version: i32) -> Result<(), CatalogError> {
    if version < OLDEST_SQLITE {
        return Err(CatalogError::Unusable(format!(
            "built with SQLite {version}, which can lose commits in WAL mode; {OLDEST_SQLITE} or later is needed"
        )));
    }
    Ok(())
}

/// A fault of a catalog that was usable before: what can't be opened or is forbidden by now may be so
/// for a while, as on a mount that comes and goes.
fn fault(path: &Path, verb: &str, error: &rusqlite::Error) -> CatalogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            CatalogError::Transient(describe(path, verb, error))
        }
        _ => lasting_fault(path, verb, error),
    }
}

/// A fault of a catalog that we are about to use: whoever started us is to hear at once that it can't be.
fn opening_fault(path: &Path, error: &rusqlite::Error) -> CatalogError {
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

#[cfg(test)]
mod tests;

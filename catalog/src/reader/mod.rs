//! Connections that only read.

mod backup;
mod check;
mod copy;
mod file_row;
mod filter;
pub(crate) mod freshness;
mod nearest;
mod night;
mod overview;
mod page;
mod query;
mod sql;

use std::path::{Path, PathBuf};

use blake3::Hash;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};

use crate::CatalogError;
use crate::connect::{
    BUSY_TIMEOUT, check_version, no_catalog, require_current, require_one_name, require_regular,
};
use crate::error::{fault, opening_fault};
use crate::file::{may_have_log, open_immutable, sizes};
use crate::healpix::separation;
pub use backup::BackupError;
pub use copy::{CopiedModel, CopiedReview, file_columns, other_answer_columns};
pub use file_row::{FileRow, OldAnswer};
pub use filter::{Cone, Filter, Order, Query};
pub use freshness::{FileState, FileStatus, RequiredModel, RequiredPicture, StaleReason};
use galmorph_output::{path_text, readable, text_path};
pub use nearest::Nearest;
pub use night::Night;
pub use overview::{AnswersOfDay, Overview};
pub use page::{Page, Place, Turn, Unreviewed};
pub use sql::SqlError;

/// A function of its arguments alone.
const FUNCTION: FunctionFlags =
    FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

/// One who reads. In SQL, it has a function `separation(ra, dec, ra, dec)`: the angle between two positions, all in
/// degrees.
#[derive(Debug)]
pub struct Reader {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
}

impl Reader {
    /// Opens a catalog that is there, without ever changing it.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// Opens a catalog of the version that this program writes, to check it. SQLite doesn't check the
    /// constraints of tables that a connection can't write to, so this one could, and is told not to.
    pub fn open_to_check(path: &Path) -> Result<Self, CatalogError> {
        let reader = Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        reader
            .connection
            .pragma_update(None, "query_only", true)
            .map_err(|error| opening_fault(path, error))?;
        require_current(check_version(&reader.connection, path)?, path)?;
        Ok(reader)
    }

    fn open_with(path: &Path, mode: OpenFlags) -> Result<Self, CatalogError> {
        let fault = |error| opening_fault(path, error);
        if !path.exists() {
            return Err(no_catalog(path));
        }
        require_regular(path)?;
        // By another name than the daemon's, what is in its log would not be found.
        require_one_name(path)?;
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(fault)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
        let look = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        if look.is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::CannotOpen))
            && sizes(path)?.1 == 0
        {
            // On a read-only mount SQLite can't make the files that it reads a WAL catalog with, and
            // needs none of them to read one that no program writes to.
            connection = open_immutable(path)?;
        }
        if check_version(&connection, path)? == 0 {
            return Err(CatalogError::Unusable(
                format!("'{}' is empty, not a galmorph catalog", readable(path)).into(),
            ));
        }
        connection
            .create_scalar_function("separation", 4, FUNCTION, |values| {
                let degrees = |at| values.get::<Option<f64>>(at);
                let (Some(ra), Some(dec), Some(other_ra), Some(other_dec)) =
                    (degrees(0)?, degrees(1)?, degrees(2)?, degrees(3)?)
                else {
                    return Ok(None);
                };
                Ok(Some(separation((ra, dec), (other_ra, other_dec))))
            })
            .map_err(fault)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// Opens a catalog that no program writes to any more, without a lock: on a network file system, locks are not to be
    /// relied on. A catalog that has a write-ahead log is opened as by [`open_current`](Self::open_current).
    pub fn open_finished(path: &Path) -> Result<Self, CatalogError> {
        if !path.exists() {
            return Err(no_catalog(path));
        }
        require_regular(path)?;
        if sizes(path)?.1 > 0 {
            return Self::open_current(path);
        }
        // What never had a log may have several names.
        if may_have_log(path)? {
            require_one_name(path)?;
        }
        let connection = open_immutable(path)?;
        require_current(check_version(&connection, path)?, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// Opens a catalog of the version that this program writes.
    pub fn open_current(path: &Path) -> Result<Self, CatalogError> {
        let reader = Self::open(path)?;
        require_current(check_version(&reader.connection, path)?, path)?;
        Ok(reader)
    }

    /// What ends a question that this reader is asked, from another thread.
    pub fn interrupter(&self) -> impl Fn() + Send + Sync + 'static + use<> {
        let handle = self.connection.get_interrupt_handle();
        move || handle.interrupt()
    }

    /// Has everything that `work` reads be of one moment.
    pub fn at_one_moment<T, E: From<CatalogError>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        // Ended by its drop: there is nothing to commit.
        let _transaction = self
            .connection
            .unchecked_transaction()
            .map_err(|error| fault(&self.path, "read", error))?;
        work()
    }

    /// Whether `model` has answered for this content as it is to be shown: `rendering` is the key of a plan.
    pub fn has_answer(
        &self,
        digest: &Hash,
        model: i64,
        rendering: &str,
    ) -> Result<bool, CatalogError> {
        // If one file of the content shows it, all do, or it is among the other answers.
        let statement = "SELECT 1
             FROM (SELECT model, rendering FROM cutout
                   WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 AND label IS NOT NULL LIMIT 1)
             WHERE model = ?2 AND rendering = ?3
             UNION ALL
             SELECT 1 FROM other_answer WHERE digest = ?1 AND model = ?2 AND rendering = ?3
             LIMIT 1";
        self.exists(statement, params![digest.as_bytes(), model, rendering])
    }

    /// At most `limit` files that are to be tried again, in the order of their paths, from the one after
    /// `last` on.
    pub fn marked(&self, last: &Path, limit: u32) -> Result<Vec<PathBuf>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT path FROM cutout WHERE retry IS NOT NULL AND path > ?1 ORDER BY path LIMIT ?2",
            )?;
            statement
                .query_map(params![path_text(last), limit], |row| {
                    Ok(text_path(&row.get::<_, String>(0)?))
                })?
                .collect::<rusqlite::Result<Vec<PathBuf>>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// Whether a file of this path has a row.
    pub fn has_row(&self, path: &Path) -> Result<bool, CatalogError> {
        self.exists("SELECT 1 FROM cutout WHERE path = ?1", [path_text(path)])
    }

    fn exists(&self, statement: &str, values: impl rusqlite::Params) -> Result<bool, CatalogError> {
        let find = || {
            let mut statement = self.connection.prepare_cached(statement)?;
            statement.query_row(values, |_| Ok(())).optional()
        };
        find()
            .map(|found| found.is_some())
            .map_err(|error| fault(&self.path, "read", error))
    }
}

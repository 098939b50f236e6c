//! Another try for rejected files.
//!
//! The one thing that another program than the daemon writes: a mark on the row, in one
//! transaction. The row itself stays, rejected and with its reason, until the daemon has a new verdict;
//! so a kill at any moment loses nothing, and a file that is gone keeps the last that was known of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::connect::{BUSY_TIMEOUT, check_version, no_catalog, require_current};
use crate::error::{fault, opening_fault};
use crate::file::beside;
use crate::{CatalogError, path_text, time};

/// Rejected files by the kind of fault.
pub type ByReason = BTreeMap<String, u64>;

/// The kind of fault in `cutout.reason`: what stands before the colon.
pub(crate) const KIND: &str = "substr(reason, 1, instr(reason, ':') - 1)";

/// The file that the daemon listens to for the word that rows were marked. It is the lock file: it is
/// there whenever a daemon is, and never replaced.
pub fn wake_file(catalog: &Path) -> PathBuf {
    beside(catalog, ".lock")
}

/// Marks rejected files to be tried again: all, or those of these `reasons`, and of those at or below
/// these `paths` if there are any. Returns how many, by reason. Of what was marked before, no more is
/// said.
pub fn retry(
    catalog: &Path,
    reasons: &[String],
    paths: &[PathBuf],
) -> Result<ByReason, CatalogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opening = |error| opening_fault(catalog, error);
    if !catalog.exists() {
        return Err(no_catalog(catalog));
    }
    let mut connection = Connection::open_with_flags(catalog, flags).map_err(opening)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(opening)?;
    require_current(check_version(&connection, catalog)?, catalog)?;
    let marked =
        mark(&mut connection, reasons, paths).map_err(|error| fault(catalog, "write to", error))?;
    if !marked.is_empty() {
        wake_daemon(catalog);
    }
    Ok(marked)
}

fn mark(
    connection: &mut Connection,
    reasons: &[String],
    paths: &[PathBuf],
) -> rusqlite::Result<ByReason> {
    // A commit is a fact here as well, and another writer is waited for before anything is read.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let paths: Vec<String> = paths.iter().map(|path| path_text(path)).collect();
    let (all_reasons, all_paths) = (reasons.is_empty(), paths.is_empty());
    let (reasons, paths) = (
        serde_json::json!(reasons).to_string(),
        serde_json::json!(paths).to_string(),
    );
    let mut marked = ByReason::new();
    {
        let mut statement = transaction.prepare(&format!(
            "UPDATE cutout SET retry = ?1
             WHERE state = 'rejected' AND retry IS NULL
                 AND (?2 OR {KIND} IN (SELECT value FROM json_each(?3)))
                 AND (?4 OR EXISTS (
                     SELECT 1 FROM json_each(?5) AS wanted
                     WHERE cutout.path = wanted.value
                         OR substr(cutout.path, 1, length(rtrim(wanted.value, '/')) + 1)
                             = rtrim(wanted.value, '/') || '/'))
             RETURNING {KIND}"
        ))?;
        let values = params![time::now(), all_reasons, reasons, all_paths, paths];
        for kind in statement.query_map(values, |row| row.get::<_, String>(0))? {
            *marked.entry(kind?).or_default() += 1;
        }
    }
    transaction.commit()?;
    Ok(marked)
}

/// Wakes the daemon. If it can't be woken, its next scan finds the files.
fn wake_daemon(catalog: &Path) {
    let write = || {
        File::options()
            .write(true)
            .open(wake_file(catalog))?
            .write_all(b"\n")
    };
    if let Err(error) = write() {
        log::info!(
            "cannot tell the daemon of '{}': {error}; its next scan sees to it",
            catalog.display()
        );
    }
}

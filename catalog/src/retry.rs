//! Queues rejected files for another attempt.
//!
//! This is the only thing that another program than the daemon writes: a mark on the row, in one
//! transaction. The row stays rejected and keeps its reason until the daemon has a new verdict. So a kill
//! loses nothing, and the row of a file that is gone keeps its last reason.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use galmorph_cutout::RejectReason;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::connect::{
    BUSY_TIMEOUT, check_version, no_catalog, require_current, require_one_name, require_regular,
};
use crate::error::{fault, opening_fault};
use crate::names::{beside, true_name};
use crate::{CatalogError, path_text, readable, time};

/// Rejected files by the kind of fault.
pub type ByReason = BTreeMap<String, u64>;

/// The kind of fault in `cutout.reason`: what stands before the colon.
pub(crate) const KIND: &str = "substr(reason, 1, instr(reason, ':') - 1)";

/// The file by which the daemon learns that rows were marked. It is the lock file, which is there while a
/// daemon runs, and is never replaced.
pub fn wake_file(catalog: &Path) -> PathBuf {
    beside(&true_name(catalog), ".lock")
}

/// Files that were asked for by one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The file, or the folder above the files.
    pub path: PathBuf,
    /// Where the daemon may have moved them.
    pub moved: Vec<PathBuf>,
}

impl Wanted {
    fn places(&self) -> impl Iterator<Item = String> {
        let paths = std::iter::once(&self.path).chain(&self.moved);
        paths.map(|path| path_text(path).trim_end_matches('/').to_owned())
    }
}

/// Why no file was queued.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The catalog can't be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The catalog has no file at or below this path.
    #[error("the catalog has no file at or below '{}'", readable(.0))]
    NoSuchFile(PathBuf),
}

/// Queues rejected files for another attempt: all, or those of these `reasons`, and of those the `wanted`
/// ones if there are any. Returns how many, by reason. Files that are queued already are not counted.
pub fn retry(
    catalog: &Path,
    reasons: &[RejectReason],
    wanted: &[Wanted],
) -> Result<ByReason, RetryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opening = |error| opening_fault(catalog, error);
    if !catalog.exists() {
        return Err(no_catalog(catalog).into());
    }
    require_regular(catalog)?;
    require_one_name(catalog)?;
    let mut connection = Connection::open_with_flags(catalog, flags).map_err(opening)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(opening)?;
    require_current(check_version(&connection, catalog)?, catalog)?;
    let marked = mark(&mut connection, reasons, wanted)
        .map_err(|error| fault(catalog, "write to", error))??;
    if !marked.is_empty() {
        wake_daemon(catalog);
    }
    Ok(marked)
}

/// The outer error is SQLite's.
fn mark(
    connection: &mut Connection,
    reasons: &[RejectReason],
    wanted: &[Wanted],
) -> rusqlite::Result<Result<ByReason, RetryError>> {
    // A commit is a fact here as well, and another writer is waited for before anything is read.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for one in wanted {
        if !has_files(&transaction, one)? {
            return Ok(Err(RetryError::NoSuchFile(one.path.clone())));
        }
    }
    let reasons: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    let (all_reasons, all_paths) = (reasons.is_empty(), wanted.is_empty());
    let places: Vec<String> = wanted.iter().flat_map(Wanted::places).collect();
    let (reasons, places) = (
        serde_json::json!(reasons).to_string(),
        serde_json::json!(places).to_string(),
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
                         OR substr(cutout.path, 1, length(wanted.value) + 1) = wanted.value || '/'))
             RETURNING {KIND}"
        ))?;
        let values = params![time::now(), all_reasons, reasons, all_paths, places];
        for kind in statement.query_map(values, |row| row.get::<_, String>(0))? {
            *marked.entry(kind?).or_default() += 1;
        }
    }
    transaction.commit()?;
    Ok(Ok(marked))
}

/// Whether the catalog has a file there, in whatever state.
fn has_files(connection: &Connection, wanted: &Wanted) -> rusqlite::Result<bool> {
    // What lies below a folder sorts between its name with a '/' and its name with the next character,
    // which is '0'; so the index over the paths finds it.
    let mut statement = connection.prepare(
        "SELECT EXISTS (SELECT 1 FROM cutout WHERE path = ?1)
             OR EXISTS (SELECT 1 FROM cutout WHERE path >= ?1 || '/' AND path < ?1 || '0')",
    )?;
    for place in wanted.places() {
        if statement.query_row([place], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
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
            readable(catalog)
        );
    }
}

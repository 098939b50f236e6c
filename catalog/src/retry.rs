//! Queues rejected files for another attempt.
//!
//! Besides reviews and class mixes, this is all that another program than the daemon writes: marks on rows, in one transaction. A row stays
//! rejected and keeps its reason until the daemon has a new verdict. So a kill loses nothing.
//!
//! Only a file that can be tried is marked, and of every other one it is said why not. A mark that can lead
//! to nothing would stay for ever.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use galmorph_cutout::RejectReason;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::connect::{
    BUSY_TIMEOUT, check_version, no_catalog, require_current, require_one_name, require_regular,
};
use crate::error::{fault, opening_fault};
use crate::names::{beside, true_name};
use crate::{CatalogError, time};
use galmorph_output::{path_text, readable, text_path};

/// Rejected files by the kind of fault.
pub type ByReason = BTreeMap<String, u64>;

/// The file by which the daemon learns that rows were marked. It is the lock file, which is there while a
/// daemon runs, and is never replaced.
pub fn wake_file(catalog: &Path) -> PathBuf {
    beside(&true_name(catalog), ".lock")
}

/// How many rows are read at once.
const PAGE: usize = 1024;

/// How many files of one kind are named.
const NAMED: usize = 5;

/// Files that were asked for by one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The file, or the folder above the files.
    pub path: PathBuf,
    /// Where the daemon may have moved them. There, a file may have got a number, as in `a.1.jpg`.
    pub moved: Vec<PathBuf>,
}

impl Wanted {
    fn places(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.path).chain(&self.moved)
    }

    fn includes(&self, path: &Path) -> bool {
        let numbered = || self.moved.iter().any(|place| is_numbered(path, place));
        self.places().any(|place| path.starts_with(place)) || numbered()
    }
}

/// Whether a path is that of a place with a number before its ending: `a.1.jpg` for `a.jpg`.
fn is_numbered(path: &Path, place: &Path) -> bool {
    let stem = path.file_stem().map(Path::new);
    stem.is_some_and(|stem| {
        path.parent() == place.parent()
            && path.extension() == place.extension()
            && stem.file_stem() == place.file_stem()
            && stem
                .extension()
                .and_then(|number| number.to_str())
                .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// Whether another attempt at a file can lead to anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    /// The file is there.
    Good,
    /// Nothing is where its row says.
    Gone,
    /// What is where its row says is no file any more: a link, a folder, a FIFO.
    Replaced,
    /// It is there, and no folder that is watched or no setting takes it.
    NotTaken,
}

/// Some files, a few of them by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Few {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub named: Vec<PathBuf>,
}

impl Few {
    fn add(&mut self, path: PathBuf) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(path);
        }
    }
}

/// What became of the rejected files that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retried {
    /// Those that are tried again.
    pub queued: ByReason,
    /// Those that had been queued before.
    pub queued_before: u64,
    /// Those that are gone, and keep their rows.
    pub gone: Few,
    /// Those in whose place something else is, and that keep their rows.
    pub replaced: Few,
    /// Those that are not taken.
    pub not_taken: Few,
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
/// ones if there are any. `chance` looks at a file.
pub fn retry(
    catalog: &Path,
    reasons: &[RejectReason],
    wanted: &[Wanted],
    chance: impl Fn(&Path) -> Chance,
) -> Result<Retried, RetryError> {
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
    let retried = mark_all(&mut connection, reasons, wanted, chance)
        .map_err(|error| fault(catalog, "write to", error))??;
    if !retried.queued.is_empty() {
        wake_daemon(catalog);
    }
    Ok(retried)
}

/// The outer error is SQLite's.
fn mark_all(
    connection: &mut Connection,
    reasons: &[RejectReason],
    wanted: &[Wanted],
    chance: impl Fn(&Path) -> Chance,
) -> rusqlite::Result<Result<Retried, RetryError>> {
    // A commit is a fact here as well.
    connection.pragma_update(None, "synchronous", "FULL")?;
    for one in wanted {
        if !has_files(connection, one)? {
            return Ok(Err(RetryError::NoSuchFile(one.path.clone())));
        }
    }
    let reasons: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    let mut retried = Retried::default();
    // The files are looked at before the transaction: a mount that hangs must not keep the daemon waiting.
    let mut rows = Vec::new();
    let mut last = String::new();
    loop {
        let page = rejected(connection, &last)?;
        let Some(end) = page.last() else {
            break;
        };
        last.clone_from(&end.path);
        for row in page {
            let path = text_path(&row.path);
            let is_wanted = wanted.is_empty() || wanted.iter().any(|one| one.includes(&path));
            if !is_wanted || !(reasons.is_empty() || reasons.contains(&&*row.kind)) {
                continue;
            }
            match chance(&path) {
                Chance::Gone => retried.gone.add(path),
                Chance::Replaced => retried.replaced.add(path),
                Chance::NotTaken => retried.not_taken.add(path),
                Chance::Good if row.is_marked => retried.queued_before += 1,
                Chance::Good => rows.push((row.id, row.kind)),
            }
        }
    }
    retried.queued = mark(connection, rows)?;
    Ok(Ok(retried))
}

/// The row of a rejected file.
struct Rejected {
    id: i64,
    path: String,
    kind: String,
    is_marked: bool,
}

/// The next rows of rejected files after a path, in the order of their paths.
fn rejected(connection: &Connection, last: &str) -> rusqlite::Result<Vec<Rejected>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, path, reason, retry IS NOT NULL FROM cutout
         WHERE reason IS NOT NULL AND path > ?1 ORDER BY path LIMIT {PAGE}"
    ))?;
    statement
        .query_map([last], |row| {
            Ok(Rejected {
                id: row.get(0)?,
                path: row.get(1)?,
                kind: row.get(2)?,
                is_marked: row.get(3)?,
            })
        })?
        .collect()
}

/// Marks rows, all or none, and counts them by reason. By their numbers: the daemon may move a file at this moment. One
/// that it has a new verdict for is no longer rejected, or is rejected for what it is now.
fn mark(connection: &mut Connection, rows: Vec<(i64, String)>) -> rusqlite::Result<ByReason> {
    let mut queued = ByReason::new();
    if rows.is_empty() {
        return Ok(queued);
    }
    // Another writer is waited for here.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = time::milliseconds(Timestamp::now());
    for (id, kind) in rows {
        let marked = transaction
            .prepare_cached(
                "UPDATE cutout SET retry = ?2
                 WHERE id = ?1 AND reason IS NOT NULL AND retry IS NULL",
            )?
            .execute(params![id, now])?;
        if marked > 0 {
            *queued.entry(kind).or_default() += 1;
        }
    }
    transaction.commit()?;
    Ok(queued)
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
        let place = path_text(place);
        if statement.query_row([place.trim_end_matches('/')], |row| row.get(0))? {
            return Ok(true);
        }
    }
    // A number stands between the stem with a '.' and the stem with the next character, which is '/'.
    let mut statement = connection
        .prepare("SELECT path FROM cutout WHERE path >= ?1 || '.' AND path < ?1 || '/'")?;
    for place in &wanted.moved {
        let stem = path_text(&place.with_extension(""));
        let mut rows = statement.query([stem])?;
        while let Some(row) = rows.next()? {
            if is_numbered(&text_path(&row.get::<_, String>(0)?), place) {
                return Ok(true);
            }
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

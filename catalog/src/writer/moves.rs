//! Files that are moved when they have their answer, and what the catalog knows of it.
//!
//! A row says where its file is. The move itself can't be part of a transaction, so there are two around
//! it: one says where the file is about to go, and the next, when it is there, gives the row its new path.
//! Whatever happens in between, the row names both places.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Params, Row, Transaction, params};

use super::{Writer, unsigned};
use crate::error::fault;
use crate::{CatalogError, Stamp, time};
use galmorph_output::{path_text, text_path};

/// A file that is, or was, about to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Where its row says that it is.
    pub from: PathBuf,
    /// Where it goes.
    pub to: PathBuf,
    /// How it was when it was read.
    pub stamp: Stamp,
}

/// What the row of a file says that may be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it was rejected.
    pub rejected: bool,
    /// How it was when it was read.
    pub stamp: Stamp,
}

impl Writer {
    /// Whether a file of this path has a row.
    pub fn has_row(&self, path: &Path) -> Result<bool, CatalogError> {
        self.connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM cutout WHERE path = ?1)")
            .and_then(|mut statement| statement.query_row([path_text(path)], |row| row.get(0)))
            .map_err(|error| fault(&self.path, "read", error))
    }

    /// What the row of a file says; `None` when it has none, or is to be tried again.
    pub fn standing(&self, path: &Path) -> Result<Option<Standing>, CatalogError> {
        let statement = "SELECT reason IS NOT NULL, bytes, modified FROM cutout
             WHERE path = ?1 AND retry IS NULL";
        let found = self.list(statement, [path_text(path)], |row| {
            Ok(Standing {
                rejected: row.get(0)?,
                stamp: stamp(row)?,
            })
        })?;
        Ok(found.into_iter().next())
    }

    /// Says that files are about to be moved.
    pub fn intend(&mut self, moves: &[Move]) -> Result<(), CatalogError> {
        let work = |transaction: &Transaction, file: &Move| {
            transaction
                .prepare_cached("UPDATE cutout SET move_to = ?2 WHERE path = ?1")?
                .execute([path_text(&file.from), path_text(&file.to)])
        };
        self.update(moves, work)
    }

    /// Gives the rows of files that were moved their new paths, and says of others that they stay.
    pub fn end_moves(&mut self, moved: &[Move], stayed: &[Move]) -> Result<(), CatalogError> {
        let now = time::milliseconds(Timestamp::now());
        let files: Vec<(&Move, bool)> = moved
            .iter()
            .map(|file| (file, true))
            .chain(stayed.iter().map(|file| (file, false)))
            .collect();
        // To move a file is to change it, for the kernel. The row is as new as that.
        let there = "UPDATE cutout SET path = ?2, move_to = NULL, updated = ?3
             WHERE path = ?1 AND move_to = ?2";
        let here = "UPDATE cutout SET move_to = NULL WHERE path = ?1 AND move_to = ?2";
        self.update(&files, |transaction, (file, is_there)| {
            let (from, to) = (path_text(&file.from), path_text(&file.to));
            if *is_there {
                transaction
                    .prepare_cached(there)?
                    .execute(params![from, to, now])
            } else {
                transaction.prepare_cached(here)?.execute([from, to])
            }
        })
    }

    /// Marks files to be read again: something happened to them that the daemon was not there to see.
    pub fn mark(&mut self, files: &[PathBuf]) -> Result<(), CatalogError> {
        let now = time::milliseconds(Timestamp::now());
        self.update(files, |transaction, path| {
            transaction
                .prepare_cached("UPDATE cutout SET retry = ?2 WHERE path = ?1")?
                .execute(params![path_text(path), now])
        })
    }

    /// Says of files that they are not tried again. Their rows stay as they are.
    pub fn unmark(&mut self, files: &[PathBuf]) -> Result<(), CatalogError> {
        self.update(files, |transaction, path| {
            transaction
                .prepare_cached("UPDATE cutout SET retry = NULL WHERE path = ?1")?
                .execute([path_text(path)])
        })
    }

    /// Does something to the row of each file, all or none.
    pub(super) fn update<T>(
        &mut self,
        files: &[T],
        change: impl Fn(&Transaction, &T) -> rusqlite::Result<usize>,
    ) -> Result<(), CatalogError> {
        if files.is_empty() {
            return self.verify();
        }
        self.transact("write to", |transaction| {
            for file in files {
                change(transaction, file)?;
            }
            Ok(())
        })
    }

    /// Files that were about to be moved when the daemon ended.
    pub fn unfinished_moves(&self) -> Result<Vec<Move>, CatalogError> {
        let statement =
            "SELECT path, bytes, modified, move_to FROM cutout WHERE move_to IS NOT NULL";
        self.list(statement, [], |row| {
            let to: String = row.get(3)?;
            Ok(Move {
                from: path(row)?,
                to: text_path(&to),
                stamp: stamp(row)?,
            })
        })
    }

    pub(super) fn list<T>(
        &self,
        statement: &str,
        values: impl Params,
        item: fn(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(statement)?;
            statement
                .query_map(values, item)?
                .collect::<rusqlite::Result<Vec<T>>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }
}

/// The path in the first column of a row.
fn path(row: &Row) -> rusqlite::Result<PathBuf> {
    let path: String = row.get(0)?;
    Ok(text_path(&path))
}

/// The size and the time in the second and third columns of a row.
fn stamp(row: &Row) -> rusqlite::Result<Stamp> {
    Ok(Stamp {
        bytes: unsigned(row, 1)?,
        modified: time::parse_exact(row, 2)?,
    })
}

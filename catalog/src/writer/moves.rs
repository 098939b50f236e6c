//! Files that are moved when they have their answer, and what the catalog knows of it.
//!
//! A row says where its file is. The move itself can't be part of a transaction, so there are two around
//! it: the one that records the answer also says where the file is about to go, and the next, when it is
//! there, gives the row its new path. Whatever happens in between, the row names both places.

use std::path::{Path, PathBuf};

use rusqlite::{Params, Row, params};

use super::{Writer, unsigned};
use crate::error::fault;
use crate::{CatalogError, Stamp, path_text, text_path, time};

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

/// A rejected file that is to be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// Where its row says that it is.
    pub path: PathBuf,
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

    /// Says that files are about to be moved, without a new verdict.
    pub fn intend(&mut self, moves: &[Move]) -> Result<(), CatalogError> {
        let statement = "UPDATE cutout SET move_to = ?2 WHERE path = ?1";
        self.update(&[(statement, moves)])
    }

    /// Gives the rows of files that were moved their new paths, and says of others that they stay.
    pub fn end_moves(&mut self, moved: &[Move], stayed: &[Move]) -> Result<(), CatalogError> {
        let there = "UPDATE cutout SET path = ?2, move_to = NULL WHERE path = ?1 AND move_to = ?2";
        let here = "UPDATE cutout SET move_to = NULL WHERE path = ?1 AND move_to = ?2";
        self.update(&[(there, moved), (here, stayed)])
    }

    /// Executes each statement with the two paths of each of its files, all or none.
    fn update(&mut self, work: &[(&str, &[Move])]) -> Result<(), CatalogError> {
        self.write("write to", |connection| {
            let transaction = connection.unchecked_transaction()?;
            for (statement, files) in work {
                for file in *files {
                    transaction
                        .prepare_cached(statement)?
                        .execute([path_text(&file.from), path_text(&file.to)])?;
                }
            }
            transaction.commit()
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

    /// At most `limit` rejected files that are to be tried again, in the order of their paths, from the
    /// one after `last` on.
    pub fn marked(&self, last: &Path, limit: u32) -> Result<Vec<Marked>, CatalogError> {
        let statement = "SELECT path, bytes, modified FROM cutout
             WHERE retry IS NOT NULL AND path > ?1 ORDER BY path LIMIT ?2";
        self.list(statement, params![path_text(last), limit], |row| {
            Ok(Marked {
                path: path(row)?,
                stamp: stamp(row)?,
            })
        })
    }

    fn list<T>(
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
        modified: time::parse(row, 2)?,
    })
}

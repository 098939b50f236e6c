//! Files that are moved when they have their answer, and what the catalog knows of it.
//!
//! A row says where its file is. The move itself can't be part of a transaction, so there are two around
//! it: the one that records the answer also says where the file is about to go, and the next, when it is
//! there, gives the row its new path. Whatever happens in between, the row names both places.

use std::path::{Path, PathBuf};

use rusqlite::{Params, params};

use super::Writer;
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

impl Writer {
    /// Whether a file of this path has a row.
    pub fn has_row(&self, path: &Path) -> Result<bool, CatalogError> {
        self.connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM cutout WHERE path = ?1)")
            .and_then(|mut statement| statement.query_row([path_text(path)], |row| row.get(0)))
            .map_err(|error| fault(&self.path, "read", &error))
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
        let mut work = || {
            let transaction = self.connection.transaction()?;
            for (statement, files) in work {
                for file in *files {
                    transaction
                        .prepare_cached(statement)?
                        .execute([path_text(&file.from), path_text(&file.to)])?;
                }
            }
            transaction.commit()
        };
        work().map_err(|error| fault(&self.path, "write to", &error))
    }

    /// Files that were about to be moved when someone or something ended the daemon.
    pub fn unfinished_moves(&self) -> Result<Vec<Move>, CatalogError> {
        self.list(
            "SELECT path, move_to, bytes, modified FROM cutout WHERE move_to IS NOT NULL",
            [],
        )
    }

    /// Rejected files that someone asked for another try of, in the order of their paths, from behind
    /// `last`. Their `to` is empty.
    pub fn marked(&self, last: &Path, limit: u32) -> Result<Vec<Move>, CatalogError> {
        self.list(
            "SELECT path, '', bytes, modified FROM cutout
             WHERE retry IS NOT NULL AND path > ?1 ORDER BY path LIMIT ?2",
            params![path_text(last), limit],
        )
    }

    fn list(&self, statement: &str, values: impl Params) -> Result<Vec<Move>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(statement)?;
            let rows = statement.query_map(values, |row| {
                let (from, to): (String, String) = (row.get(0)?, row.get(1)?);
                let bytes: i64 = row.get(2)?;
                Ok(Move {
                    from: text_path(&from),
                    to: text_path(&to),
                    stamp: Stamp {
                        bytes: bytes.unsigned_abs(),
                        modified: time::parse(row, 3)?,
                    },
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<Move>>>()
        };
        work().map_err(|error| fault(&self.path, "read", &error))
    }
}

//! Rows of the tables as they are, for programs that copy them elsewhere.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rusqlite::types::Value;
use rusqlite::{Params, Row, params};

use super::Reader;
use crate::CatalogError;
use crate::error::fault;
use crate::schema::answer_columns;
use crate::writer::row_columns;

/// A model as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedModel {
    /// Its number in this catalog.
    pub id: i64,
    /// Its name, for people.
    pub name: String,
    /// The BLAKE3 digest of its file, in hexadecimal digits.
    pub digest: String,
    /// Its card with the settings in use, as JSON.
    pub card: String,
    /// When this catalog met it.
    pub first_used: String,
    /// The numbers that it multiplies.
    pub arithmetic: Option<String>,
}

/// What a person said of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedReview {
    /// Its number in this catalog. Later ones have higher numbers.
    pub id: i64,
    /// The BLAKE3 digest of the image's file.
    pub digest: Vec<u8>,
    /// Who said it.
    pub reviewer: String,
    /// A class, or `none`; nothing takes the reviewer's last word back.
    pub label: Option<String>,
    /// Where the image was shown.
    pub queue: Option<String>,
    /// A remark.
    pub note: Option<String>,
    /// When, in milliseconds since 1970.
    pub reviewed: i64,
}

/// The columns of [`Reader::files_between`], in their order.
pub fn file_columns() -> Vec<String> {
    let mut columns = vec!["id".to_owned()];
    columns.extend(row_columns());
    columns
}

/// The columns of [`Reader::other_answers_between`], in their order.
pub fn other_answer_columns() -> Vec<String> {
    let mut columns = vec!["digest".to_owned()];
    columns.extend(answer_columns());
    columns
}

impl Reader {
    /// The highest id of a file's row; 0 where there is none.
    pub fn last_file(&self) -> Result<i64, CatalogError> {
        self.number("SELECT ifnull(max(id), 0) FROM cutout")
    }

    /// The rows of files with these ids, by id: the values of [`file_columns`]. An id stays with its file when the file
    /// is moved or classified again.
    pub fn files_between(
        &self,
        ids: &RangeInclusive<i64>,
    ) -> Result<Vec<Vec<Value>>, CatalogError> {
        let columns = file_columns().join(", ");
        let statement =
            format!("SELECT {columns} FROM cutout WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
        self.collect_rows(&statement, params![ids.start(), ids.end()], values)
    }

    /// The answers that a file of their content doesn't show, of contents whose digests lie in this range, by their keys:
    /// the values of [`other_answer_columns`].
    pub fn other_answers_between(
        &self,
        first: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Vec<Vec<Value>>, CatalogError> {
        let columns = other_answer_columns().join(", ");
        let statement = format!(
            "SELECT {columns} FROM other_answer WHERE digest >= ?1 AND (?2 IS NULL OR digest < ?2)
             ORDER BY digest, model, rendering"
        );
        self.collect_rows(&statement, params![first, end], values)
    }

    /// The lowest digest from this one on that has an answer which a file doesn't show.
    pub fn next_other_answer(&self, from: &[u8]) -> Result<Option<Vec<u8>>, CatalogError> {
        let statement =
            "SELECT digest FROM other_answer WHERE digest >= ?1 ORDER BY digest LIMIT 1";
        let found = self.collect_rows(statement, [from], |row| row.get(0))?;
        Ok(found.into_iter().next())
    }

    /// The models that have answered, by id.
    pub fn models(&self) -> Result<Vec<CopiedModel>, CatalogError> {
        let statement =
            "SELECT id, name, digest, card, first_used, arithmetic FROM model ORDER BY id";
        self.collect_rows(statement, [], |row| {
            Ok(CopiedModel {
                id: row.get(0)?,
                name: row.get(1)?,
                digest: row.get(2)?,
                card: row.get(3)?,
                first_used: row.get(4)?,
                arithmetic: row.get(5)?,
            })
        })
    }

    /// At most `count` reviews behind the one with this id.
    pub fn reviews_after(&self, id: i64, count: u32) -> Result<Vec<CopiedReview>, CatalogError> {
        let statement = "SELECT id, digest, reviewer, label, queue, note, reviewed FROM review
             WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.collect_rows(statement, params![id, count], |row| {
            Ok(CopiedReview {
                id: row.get(0)?,
                digest: row.get(1)?,
                reviewer: row.get(2)?,
                label: row.get(3)?,
                queue: row.get(4)?,
                note: row.get(5)?,
                reviewed: row.get(6)?,
            })
        })
    }

    /// A number that another one has after any program has written to the catalog.
    pub fn data_version(&self) -> Result<i64, CatalogError> {
        self.number("SELECT data_version FROM pragma_data_version")
    }

    /// The paths of all files, in the order of their bytes. An error that `path` returns ends it.
    pub fn each_path_text<E: From<CatalogError>>(
        &self,
        mut path: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let fault = |error| E::from(fault(&self.path, "read", error));
        let statement = "SELECT path FROM cutout ORDER BY path";
        let mut statement = self.connection.prepare(statement).map_err(fault)?;
        let mut rows = statement.query([]).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            let text = row.get_ref(0).map_err(fault)?;
            path(text.as_str().map_err(|error| fault(error.into()))?)?;
        }
        Ok(())
    }

    /// How many files were rejected, by reason.
    pub fn rejected_by_reason(&self) -> Result<BTreeMap<String, u64>, CatalogError> {
        let statement =
            "SELECT reason, count(*) FROM cutout WHERE reason IS NOT NULL GROUP BY reason";
        let found = self.collect_rows(statement, [], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?;
        Ok(found.into_iter().collect())
    }

    /// Files of a part of an archive that could not be read, and why. A catalog that is none has no such files.
    pub fn unread(&self) -> Result<Vec<(String, String)>, CatalogError> {
        let known = self.number(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'unread' AND type = 'table'",
        )?;
        if known == 0 {
            return Ok(Vec::new());
        }
        let statement = "SELECT path, fault FROM unread ORDER BY path";
        self.collect_rows(statement, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Gives each row of a statement to `row`. An error that it returns ends it.
    pub(crate) fn each_row(
        &self,
        statement: &str,
        mut row: impl FnMut(Vec<Value>) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        let fault = |error| fault(&self.path, "read", error);
        let mut statement = self.connection.prepare(statement).map_err(fault)?;
        let mut rows = statement.query([]).map_err(fault)?;
        while let Some(found) = rows.next().map_err(fault)? {
            row(values(found).map_err(fault)?)?;
        }
        Ok(())
    }

    fn number(&self, statement: &str) -> Result<i64, CatalogError> {
        (self.connection)
            .query_row(statement, [], |row| row.get(0))
            .map_err(|error| fault(&self.path, "read", error))
    }

    fn collect_rows<T>(
        &self,
        statement: &str,
        given: impl Params,
        item: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(statement)?;
            let rows = statement.query_map(given, item)?;
            rows.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }
}

/// All values of a row.
fn values(row: &Row) -> rusqlite::Result<Vec<Value>> {
    let count = row.as_ref().column_count();
    (0..count).map(|column| row.get(column)).collect()
}

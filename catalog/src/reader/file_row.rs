//! The row of a file with all that its view shows, and what else is known of its content.

use blake3::Hash;
use galmorph_cutout::Morphology;
use rusqlite::types::Value as SqlValue;
use rusqlite::{OptionalExtension as _, Row};

use super::Reader;
use crate::columns::{Column, Kind, ViewColumn, catalog_view};
use crate::error::fault;
use crate::export::Value;
use crate::schema::{is_settling, select, settling_rows};
use crate::writer::unsigned;
use crate::{CatalogError, Stamp, time};

/// What a row has besides the columns of its view.
const MORE: [&str; 7] = [
    "id",
    "digest",
    "bytes",
    "width",
    "height",
    "rendering",
    "retry",
];

/// The time of the file, as the table holds it.
const MODIFIED: &str = "stored_modified";

/// A row of a file, with all that its view shows.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRow {
    /// Its number, which it keeps for as long as it is there.
    pub id: i64,
    /// The digest of the file's content; `None` for a file that was too large to read.
    pub digest: Option<Hash>,
    /// Size and time of the file when it was read.
    pub stamp: Stamp,
    /// Width and height of the image in pixels, where it could be decoded.
    pub dimensions: Option<(u32, u32)>,
    /// How the image was asked to be shown to the network.
    pub rendering: Option<String>,
    /// Whether it is to be tried again.
    pub is_queued: bool,
    cells: Vec<(String, Value)>,
}

impl FileRow {
    /// A cell of its view.
    ///
    /// # Panics
    /// If the view has no column of this name.
    pub fn value(&self, column: &str) -> &Value {
        let mut cells = self.cells.iter();
        let found = cells.find(|(name, _)| name == column);
        &found.expect("a column is named that the view has").1
    }

    /// A text, if there is one.
    pub fn text(&self, column: &str) -> Option<&str> {
        match self.value(column) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, if there is one.
    pub fn number(&self, column: &str) -> Option<f64> {
        match self.value(column) {
            Value::Real(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// The class, of a file that was classified.
    pub fn label(&self) -> Option<Morphology> {
        self.text("label")?.parse().ok()
    }
}

impl Reader {
    /// The row of a classified file, by its number.
    pub fn classified(&self, id: i64) -> Result<Option<FileRow>, CatalogError> {
        let work = || {
            let source = if is_settling(&self.connection)? {
                settling_rows()
            } else {
                "cutout".to_owned()
            };
            let sql = format!(
                "SELECT * FROM {} AS shown WHERE id = ?1",
                classified(&source)
            );
            let mut statement = self.connection.prepare_cached(&sql)?;
            statement
                .query_row([id], |row| file_row(row, &catalog_view()))
                .optional()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// A classified file of this content; of several, the one that was found first.
    pub fn of_digest(&self, digest: &Hash) -> Result<Option<FileRow>, CatalogError> {
        let work = || {
            let statement = "SELECT id FROM cutout
                 WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 AND label IS NOT NULL
                 ORDER BY id LIMIT 1";
            let mut statement = self.connection.prepare_cached(statement)?;
            statement
                .query_row([digest.as_bytes()], |row| row.get::<_, i64>(0))
                .optional()
        };
        match work().map_err(|error| fault(&self.path, "read", error))? {
            Some(id) => self.classified(id),
            None => Ok(None),
        }
    }

    /// All answers to a content, the newest first: as the rows of the view `classification`, with the models' names.
    pub fn answers(&self, digest: &Hash) -> Result<Vec<OldAnswer>, CatalogError> {
        let work = || {
            let own = "label, confidence, model, rendering, classified";
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT label, confidence, (SELECT name FROM model WHERE model.id = answer.model), rendering,
                     strftime('%Y-%m-%dT%H:%M:%fZ', classified / 1000.0, 'unixepoch')
                 FROM (SELECT {own} FROM cutout
                       WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 AND label IS NOT NULL
                       UNION SELECT {own} FROM other_answer WHERE digest = ?1) AS answer
                 ORDER BY classified DESC LIMIT 100"
            ))?;
            statement
                .query_map([digest.as_bytes()], |row| {
                    Ok(OldAnswer {
                        label: row.get(0)?,
                        confidence: row.get(1)?,
                        model: row.get(2)?,
                        rendering: row.get(3)?,
                        at: row.get(4)?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// The largest number that a row has; 0 where there are none.
    pub fn last_id(&self) -> Result<i64, CatalogError> {
        (self.connection)
            .query_row("SELECT ifnull(max(id), 0) FROM cutout", [], |row| {
                row.get(0)
            })
            .map_err(|error| fault(&self.path, "read", error))
    }
}

/// One of the answers to a content.
#[derive(Debug, Clone, PartialEq)]
pub struct OldAnswer {
    /// The class.
    pub label: String,
    /// Its probability.
    pub confidence: f64,
    /// The model's name.
    pub model: String,
    /// How the image was asked to be shown.
    pub rendering: String,
    /// When it was given: ISO 8601, UTC.
    pub at: String,
}

/// The rows of classified files, with what a [`FileRow`] needs.
pub(super) fn classified(source: &str) -> String {
    let rows = with_more(&catalog_view(), source, "label IS NOT NULL");
    format!("({rows})")
}

/// The rows of a view, with what a [`FileRow`] needs. The file's own time goes by another name: a view may show it as
/// text.
pub(super) fn with_more(columns: &[ViewColumn], source: &str, condition: &str) -> String {
    let mut columns = columns.to_vec();
    let more = MORE.map(|name| (name, name)).into_iter();
    for (name, sql) in more.chain([(MODIFIED, "modified")]) {
        if columns.iter().all(|column| column.column.name != name) {
            columns.push(ViewColumn {
                column: Column::text(name),
                sql: sql.to_owned(),
            });
        }
    }
    select(&columns, source, condition)
}

pub(super) fn file_row(row: &Row, columns: &[ViewColumn]) -> rusqlite::Result<FileRow> {
    let cell = |column: &ViewColumn| {
        let name = column.column.name.clone();
        let value = match row.get::<_, SqlValue>(&*name)? {
            SqlValue::Text(text) if column.column.kind == Kind::Time => {
                Value::Text(time::with_zone(text))
            }
            SqlValue::Null | SqlValue::Blob(_) => Value::Nothing,
            SqlValue::Integer(number) => Value::Integer(number),
            SqlValue::Real(number) => Value::Real(number),
            SqlValue::Text(text) => Value::Text(text),
        };
        Ok((name, value))
    };
    let place = |name: &str| row.as_ref().column_index(name);
    let digest: Option<Vec<u8>> = row.get("digest")?;
    let digest = digest.and_then(|digest| Some(Hash::from_bytes(digest.try_into().ok()?)));
    let (width, height): (Option<u32>, Option<u32>) = (row.get("width")?, row.get("height")?);
    Ok(FileRow {
        id: row.get("id")?,
        digest,
        stamp: Stamp {
            bytes: unsigned(row, place("bytes")?)?,
            modified: time::parse_exact(row, place(MODIFIED)?)?,
        },
        dimensions: width.zip(height),
        rendering: row.get("rendering")?,
        is_queued: row.get::<_, Option<i64>>("retry")?.is_some(),
        cells: columns.iter().map(cell).collect::<rusqlite::Result<_>>()?,
    })
}

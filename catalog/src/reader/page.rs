//! Rows page by page, for those who look at them.
//!
//! A page begins behind the last row of the one before (*keyset paging*), never at a number of rows. So the thousandth
//! page takes as long as the first, and rows that arrive meanwhile move none to another page. The order is by one
//! column, and among equals by the row's number, which every index of SQLite has as its last column.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blake3::Hash;
use galmorph_cutout::Morphology;
use rusqlite::types::Value as SqlValue;
use rusqlite::{OptionalExtension as _, Row};
use serde::{Deserialize, Serialize};

use super::filter::{conditions_of, rows_to_select};
use super::{Filter, Order, Reader};
use crate::columns::{Column, Kind, ViewColumn, catalog_view, rejected_view};
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

/// Where a page begins or ends: the last row that is not on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place(Key, i64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Key {
    Nothing(()),
    Integer(i64),
    Real(f64),
    Text(String),
}

impl Place {
    /// As a word for an address.
    pub fn to_word(&self) -> String {
        let json = serde_json::to_string(self).expect("a key is a value of JSON");
        URL_SAFE_NO_PAD.encode(json)
    }

    /// From the word of [`to_word`](Self::to_word); `None` if it is none.
    pub fn from_word(word: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(word).ok()?;
        serde_json::from_slice(&json).ok()
    }

    fn sql(&self) -> SqlValue {
        match &self.0 {
            Key::Nothing(()) => SqlValue::Null,
            Key::Integer(number) => (*number).into(),
            Key::Real(number) => (*number).into(),
            Key::Text(text) => text.clone().into(),
        }
    }
}

/// Which page is wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Turn {
    /// The first one.
    #[default]
    First,
    /// The one behind this row.
    After(Place),
    /// The one in front of this row.
    Before(Place),
}

/// Some rows in their order.
#[derive(Debug, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<FileRow>,
    /// Where the page before ends, if there is one.
    pub previous: Option<Place>,
    /// Where the next page begins, if there is one.
    pub next: Option<Place>,
}

/// Which of the reviewed rows are left out.
#[derive(Debug, Clone, Copy)]
pub struct Unreviewed<'a> {
    /// Rows that this person has said something of, and did not take back.
    pub by: &'a str,
}

impl Reader {
    /// A page of classified files, of at most `limit`.
    pub fn page(
        &self,
        filter: &Filter,
        unreviewed: Option<Unreviewed>,
        turn: &Turn,
        limit: usize,
    ) -> Result<Page, CatalogError> {
        let query = self.ordered_by(filter, unreviewed)?;
        self.turn(&query, &catalog_view(), turn, limit)
    }

    fn ordered_by(
        &self,
        filter: &Filter,
        unreviewed: Option<Unreviewed>,
    ) -> Result<Ordered, CatalogError> {
        let read = |error| fault(&self.path, "read", error);
        let order = filter.order.clone().unwrap_or_else(|| Order {
            column: "confidence".into(),
            descending: false,
        });
        let mut values = Vec::new();
        let source = match &filter.model {
            Some(name) => {
                values.push(SqlValue::from(name.clone()));
                rows_to_select()
            }
            None if is_settling(&self.connection).map_err(read)? => settling_rows(),
            None => "cutout".to_owned(),
        };
        let rows = classified(&source);
        let mut conditions = vec!["label IS NOT NULL".to_owned()];
        let own = conditions_of(filter);
        // The index of the order serves these conditions, too.
        let is_ordered = |sql: &str| {
            let is_of_label = order.column == "confidence" && sql.contains("{}label = ?");
            is_of_label || sql.contains(&format!("{{}}{} ", order.column))
        };
        let driver = match own.iter().position(|condition| is_ordered(&condition.sql)) {
            Some(at) => Some(at),
            None => self.driver(&own, &rows, &values)?,
        };
        for (at, condition) in own.into_iter().enumerate() {
            conditions.push(condition.with(driver == Some(at)));
            values.extend(condition.values);
        }
        if let Some(Unreviewed { by }) = unreviewed {
            conditions.push(UNREVIEWED.to_owned());
            values.push(by.to_owned().into());
        }
        Ok(Ordered {
            select: format!("SELECT * FROM {rows} AS shown"),
            conditions,
            values,
            column: order.column,
            descending: order.descending,
        })
    }

    /// The statement behind a page, to look at how it is carried out.
    #[cfg(test)]
    pub(crate) fn page_statement(&self, filter: &Filter, turn: &Turn) -> (String, Vec<SqlValue>) {
        let place = match turn {
            Turn::After(place) => Some(place),
            _ => None,
        };
        let query = self
            .ordered_by(filter, None)
            .expect("a catalog of this version");
        query.statement(place, false, 1)
    }

    /// A page of rejected files in the order of their paths, of at most `limit`: all, or those of a reason.
    pub fn rejected_page(
        &self,
        reason: Option<&str>,
        turn: &Turn,
        limit: usize,
    ) -> Result<Page, CatalogError> {
        let columns = rejected_view();
        let rows = with_more(&columns, "cutout", "reason IS NOT NULL");
        let mut conditions = vec!["reason IS NOT NULL".to_owned()];
        let mut values = Vec::new();
        if let Some(reason) = reason {
            conditions.push("reason = ?".into());
            values.push(reason.to_owned().into());
        }
        let query = Ordered {
            select: format!("SELECT * FROM ({rows}) AS shown"),
            conditions,
            values,
            column: "path".into(),
            descending: false,
        };
        self.turn(&query, &columns, turn, limit)
    }

    fn turn(
        &self,
        query: &Ordered,
        columns: &[ViewColumn],
        turn: &Turn,
        limit: usize,
    ) -> Result<Page, CatalogError> {
        let mut rows = self.ordered(query, columns, turn, limit + 1)?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let is_back = matches!(turn, Turn::Before(_));
        if is_back {
            rows.reverse();
        }
        let is_time = columns
            .iter()
            .any(|column| column.column.name == query.column && column.column.kind == Kind::Time);
        let place = |row: &FileRow| row.place(&query.column, is_time);
        let (first, last) = (rows.first().map(place), rows.last().map(place));
        let (previous, next) = match turn {
            Turn::First => (None, last.filter(|_| has_more)),
            Turn::After(_) => (first, last.filter(|_| has_more)),
            Turn::Before(_) => (first.filter(|_| has_more), last),
        };
        Ok(Page {
            rows,
            previous,
            next,
        })
    }

    fn ordered(
        &self,
        query: &Ordered,
        columns: &[ViewColumn],
        turn: &Turn,
        limit: usize,
    ) -> Result<Vec<FileRow>, CatalogError> {
        let (place, is_back) = match turn {
            Turn::First => (None, false),
            Turn::After(place) => (Some(place), false),
            Turn::Before(place) => (Some(place), true),
        };
        let (sql, values) = query.statement(place, is_back, limit);
        let work = || {
            let mut statement = self.connection.prepare(&sql)?;
            statement
                .query_map(rusqlite::params_from_iter(values), |row| {
                    file_row(row, columns)
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

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

/// Where no person's last word on the content is one.
const UNREVIEWED: &str = "NOT EXISTS (SELECT 1 FROM review AS said WHERE said.digest = shown.digest AND said.reviewer = ?
     AND said.label IS NOT NULL
     AND said.id = (SELECT max(id) FROM review AS newest
                    WHERE newest.digest = said.digest AND newest.reviewer = said.reviewer))";

/// The rows of classified files, with what a [`FileRow`] needs.
fn classified(source: &str) -> String {
    let rows = with_more(&catalog_view(), source, "label IS NOT NULL");
    format!("({rows})")
}

/// The rows of a view, with what a [`FileRow`] needs. The file's own time goes by another name: a view may show it as
/// text.
fn with_more(columns: &[ViewColumn], source: &str, condition: &str) -> String {
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

struct Ordered {
    select: String,
    conditions: Vec<String>,
    values: Vec<SqlValue>,
    column: String,
    descending: bool,
}

impl Ordered {
    /// The statement for the rows behind a place, or in front of it, the nearest first.
    fn statement(
        &self,
        place: Option<&Place>,
        is_back: bool,
        limit: usize,
    ) -> (String, Vec<SqlValue>) {
        let (column, mut values) = (&*self.column, self.values.clone());
        let mut conditions = self.conditions.clone();
        let descending = self.descending != is_back;
        if let Some(place) = place {
            let (sql, more) = behind(column, descending, place);
            conditions.push(sql);
            values.extend(more);
        }
        let direction = if descending { "DESC" } else { "ASC" };
        values.push((limit as i64).into());
        let sql = format!(
            "{} WHERE {} ORDER BY {column} {direction}, id {direction} LIMIT ?",
            self.select,
            conditions.join(" AND "),
        );
        (sql, values)
    }
}

/// The columns that no row lacks, so that no thought of NULL keeps SQLite from their index.
const NEVER_EMPTY: [&str; 4] = ["confidence", "classified_at", "path", "object_id"];

/// The condition for the rows behind a place, in the order of a column and then of the numbers.
fn behind(column: &str, descending: bool, place: &Place) -> (String, Vec<SqlValue>) {
    let (key, id) = (place.sql(), SqlValue::from(place.1));
    let beyond = if descending { "<" } else { ">" };
    if key == SqlValue::Null {
        // Of all values, SQLite puts NULL first.
        let sql = if descending {
            format!("({column} IS NULL AND id < ?)")
        } else {
            format!("({column} IS NOT NULL OR id > ?)")
        };
        return (sql, vec![id]);
    }
    // SQLite finds the place in an index by the first comparison; by a pair, not in an index of an expression.
    let sql = format!("({column} {beyond}= ? AND ({column} {beyond} ? OR id {beyond} ?))");
    let values = vec![key.clone(), key, id];
    if descending && !NEVER_EMPTY.contains(&column) {
        return (format!("({sql} OR {column} IS NULL)"), values);
    }
    (sql, values)
}

impl FileRow {
    fn place(&self, column: &str, is_time: bool) -> Place {
        let key = match self.value(column) {
            Value::Nothing => Key::Nothing(()),
            Value::Integer(number) => Key::Integer(*number),
            Value::Real(number) => Key::Real(*number),
            Value::Text(text) if is_time => Key::Text(time::without_zone(text)),
            Value::Text(text) => Key::Text(text.clone()),
        };
        Place(key, self.id)
    }
}

fn file_row(row: &Row, columns: &[ViewColumn]) -> rusqlite::Result<FileRow> {
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

//! Rows page by page, for those who look at them.
//!
//! A page begins behind the last row of the one before (*keyset paging*), never at a number of rows. So the thousandth
//! page takes as long as the first, and rows that arrive meanwhile move none to another page. The order is by one
//! column, and among equals by the row's number, which every index of SQLite has as its last column.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value as SqlValue;
use serde::{Deserialize, Serialize};

use super::file_row::{classified, file_row, with_more};
use super::filter::{conditions_of, rows_to_select};
use super::{FileRow, Filter, Order, Reader};
use crate::columns::{Kind, ViewColumn, catalog_view, rejected_view};
use crate::error::fault;
use crate::export::Value;
use crate::schema::{is_settling, settling_rows};
use crate::{CatalogError, time};

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
}

/// Where no person's last word on the content is one.
const UNREVIEWED: &str = "NOT EXISTS (SELECT 1 FROM review AS said WHERE said.digest = shown.digest AND said.reviewer = ?
     AND said.label IS NOT NULL
     AND said.id = (SELECT max(id) FROM review AS newest
                    WHERE newest.digest = said.digest AND newest.reviewer = said.reviewer))";

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

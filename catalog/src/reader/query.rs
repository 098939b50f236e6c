//! Reading the catalog for people and programs: the `catalog` view with a few filters, and what was
//! rejected. Anything beyond is a matter for SQL, which the file is open to.

use std::fmt::Write as _;

use galmorph_cutout::Morphology;
use rusqlite::types::{ToSqlOutput, Value as SqlValue};

use super::Reader;
use crate::CatalogError;
use crate::error::fault;
use crate::export::Value;
use crate::schema::wide;

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this class.
    pub label: Option<Morphology>,
    /// Only answers at least so confident.
    pub min_confidence: Option<f64>,
    /// The answers of this model, not the newest; of several of this name, those of the one in use, else
    /// the newest.
    pub model: Option<String>,
    /// At most so many rows.
    pub limit: Option<u64>,
}

/// A statement that is ready to run.
#[derive(Debug)]
pub struct Query {
    sql: String,
    values: Vec<ToSqlOutput<'static>>,
}

impl Query {
    /// The classified cutouts, as the `catalog` view shows them, by path.
    pub fn classified(filter: &Filter) -> Self {
        let mut values = Vec::new();
        let rows = match &filter.model {
            None => "catalog".to_owned(),
            Some(name) => {
                values.push(ToSqlOutput::Owned(name.clone().into()));
                let of_that_name = "AND newest.model IN (SELECT id FROM model WHERE name = ?1)";
                format!("({})", wide(of_that_name))
            }
        };
        let mut query = Self {
            sql: format!("SELECT * FROM {rows} WHERE label IS NOT NULL"),
            values,
        };
        if let Some(label) = filter.label {
            query.and("label =", label.name().to_owned());
        }
        if let Some(confidence) = filter.min_confidence {
            query.and("confidence >=", confidence);
        }
        query.in_order(filter.limit)
    }

    /// The rejected files and why, by path.
    pub fn rejected(limit: Option<u64>) -> Self {
        let query = Self {
            sql: "SELECT path, reason, bytes, modified, attempts, updated FROM cutout
                  WHERE state = 'rejected'"
                .into(),
            values: Vec::new(),
        };
        query.in_order(limit)
    }

    fn and(&mut self, condition: &str, value: impl Into<SqlValue>) {
        self.values.push(ToSqlOutput::Owned(value.into()));
        // Writing to a string can't fail.
        let _ = write!(self.sql, " AND {condition} ?{}", self.values.len());
    }

    fn in_order(mut self, limit: Option<u64>) -> Self {
        self.sql.push_str(" ORDER BY path");
        if let Some(limit) = limit {
            let _ = write!(self.sql, " LIMIT {limit}");
        }
        self
    }
}

impl Reader {
    /// Runs a query: its columns to `header`, then each row to `row`, as they are read. What these
    /// return as an error ends the query and is returned.
    pub fn run<E: From<CatalogError>>(
        &self,
        query: &Query,
        header: impl FnOnce(&[&str]) -> Result<(), E>,
        mut row: impl FnMut(&[Value]) -> Result<(), E>,
    ) -> Result<(), E> {
        let fault = |error| E::from(fault(&self.path, "read", error));
        let mut statement = self.connection.prepare(&query.sql).map_err(fault)?;
        let names: Vec<&str> = statement.column_names().collect();
        header(&names)?;
        let columns = statement.column_count();
        let mut rows = statement
            .query(rusqlite::params_from_iter(&query.values))
            .map_err(fault)?;
        while let Some(found) = rows.next().map_err(fault)? {
            let values: Vec<Value> = (0..columns)
                .map(|column| found.get(column).map(value))
                .collect::<rusqlite::Result<_>>()
                .map_err(fault)?;
            row(&values)?;
        }
        Ok(())
    }
}

fn value(value: SqlValue) -> Value {
    match value {
        SqlValue::Null | SqlValue::Blob(_) => Value::Nothing,
        SqlValue::Integer(integer) => Value::Integer(integer),
        SqlValue::Real(real) => Value::Real(real),
        SqlValue::Text(text) => Value::Text(text),
    }
}

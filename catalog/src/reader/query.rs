//! The catalog for people and programs: the view `catalog` with a few filters, and the rejected files.
//! For anything more, there is SQL.

use std::fmt::Write as _;
use std::path::Path;

use galmorph_cutout::Morphology;
use galmorph_output::path_text;
use rusqlite::types::{ToSqlOutput, Value as SqlValue};

use super::Reader;
use crate::columns::{Column, classified_columns, rejected_columns};
use crate::error::fault;
use crate::export::{ModelOrigin, Provenance, Value};
use crate::schema::wide;
use crate::{CatalogError, time};

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this class.
    pub label: Option<Morphology>,
    /// Only answers whose confidence is at least this, 0 to 1.
    pub min_confidence: Option<f64>,
    /// The answers of this model, not the newest; of several of this name, those of the one in use, else
    /// the newest.
    pub model: Option<String>,
    /// The most rows that are given.
    pub limit: Option<u64>,
}

fn list(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    names.join(", ")
}

/// A statement that is ready to run.
#[derive(Debug)]
pub struct Query {
    columns: Vec<Column>,
    sql: String,
    values: Vec<ToSqlOutput<'static>>,
}

impl Query {
    /// The classified cutouts, as the `catalog` view of this catalog shows them, by path. A column that the view
    /// of an earlier version doesn't have is NULL.
    pub fn classified(reader: &Reader, filter: &Filter) -> Result<Self, CatalogError> {
        let mut values = Vec::new();
        let rows = match &filter.model {
            None => "catalog".to_owned(),
            Some(name) => {
                values.push(ToSqlOutput::Owned(name.clone().into()));
                let of_that_name = "AND newest.model IN (SELECT id FROM model WHERE name = ?1)";
                format!("({})", wide(of_that_name))
            }
        };
        let columns = classified_columns();
        let known = reader.view_columns()?;
        let selected = columns.iter().map(|column| {
            if known.contains(&column.name) {
                column.name.clone()
            } else {
                format!("NULL AS {}", column.name)
            }
        });
        let selected: Vec<String> = selected.collect();
        let mut query = Self {
            sql: format!(
                "SELECT {} FROM {rows} WHERE label IS NOT NULL",
                selected.join(", ")
            ),
            columns,
            values,
        };
        if let Some(label) = filter.label {
            query.and("label =", label.name().to_owned());
        }
        if let Some(confidence) = filter.min_confidence {
            query.and("confidence >=", confidence);
        }
        Ok(query.in_order(filter.limit))
    }

    /// The rejected files and why, by path.
    pub fn rejected(limit: Option<u64>) -> Self {
        let columns = rejected_columns();
        let query = Self {
            sql: format!(
                "SELECT {} FROM cutout WHERE state = 'rejected'",
                list(&columns)
            ),
            columns,
            values: Vec::new(),
        };
        query.in_order(limit)
    }

    /// The columns of its rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
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
    /// Runs a query and gives each row to `row` as it is read. An error that `row` returns ends the query
    /// and is returned.
    pub fn run<E: From<CatalogError>>(
        &self,
        query: &Query,
        mut row: impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        let fault = |error| E::from(fault(&self.path, "read", error));
        let mut statement = self.connection.prepare(&query.sql).map_err(fault)?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(&query.values))
            .map_err(fault)?;
        while let Some(found) = rows.next().map_err(fault)? {
            let values = (0..query.columns.len())
                .map(|column| found.get(column).map(value))
                .collect::<rusqlite::Result<_>>()
                .map_err(fault)?;
            row(values)?;
        }
        Ok(())
    }

    /// Where the rows of this catalog come from. `program` reads them, to answer `query`.
    pub fn provenance(&self, program: &str, query: &str) -> Result<Provenance, CatalogError> {
        let work = || {
            let mut statement =
                (self.connection).prepare("SELECT name, digest FROM model ORDER BY id")?;
            let models = statement.query_map([], |row| {
                Ok(ModelOrigin {
                    name: row.get(0)?,
                    digest: row.get(1)?,
                })
            })?;
            let mut models = models.collect::<rusqlite::Result<Vec<_>>>()?;
            // One file with several cards, as under several settings, is one model.
            models.dedup();
            Ok(models)
        };
        let name = self.path.file_name().unwrap_or_default();
        Ok(Provenance {
            program: program.to_owned(),
            time: time::now(),
            catalog: path_text(Path::new(name)),
            query: query.to_owned(),
            models: work().map_err(|error| fault(&self.path, "read", error))?,
        })
    }

    /// The columns of the view `catalog`, in their order.
    fn view_columns(&self) -> Result<Vec<String>, CatalogError> {
        let work = || {
            let mut statement = self
                .connection
                .prepare("SELECT name FROM pragma_table_info('catalog')")?;
            let names = statement.query_map([], |row| row.get(0))?;
            names.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// The names of the models that have a row, the newest first, each once.
    pub fn model_names(&self) -> Result<Vec<String>, CatalogError> {
        let work = || {
            let statement = "SELECT name FROM model GROUP BY name ORDER BY max(id) DESC";
            let mut statement = self.connection.prepare(statement)?;
            let names = statement.query_map([], |row| row.get(0))?;
            names.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
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

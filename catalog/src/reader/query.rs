//! Running queries: rows as typed values, and where they come from.

use std::fmt::Write as _;
use std::path::Path;

use galmorph_output::path_text;
use rusqlite::types::Value as SqlValue;
use rusqlite::{OptionalExtension as _, Row};

use super::{Query, Reader};
use crate::columns::{Column, Kind};
use crate::error::fault;
use crate::export::{ModelOrigin, Provenance, Value};
use crate::{CatalogError, time};

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
            row(values(found, &query.columns).map_err(fault)?)?;
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

    /// The columns of a view, in their order; none if there is no such view.
    pub(super) fn view_columns(&self, view: &str) -> Result<Vec<String>, CatalogError> {
        let work = || {
            let mut statement =
                (self.connection).prepare("SELECT name FROM pragma_table_info(?1)")?;
            let names = statement.query_map([view], |row| row.get(0))?;
            names.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// The card of a model, as JSON: of the one of this name, or of the one in use. `None` if there is no such model.
    pub fn card(&self, model: Option<&str>) -> Result<Option<String>, CatalogError> {
        let work = || {
            let statement = "SELECT card FROM model
                 WHERE iif(?1 IS NULL, id = (SELECT watch.model FROM watch), name = ?1)
                 ORDER BY id = (SELECT watch.model FROM watch) DESC, id DESC LIMIT 1";
            (self.connection)
                .query_row(statement, [model], |row| row.get(0))
                .optional()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// The card of the model whose answers have this name and this digest in the view `catalog`, as JSON. `None` if there is no such
    /// model. Before version 7, the view had no digest.
    pub fn card_of(
        &self,
        model: &str,
        model_digest: Option<&str>,
    ) -> Result<Option<String>, CatalogError> {
        let work = || {
            let statement = "SELECT card FROM model WHERE name = ?1 AND digest = ifnull(?2, digest)
                 ORDER BY id DESC LIMIT 1";
            (self.connection)
                .query_row(statement, [Some(model), model_digest], |row| row.get(0))
                .optional()
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

/// The values of a row in its columns.
pub(super) fn values(row: &Row, columns: &[Column]) -> rusqlite::Result<Vec<Value>> {
    (columns.iter().enumerate())
        .map(|(at, column)| {
            let found: SqlValue = row.get(at)?;
            let is_whole = column.kind == Kind::Integer;
            // Only a question in SQL can have such a column, when its first thousand rows were otherwise.
            if (is_whole || column.kind == Kind::Real)
                && (matches!(found, SqlValue::Text(_))
                    || (is_whole && matches!(found, SqlValue::Real(_))))
            {
                let kind = found.data_type();
                return Err(rusqlite::Error::InvalidColumnType(
                    at,
                    column.name.clone(),
                    kind,
                ));
            }
            Ok(value(found, column.kind))
        })
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes any text");
    }
    text
}

fn value(value: SqlValue, kind: Kind) -> Value {
    match value {
        SqlValue::Text(text) if kind == Kind::Time => Value::Text(time::with_zone(text)),
        SqlValue::Null => Value::Nothing,
        SqlValue::Blob(bytes) => Value::Text(hexadecimal(&bytes)),
        // A column of SQL may hold both. Its kind is Real then.
        SqlValue::Integer(integer) if kind == Kind::Real => Value::Real(integer as f64),
        SqlValue::Integer(integer) if kind == Kind::Text => Value::Text(integer.to_string()),
        SqlValue::Real(real) if kind == Kind::Text => Value::Text(real.to_string()),
        SqlValue::Integer(integer) => Value::Integer(integer),
        SqlValue::Real(real) => Value::Real(real),
        SqlValue::Text(text) => Value::Text(text),
    }
}

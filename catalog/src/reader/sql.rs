//! Questions in SQL.

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::ValueRef;

use super::{Query, Reader};
use crate::CatalogError;
use crate::columns::{Column, Kind, classified_columns, rejected_columns};

/// From how many rows it follows what the columns hold.
const ROWS_FOR_KINDS: usize = 1000;

/// What a question that can't be asked is wrong in.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The catalog can't be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The text is no single question.
    #[error("cannot ask the catalog: {0}")]
    Question(String),
}

impl Query {
    /// A question in SQL, which reads and does nothing else. What the columns hold follows from its first thousand rows; a
    /// column that has the name of one of a view has its description, too.
    pub fn of_sql(reader: &Reader, sql: &str) -> Result<Self, SqlError> {
        let question = |error: rusqlite::Error| SqlError::Question(error.to_string());
        let sql = sql.trim().trim_end_matches(';');
        // Some statements that count as reading write files of their own, or open others.
        let first = sql
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_lowercase();
        if !["select", "with", "values", "explain"].contains(&&*first) {
            return Err(SqlError::Question(
                "it must begin with SELECT, WITH, VALUES or EXPLAIN".into(),
            ));
        }
        let mut batch = rusqlite::Batch::new(&reader.connection, sql);
        let first = batch.next().map_err(question)?;
        let Some(mut statement) = first else {
            return Err(SqlError::Question("there is nothing to ask".into()));
        };
        if batch.next().map_err(question)?.is_some() {
            return Err(SqlError::Question("ask one thing at a time".into()));
        }
        if !statement.readonly() {
            return Err(SqlError::Question("it must only read".into()));
        }
        let mut described = classified_columns();
        described.extend(rejected_columns());
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).map_err(question)?;
        let mut kinds: Vec<Option<Kind>> = vec![None; names.len()];
        for _ in 0..ROWS_FOR_KINDS {
            let Some(row) = rows.next().map_err(question)? else {
                break;
            };
            for (at, kind) in kinds.iter_mut().enumerate() {
                let found = match row.get_ref(at).map_err(question)? {
                    ValueRef::Null => continue,
                    ValueRef::Integer(_) => Kind::Integer,
                    ValueRef::Real(_) => Kind::Real,
                    // Times are given as they are, so that they can be asked for again.
                    ValueRef::Text(_) | ValueRef::Blob(_) => Kind::Text,
                };
                *kind = Some(match *kind {
                    None => found,
                    Some(before) if before == found => found,
                    Some(Kind::Integer | Kind::Real) if found != Kind::Text => Kind::Real,
                    Some(_) => Kind::Text,
                });
            }
        }
        let columns = names.into_iter().zip(kinds).map(|(name, kind)| {
            let kind = kind.unwrap_or(Kind::Text);
            let known = described.iter().find(|column| column.name == name);
            let column = known.cloned().unwrap_or_else(|| Column::text(name));
            Column { kind, ..column }
        });
        Ok(Self {
            columns: columns.collect(),
            sql: sql.to_owned(),
            values: Vec::new(),
        })
    }
}

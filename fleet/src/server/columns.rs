//! SQLite's values as PostgreSQL's. SQLite keeps any value in any column, so what doesn't belong in one is a fault, and no
//! other value.

use galmorph_catalog::{file_columns, other_answer_columns};
use jiff::Timestamp;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};
use postgres::{ToStatement, Transaction};
use rusqlite::types::Value;

use super::Fault;
use crate::Failure;

/// A value on its way.
pub(crate) type Cell = Box<dyn ToSql + Sync>;

/// What a column holds, there and here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Real,
    Whole,
    Bytes,
    /// Milliseconds since 1970.
    Time,
    /// Nanoseconds since 1970; a text in a year that they don't reach.
    Nanoseconds,
    /// The number of a model in its catalog.
    Model,
}

/// What the columns of a machine's tables hold.
const COLUMNS: [(&str, Holds); 41] = [
    ("id", Holds::Whole),
    ("path", Holds::Text),
    ("digest", Holds::Bytes),
    ("bytes", Holds::Whole),
    ("modified", Holds::Nanoseconds),
    ("width", Holds::Whole),
    ("height", Holds::Whole),
    ("reason", Holds::Text),
    ("message", Holds::Text),
    ("attempts", Holds::Whole),
    ("first_seen", Holds::Time),
    ("updated", Holds::Time),
    ("object_id", Holds::Text),
    ("ra", Holds::Real),
    ("dec", Holds::Real),
    ("position_from", Holds::Text),
    ("radius", Holds::Real),
    ("healpix", Holds::Whole),
    ("label", Holds::Text),
    ("confidence", Holds::Real),
    ("p_round", Holds::Real),
    ("p_in_between", Holds::Real),
    ("p_cigar", Holds::Real),
    ("p_edge_on", Holds::Real),
    ("p_spiral", Holds::Real),
    ("entropy", Holds::Real),
    ("model", Holds::Model),
    ("rendering", Holds::Text),
    ("classified", Holds::Time),
    ("framing", Holds::Text),
    ("frame_x", Holds::Real),
    ("frame_y", Holds::Real),
    ("frame_side", Holds::Real),
    ("flags", Holds::Text),
    ("stretch", Holds::Text),
    ("program_version", Holds::Text),
    ("novelty", Holds::Real),
    ("prediction_set", Holds::Text),
    ("camera", Holds::Real),
    // Of this program.
    ("path_key", Holds::Bytes),
    ("local_id", Holds::Whole),
];

/// Columns of a table, in the order of the rows of a machine's catalog.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    names: Vec<String>,
    holds: Vec<Holds>,
    has_key: bool,
}

impl Columns {
    /// Those of `cutout`; `id` is `local_id` there, and `path_key` comes last.
    pub(crate) fn of_files() -> Self {
        let mut columns = Self::new(file_columns());
        "local_id".clone_into(&mut columns.names[0]);
        columns.has_key = true;
        columns.names.push("path_key".to_owned());
        columns.holds.push(Holds::Bytes);
        columns
    }

    /// Those of `other_answer`.
    pub(crate) fn of_other_answers() -> Self {
        Self::new(other_answer_columns())
    }

    fn new(names: Vec<String>) -> Self {
        let holds = |name: &String| {
            let mut columns = COLUMNS.iter();
            let found = columns.find(|(column, _)| column == name);
            found.expect("the list has every column of a catalog").1
        };
        Self {
            holds: names.iter().map(holds).collect(),
            names,
            has_key: false,
        }
    }

    /// Their names in PostgreSQL.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Their types there.
    pub(crate) fn types(&self) -> Vec<Type> {
        let kind = |holds: &Holds| match holds {
            Holds::Text => Type::TEXT,
            Holds::Real => Type::FLOAT8,
            Holds::Whole | Holds::Nanoseconds => Type::INT8,
            Holds::Bytes => Type::BYTEA,
            Holds::Time => Type::TIMESTAMPTZ,
            Holds::Model => Type::INT4,
        };
        self.holds.iter().map(kind).collect()
    }

    /// A row's values. `model` gives the number of a model there for its number here.
    pub(crate) fn cells(
        &self,
        row: &[Value],
        model: impl Fn(i64) -> Option<i32>,
    ) -> Result<Vec<Cell>, Failure> {
        let mut cells = Vec::with_capacity(self.names.len());
        for ((value, holds), name) in row.iter().zip(&self.holds).zip(&self.names) {
            let cell = cell(value, *holds, &model).ok_or_else(|| {
                Failure::Unusable(format!(
                    "the catalog has {value:?} in the column '{name}', where it doesn't belong"
                ))
            })?;
            cells.push(cell);
        }
        if self.has_key {
            let [_, Value::Text(path), ..] = row else {
                return Err(no_path());
            };
            cells.push(Box::new(path_key(path)));
        }
        Ok(cells)
    }

    /// The id and the path of a file's row: its first two values.
    pub(crate) fn id_and_path(row: &[Value]) -> Result<(i64, &str), Failure> {
        match row {
            [Value::Integer(id), Value::Text(path), ..] => Ok((*id, path)),
            _ => Err(no_path()),
        }
    }
}

/// Copies rows to a temporary table.
pub(crate) fn copy(
    transaction: &mut Transaction,
    statement: &(impl ToStatement + ?Sized),
    columns: &Columns,
    rows: impl Iterator<Item = Result<Vec<Cell>, Failure>>,
) -> Result<(), Fault> {
    let sink = transaction.copy_in(statement)?;
    let mut writer = BinaryCopyInWriter::new(sink, &columns.types());
    for row in rows {
        let row = row?;
        let cells: Vec<&(dyn ToSql + Sync)> = row.iter().map(|cell| &**cell).collect();
        writer.write(&cells)?;
    }
    writer.finish()?;
    Ok(())
}

fn no_path() -> Failure {
    Failure::Unusable("the catalog has a path that is no text".to_owned())
}

/// What a path is found by: the first sixteen bytes of its digest.
pub(crate) fn path_key(path: &str) -> Vec<u8> {
    blake3::hash(path.as_bytes()).as_bytes()[..16].to_vec()
}

/// Locks paths while their rows are written: one that has no row yet has nothing else to lock.
pub(crate) const LOCK_PATHS: &str =
    "SELECT count(pg_advisory_xact_lock(number)) FROM unnest($1::bigint[]) AS number";

/// Locks the paths of these keys of a site until the transaction ends. The keys are in their order, so that two never wait for each
/// other in a circle.
pub(crate) fn lock_paths<'a>(
    transaction: &mut Transaction,
    statement: &(impl ToStatement + ?Sized),
    site: &str,
    keys: impl IntoIterator<Item = &'a Vec<u8>>,
) -> Result<(), postgres::Error> {
    let numbers = keys.into_iter().map(|key| lock_number(site, key));
    let numbers: Vec<i64> = numbers.collect();
    transaction.execute(statement, &[&numbers]).map(drop)
}

/// The number that is locked while a path is written.
fn lock_number(site: &str, key: &[u8]) -> i64 {
    let digest = blake3::Hasher::new()
        .update(site.as_bytes())
        .update(key)
        .finalize();
    let first = digest
        .as_bytes()
        .first_chunk()
        .expect("a digest has 32 bytes");
    i64::from_le_bytes(*first)
}

/// A text without the one character that PostgreSQL's texts can't have.
pub(crate) fn text(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// A time in milliseconds since 1970.
pub(crate) fn time(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds).ok()
}

fn cell(value: &Value, holds: Holds, model: impl Fn(i64) -> Option<i32>) -> Option<Cell> {
    Some(match (holds, value) {
        (Holds::Text, Value::Null) => Box::new(None::<String>),
        (Holds::Text, Value::Text(string)) => Box::new(text(string)),
        (Holds::Real, Value::Null) => Box::new(None::<f64>),
        (Holds::Real, Value::Real(number)) => Box::new(*number),
        #[allow(clippy::cast_precision_loss, reason = "as SQLite compares them")]
        (Holds::Real, Value::Integer(number)) => Box::new(*number as f64),
        (Holds::Whole, Value::Null) | (Holds::Nanoseconds, Value::Null | Value::Text(_)) => {
            Box::new(None::<i64>)
        }
        (Holds::Whole | Holds::Nanoseconds, Value::Integer(number)) => Box::new(*number),
        (Holds::Bytes, Value::Null) => Box::new(None::<Vec<u8>>),
        (Holds::Bytes, Value::Blob(bytes)) => Box::new(bytes.clone()),
        (Holds::Time, Value::Null) => Box::new(None::<Timestamp>),
        (Holds::Time, Value::Integer(milliseconds)) => Box::new(time(*milliseconds)?),
        (Holds::Model, Value::Null) => Box::new(None::<i32>),
        (Holds::Model, Value::Integer(number)) => Box::new(model(*number)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_a_catalog_is_known() {
        let (files, others) = (Columns::of_files(), Columns::of_other_answers());
        assert_eq!(files.names()[..2], ["local_id", "path"]);
        assert_eq!(files.names().len(), files.types().len());
        assert_eq!(others.names()[0], "digest");
    }

    #[test]
    fn a_value_that_does_not_belong_there_is_a_fault() {
        let fits = |value: Value, holds| cell(&value, holds, |id| (id == 1).then_some(7)).is_some();
        assert!(fits(Value::Integer(1), Holds::Model) && !fits(Value::Integer(2), Holds::Model));
        assert!(fits(Value::Integer(3), Holds::Real));
        assert!(!fits(Value::Text("x".into()), Holds::Real));
        assert!(!fits(Value::Integer(i64::MAX), Holds::Time));
        assert!(!fits(Value::Real(0.5), Holds::Text));
        assert_eq!(text("a\0b"), "a\u{FFFD}b");
    }
}

//! Apache Parquet, as far as it is a table: one value a cell.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row as Record};
use parquet::schema::types::Type;

use crate::{Row, TableError, real_text, real_text_f32};

/// What every Parquet file begins with.
const SIGNATURE: &[u8] = b"PAR1";

/// An open file.
pub(super) struct ParquetTable {
    file: File,
    columns: Vec<Arc<Type>>,
    rows: Option<RowIter<'static>>,
    done: u64,
}

impl From<ParquetError> for TableError {
    fn from(fault: ParquetError) -> Self {
        let text = fault.to_string();
        let text = text.strip_prefix("Parquet error: ").unwrap_or(&text);
        let disabled = "Disabled feature at compile time: ";
        Self::Invalid(match text.strip_prefix(disabled) {
            Some(codec) => {
                format!(
                    "it is compressed by {codec} (write it with snappy, or without compression)"
                )
            }
            None => text.to_owned(),
        })
    }
}

/// Whether a file begins as Parquet does. It is left at its beginning.
pub(super) fn is_parquet(file: &mut File) -> io::Result<bool> {
    let mut start = Vec::new();
    file.by_ref()
        .take(SIGNATURE.len() as u64)
        .read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start == SIGNATURE)
}

impl ParquetTable {
    pub(super) fn open(file: File) -> Result<Self, TableError> {
        let reader = SerializedFileReader::new(file.try_clone()?)?;
        let schema = reader.metadata().file_metadata().schema();
        Ok(Self {
            columns: schema.get_fields().to_vec(),
            file,
            rows: None,
            done: 0,
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name())
    }

    /// The next row's cells in the columns `wanted`; `None` after the last row.
    pub(super) fn next_row(&mut self, wanted: &[usize]) -> Result<Option<Row>, TableError> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => none.insert(rows(&self.file, &self.columns, wanted)?),
        };
        let Some(record) = rows.next().transpose()? else {
            return Ok(None);
        };
        self.done += 1;
        let cell = |index: &usize| text(&record, self.columns[*index].name());
        Ok(Some(Row {
            number: self.done,
            cells: wanted.iter().map(cell).collect::<Result<_, _>>()?,
        }))
    }
}

/// The rows of a file, with some of the columns.
fn rows(
    file: &File,
    columns: &[Arc<Type>],
    wanted: &[usize],
) -> Result<RowIter<'static>, TableError> {
    let is_wanted = |(index, _): &(usize, &Arc<Type>)| wanted.contains(index);
    let fields = columns.iter().enumerate().filter(is_wanted);
    let fields: Vec<Arc<Type>> = fields.map(|(_, column)| column.clone()).collect();
    if let Some(column) = fields.iter().find(|column| !column.is_primitive()) {
        let name = column.name();
        return Err(TableError::Invalid(format!(
            "column '{name}': more than one value in a cell"
        )));
    }
    let schema = Type::group_type_builder("schema")
        .with_fields(fields)
        .build()?;
    let reader = SerializedFileReader::new(file.try_clone()?)?;
    Ok(RowIter::from_file_into(Box::new(reader)).project(Some(schema))?)
}

/// A cell as text.
fn text(record: &Record, column: &str) -> Result<String, TableError> {
    let field = record.get_column_iter().find(|(name, _)| *name == column);
    let unread = || TableError::Invalid(format!("column '{column}': its kind is not read"));
    Ok(match field.map(|(_, field)| field).ok_or_else(unread)? {
        Field::Null => String::new(),
        Field::Bool(value) => value.to_string(),
        Field::Byte(value) => value.to_string(),
        Field::Short(value) => value.to_string(),
        Field::Int(value) => value.to_string(),
        Field::Long(value) => value.to_string(),
        Field::UByte(value) => value.to_string(),
        Field::UShort(value) => value.to_string(),
        Field::UInt(value) => value.to_string(),
        Field::ULong(value) => value.to_string(),
        Field::Float(value) => real_text_f32(*value),
        Field::Double(value) => real_text(*value),
        Field::Str(text) => text.trim().to_owned(),
        // Text that is not marked as such.
        Field::Bytes(bytes) => bytes.as_utf8().map_err(|_| unread())?.trim().to_owned(),
        _ => return Err(unread()),
    })
}

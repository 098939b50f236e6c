//! Apache Parquet. The file's metadata has the description of the table as a VOTable without rows, as
//! astropy's `parquet.votable` reads it (IVOA's note "Parquet in the VO").

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::votable::description;
use super::{Export, Provenance, Value};
use crate::columns::{Column, Kind};

/// Rows in a row group: some 20 MB of them in memory.
const GROUP: usize = 1 << 16;

pub(super) struct Parquet<W: Write + Send> {
    state: State<W>,
    provenance: Provenance,
    columns: Vec<Column>,
    /// The length of the longest text of each column, in characters.
    longest: Vec<usize>,
    /// The cells of the next row group, one list for each column.
    cells: Vec<Vec<Value>>,
}

enum State<W: Write + Send> {
    Before(W),
    Open(SerializedFileWriter<W>),
    Finished,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(output: W, provenance: &Provenance) -> Self {
        Self {
            state: State::Before(output),
            provenance: provenance.clone(),
            columns: Vec::new(),
            longest: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// What the file says of itself.
    fn metadata(&self) -> io::Result<Vec<(String, String)>> {
        let votable = description(&self.columns, &self.longest, &self.provenance)?;
        let votable = [
            ("version", "1.0"),
            ("type", "Parquet-local-XML"),
            ("encoding", "utf-8"),
            ("content", &votable),
        ]
        .map(|(name, value)| (format!("IVOA.VOTable-Parquet.{name}"), value.to_owned()));
        let provenance = self.provenance.entries().into_iter();
        let provenance = provenance.map(|(name, value)| (format!("galmorph.{name}"), value));
        Ok(votable.into_iter().chain(provenance).collect())
    }

    fn write_group(&mut self) -> io::Result<()> {
        let State::Open(writer) = &mut self.state else {
            return Ok(());
        };
        if self.cells.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let mut group = writer.next_row_group().map_err(plain)?;
        for (column, cells) in self.columns.iter().zip(&mut self.cells) {
            write_column(&mut group, column.kind, cells)?;
            cells.clear();
        }
        group.close().map_err(plain)?;
        Ok(())
    }
}

impl<W: Write + Send> Export for Parquet<W> {
    fn header(&mut self, columns: &[Column]) -> io::Result<()> {
        let State::Before(output) = std::mem::replace(&mut self.state, State::Finished) else {
            return Ok(());
        };
        self.columns = columns.to_vec();
        self.cells = vec![Vec::new(); columns.len()];
        self.longest = vec![0; columns.len()];
        let fields = columns
            .iter()
            .map(field)
            .collect::<Result<_, _>>()
            .map_err(plain)?;
        let schema = Type::group_type_builder("catalog")
            .with_fields(fields)
            .build()
            .map_err(plain)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(self.provenance.program.clone())
            .build();
        let writer = SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties))
            .map_err(plain)?;
        self.state = State::Open(writer);
        Ok(())
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        for (longest, value) in self.longest.iter_mut().zip(values) {
            *longest = value.text().chars().count().max(*longest);
        }
        for (cells, value) in self.cells.iter_mut().zip(values) {
            cells.push(value.clone());
        }
        if self.cells.first().is_some_and(|cells| cells.len() == GROUP) {
            self.write_group()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_group()?;
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Open(mut writer) => {
                for (name, value) in self.metadata()? {
                    writer.append_key_value_metadata(KeyValue::new(name, value));
                }
                writer.into_inner().map_err(plain)?.flush()
            }
            State::Before(_) | State::Finished => Ok(()),
        }
    }
}

fn field(column: &Column) -> Result<Arc<Type>, ParquetError> {
    let physical = match column.kind {
        Kind::Integer => Physical::INT64,
        Kind::Real => Physical::DOUBLE,
        // A VOTable knows no times but as text, and the columns must be of the kinds that it describes.
        Kind::Text | Kind::Time => Physical::BYTE_ARRAY,
    };
    let builder =
        Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL);
    let builder = match column.kind {
        Kind::Text | Kind::Time => builder.with_logical_type(Some(LogicalType::String)),
        Kind::Integer | Kind::Real => builder.with_converted_type(ConvertedType::NONE),
    };
    builder.build().map(Arc::new)
}

fn write_column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    kind: Kind,
    cells: &[Value],
) -> io::Result<()> {
    let mut column = group
        .next_column()
        .map_err(plain)?
        .expect("there are as many as in the schema");
    // 1 where there is a value, 0 where there is none.
    let levels: Vec<i16> = cells
        .iter()
        .map(|cell| i16::from(*cell != Value::Nothing))
        .collect();
    match kind {
        Kind::Integer => {
            let values: Vec<i64> = collect(cells, Value::integer)?;
            column
                .typed::<Int64Type>()
                .write_batch(&values, Some(&levels), None)
        }
        Kind::Real => {
            let values: Vec<f64> = collect(cells, Value::real)?;
            column
                .typed::<DoubleType>()
                .write_batch(&values, Some(&levels), None)
        }
        Kind::Text | Kind::Time => {
            let there = cells.iter().filter(|cell| **cell != Value::Nothing);
            let values: Vec<ByteArray> = there
                .map(|cell| ByteArray::from(cell.text().as_bytes().to_vec()))
                .collect();
            column
                .typed::<ByteArrayType>()
                .write_batch(&values, Some(&levels), None)
        }
    }
    .map_err(plain)?;
    column.close().map_err(plain)
}

fn collect<T>(
    cells: &[Value],
    get: impl Fn(&Value) -> io::Result<Option<T>>,
) -> io::Result<Vec<T>> {
    cells
        .iter()
        .filter_map(|cell| get(cell).transpose())
        .collect()
}

/// The fault beneath, so that a closed pipe is known as one.
fn plain(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        other => io::Error::other(other),
    }
}

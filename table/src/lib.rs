//! Tables that others wrote, as rows of text: CSV, ECSV, FITS binary tables and Parquet. All but Parquet may be gzipped.
//!
//! The content tells the format. Only the wanted columns are kept, one row at a time: Hart et al.'s
//! catalogue has 239,695 rows of 233 columns, of which a dozen are needed.
//!
//! | file | |
//! |---|---|
//! | `ecsv` | what the comment lines above a table say of its columns |
//! | `fits` | FITS binary tables |
//! | `parquet` | Apache Parquet |

mod ecsv;
mod fits;
mod parquet;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use self::parquet::ParquetTable;
use fits::BinaryTable;

/// An open table.
pub struct Table {
    format: Format,
    columns: Vec<Column>,
}

enum Format {
    Csv {
        table: Box<csv::Reader<Box<dyn Read>>>,
        /// The lines that the reader doesn't count: the comments of an ECSV file.
        lines_before: u64,
    },
    Fits(Box<BinaryTable>),
    Parquet(Box<ParquetTable>),
}

/// What a table says of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as it is written.
    pub name: String,
    /// The unit of its numbers, as it is written; `None` where the table says nothing of it.
    pub unit: Option<String>,
}

/// Some cells of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line of a CSV or ECSV file, or the row of another table, counted from 1.
    pub number: u64,
    /// The cells of the wanted columns, in their order. A cell without a value is empty.
    pub cells: Vec<String>,
}

/// Why a file can't be read as a table. The messages continue "cannot read the table 'x.csv': ".
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The system can't read the file.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A line is none of a CSV file's.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// The file ends too early, contradicts its standard, or uses what isn't read here.
    #[error("{0}")]
    Invalid(String),
    /// The file is an archive.
    #[error("it is a zip archive (unpack it first)")]
    Zip,
}

/// Two columns have the name that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two columns '{0}'")]
pub struct TwoColumns(pub String);

/// A real number as text: the shortest that means it. One that is so large that not every whole number has an f64 of its
/// own is written with a point. So an id that was kept as a real number, and is rounded, doesn't look whole.
fn real_text(value: f64) -> String {
    if value.is_finite() && value.abs() >= EXACT_F64 {
        format!("{value:.1}")
    } else {
        value.to_string()
    }
}

/// Up to here, an f64 has every whole number.
const EXACT_F64: f64 = 9_007_199_254_740_992.0;
/// Up to here, an f32 has every whole number.
const EXACT_F32: f32 = 16_777_216.0;

/// The same of an f32: the shortest text that means it.
fn real_text_f32(value: f32) -> String {
    if value.is_finite() && value.abs() >= EXACT_F32 {
        format!("{value:.1}")
    } else {
        value.to_string()
    }
}

impl Table {
    /// Opens a file, and reads what it says of its columns.
    ///
    /// # Errors
    /// When it can't be read, or is no table.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let mut file = File::open(path)?;
        if parquet::is_parquet(&mut file)? {
            let table = ParquetTable::open(file)?;
            let columns = table.names().map(Column::unitless).collect();
            let format = Format::Parquet(Box::new(table));
            return Ok(Self { format, columns });
        }
        let mut reader: Box<dyn BufRead> = Box::new(BufReader::new(file));
        if reader.fill_buf()?.starts_with(b"\x1f\x8b") {
            reader = Box::new(BufReader::new(MultiGzDecoder::new(reader)));
        }
        let start = reader.fill_buf()?;
        if start.starts_with(b"PK\x03\x04") {
            return Err(TableError::Zip);
        }
        if start.starts_with(b"SIMPLE  =") {
            let table = BinaryTable::open(reader)?;
            let columns = table.columns();
            let format = Format::Fits(Box::new(table));
            return Ok(Self { format, columns });
        }
        Self::separated(reader)
    }

    /// CSV, or ECSV.
    fn separated(mut reader: Box<dyn BufRead>) -> Result<Self, TableError> {
        let header = if reader.fill_buf()?.starts_with(ecsv::SIGNATURE) {
            ecsv::Header::read(&mut reader)?
        } else {
            ecsv::Header::default()
        };
        // The reader counts the end of a line of two characters when the next record is over.
        let start = reader.fill_buf()?;
        let end = start.iter().position(|byte| *byte == b'\n');
        let is_late = end.is_some_and(|end| end > 0 && start[end - 1] == b'\r');
        let mut table = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .delimiter(header.delimiter)
            .from_reader(Box::new(reader) as Box<dyn Read>);
        let names = table.headers()?.iter();
        let columns = names.map(|name| header.column(name)).collect();
        let format = Format::Csv {
            table: Box::new(table),
            lines_before: header.lines + u64::from(is_late),
        };
        Ok(Self { format, columns })
    }

    /// `CSV`, `FITS` or `Parquet`.
    pub const fn format(&self) -> &'static str {
        match self.format {
            Format::Csv { .. } => "CSV",
            Format::Fits(_) => "FITS",
            Format::Parquet(_) => "Parquet",
        }
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The index of a column. Upper and lower case are the same (FITS standard 4.0, section 7.3.2).
    ///
    /// # Errors
    /// When two columns have the name.
    pub fn find(&self, name: &str) -> Result<Option<usize>, TwoColumns> {
        let mut found = (self.columns.iter().enumerate())
            .filter(|(_, column)| column.name.eq_ignore_ascii_case(name))
            .map(|(index, _)| index);
        let first = found.next();
        match found.next() {
            Some(_) => Err(TwoColumns(name.to_owned())),
            None => Ok(first),
        }
    }

    /// The next row's cells in the columns `wanted`, which are the same ones for all rows; `None` after the last row.
    ///
    /// # Errors
    /// When the table can't be read on.
    pub fn next_row(&mut self, wanted: &[usize]) -> Result<Option<Row>, TableError> {
        match &mut self.format {
            Format::Fits(table) => table.next_row(wanted),
            Format::Parquet(table) => table.next_row(wanted),
            Format::Csv {
                table,
                lines_before,
            } => {
                let mut record = csv::StringRecord::new();
                if !table.read_record(&mut record)? {
                    return Ok(None);
                }
                // The reader refuses a record that lacks a field of the header.
                let cell = |index: &usize| record.get(*index).unwrap_or_default().to_owned();
                Ok(Some(Row {
                    number: *lines_before + record.position().map_or(0, csv::Position::line),
                    cells: wanted.iter().map(cell).collect(),
                }))
            }
        }
    }
}

impl Column {
    fn unitless(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            unit: None,
        }
    }
}

#[cfg(test)]
mod tests;

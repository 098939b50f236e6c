//! A table of votes as rows of text, from a CSV file or a FITS binary table, gzipped or not.
//!
//! The content tells the format. Only the wanted columns are kept, one row at a time: Hart et al.'s
//! catalogue has 239,695 rows of 233 columns, of which a dozen are needed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::fits::{BinaryTable, FitsError};
use crate::error::{Error, Result};
use galmorph_output::readable;

/// An open table.
pub(super) struct Table {
    path: PathBuf,
    format: Format,
    columns: Vec<String>,
}

enum Format {
    Csv(Box<csv::Reader<Box<dyn Read>>>),
    Fits(Box<BinaryTable>),
}

/// Some cells of a row.
pub(super) struct Row {
    /// The line of a CSV file, or the row of a FITS table, counted from 1.
    pub(super) number: u64,
    /// The cells of the wanted columns, in their order.
    pub(super) cells: Vec<String>,
}

/// Why a file can't be read as a table.
#[derive(Debug, thiserror::Error)]
enum TableError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Csv(#[from] csv::Error),
    #[error(transparent)]
    Fits(#[from] FitsError),
    #[error("it is a zip archive (unpack it first)")]
    Zip,
}

impl Table {
    /// Opens a file, and reads the names of its columns.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (format, columns) = open(path).map_err(Error::input_file("votes", path))?;
        Ok(Self {
            path: path.to_owned(),
            format,
            columns,
        })
    }

    /// The file's name, for messages.
    pub(super) fn file(&self) -> impl std::fmt::Display {
        readable(&self.path)
    }

    /// `CSV` or `FITS`.
    pub(super) const fn format(&self) -> &'static str {
        match self.format {
            Format::Csv(_) => "CSV",
            Format::Fits(_) => "FITS",
        }
    }

    /// The index of a column. Upper and lower case are the same (FITS standard 4.0, section 7.3.2).
    ///
    /// # Errors
    /// When two columns have the name.
    pub(super) fn find(&self, name: &str) -> Result<Option<usize>> {
        let mut found = (self.columns.iter().enumerate())
            .filter(|(_, column)| column.eq_ignore_ascii_case(name))
            .map(|(index, _)| index);
        let first = found.next();
        if found.next().is_some() {
            return Err(Error::Input(format!(
                "'{}' has two columns '{name}'",
                self.file()
            )));
        }
        Ok(first)
    }

    /// The next row's cells in the columns `wanted`; `None` after the last row.
    pub(super) fn next_row(&mut self, wanted: &[usize]) -> Result<Option<Row>> {
        match &mut self.format {
            Format::Fits(table) => {
                let row = table.next_row(wanted);
                let row = row.map_err(Error::input_file("votes", &self.path))?;
                Ok(row.map(|(number, cells)| Row { number, cells }))
            }
            Format::Csv(reader) => {
                let mut record = csv::StringRecord::new();
                let found = reader.read_record(&mut record);
                if !found.map_err(Error::input_file("votes", &self.path))? {
                    return Ok(None);
                }
                // The reader refuses a record that lacks a field of the header.
                let cell = |index: &usize| record.get(*index).unwrap_or_default().to_owned();
                Ok(Some(Row {
                    number: record.position().map_or(0, csv::Position::line),
                    cells: wanted.iter().map(cell).collect(),
                }))
            }
        }
    }
}

fn open(path: &Path) -> std::result::Result<(Format, Vec<String>), TableError> {
    let mut reader: Box<dyn BufRead> = Box::new(BufReader::new(File::open(path)?));
    if reader.fill_buf()?.starts_with(b"\x1f\x8b") {
        reader = Box::new(BufReader::new(MultiGzDecoder::new(reader)));
    }
    let start = reader.fill_buf()?;
    if start.starts_with(b"PK\x03\x04") {
        return Err(TableError::Zip);
    }
    if start.starts_with(b"SIMPLE  =") {
        let table = BinaryTable::open(reader)?;
        let names = table.names().to_vec();
        return Ok((Format::Fits(Box::new(table)), names));
    }
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(Box::new(reader) as Box<dyn Read>);
    let names = reader.headers()?.iter().map(str::to_owned).collect();
    Ok((Format::Csv(Box::new(reader)), names))
}

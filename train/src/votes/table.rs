//! A table of votes as rows of text, whatever file it is in: CSV or a FITS binary table, gzipped or not.
//!
//! The format is told from the content, and only the columns that are asked for are kept, one row at a
//! time: Hart et al.'s catalogue has 239,695 rows of 233 columns, and a dozen of those are of use.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::fits::BinaryTable;
use crate::error::{Error, Result};

/// An open table.
pub(super) struct Table {
    file: String,
    format: Format,
    columns: Vec<String>,
}

enum Format {
    Csv(Box<csv::Reader<Box<dyn Read>>>),
    Fits(BinaryTable<Box<dyn Read>>),
}

/// Some cells of a row.
pub(super) struct Row {
    /// The line of a CSV file, or the row of a FITS table, counted from 1.
    pub(super) number: u64,
    /// In the order in which they were asked for.
    pub(super) cells: Vec<String>,
}

impl Table {
    /// Opens a file, and reads the names of its columns.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let fault = |fault: String| Error::Input(format!("cannot read votes '{file}': {fault}"));
        let (format, columns) = open(path).map_err(fault)?;
        Ok(Self {
            file,
            format,
            columns,
        })
    }

    /// The file's name, for messages.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// `CSV` or `FITS`.
    pub(super) const fn format(&self) -> &'static str {
        match self.format {
            Format::Csv(_) => "CSV",
            Format::Fits(_) => "FITS",
        }
    }

    /// Where a column is. Names differ from others by more than case (FITS standard 4.0, section 7.3.2).
    ///
    /// # Errors
    /// When there are two of that name.
    pub(super) fn find(&self, name: &str) -> Result<Option<usize>> {
        let mut found = (self.columns.iter().enumerate())
            .filter(|(_, column)| column.eq_ignore_ascii_case(name))
            .map(|(index, _)| index);
        let first = found.next();
        if found.next().is_some() {
            return Err(Error::Input(format!(
                "'{}' has two columns '{name}'",
                self.file
            )));
        }
        Ok(first)
    }

    /// The next row's cells in some columns; none after the last row.
    pub(super) fn next_row(&mut self, wanted: &[usize]) -> Result<Option<Row>> {
        let fault =
            |fault: String| Error::Input(format!("cannot read votes '{}': {fault}", self.file));
        match &mut self.format {
            Format::Fits(table) => {
                let row = table.next_row(wanted).map_err(fault)?;
                Ok(row.map(|(number, cells)| Row { number, cells }))
            }
            Format::Csv(reader) => {
                let mut record = csv::StringRecord::new();
                if !reader
                    .read_record(&mut record)
                    .map_err(|error| fault(error.to_string()))?
                {
                    return Ok(None);
                }
                // A record without a field that its header has was refused by the reader.
                let cell = |index: &usize| record.get(*index).unwrap_or_default().to_owned();
                Ok(Some(Row {
                    number: record.position().map_or(0, csv::Position::line),
                    cells: wanted.iter().map(cell).collect(),
                }))
            }
        }
    }
}

fn open(path: &Path) -> std::result::Result<(Format, Vec<String>), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut reader: Box<dyn BufRead> = Box::new(BufReader::new(File::open(path).map_err(text)?));
    if reader.fill_buf().map_err(text)?.starts_with(b"\x1f\x8b") {
        reader = Box::new(BufReader::new(MultiGzDecoder::new(reader)));
    }
    let start = reader.fill_buf().map_err(text)?;
    if start.starts_with(b"PK\x03\x04") {
        return Err("it is a zip archive (unpack it first)".into());
    }
    if start.starts_with(b"SIMPLE  =") {
        let table = BinaryTable::open(Box::new(reader) as Box<dyn Read>)?;
        let names = table.names().to_vec();
        return Ok((Format::Fits(table), names));
    }
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(Box::new(reader) as Box<dyn Read>);
    let headers = reader.headers().map_err(|error| error.to_string())?;
    let names = headers.iter().map(str::to_owned).collect();
    Ok((Format::Csv(Box::new(reader)), names))
}

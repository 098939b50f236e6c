//! A table of votes as rows of text, with faults that name the file.

use std::path::{Path, PathBuf};

use galmorph_table::Row;

use crate::error::{Error, Result};
use galmorph_output::readable;

/// An open table.
pub(super) struct Table {
    path: PathBuf,
    table: galmorph_table::Table,
}

impl Table {
    /// Opens a file, and reads the names of its columns.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let table = galmorph_table::Table::open(path).map_err(Error::input_file("votes", path))?;
        Ok(Self {
            path: path.to_owned(),
            table,
        })
    }

    /// The file's name, for messages.
    pub(super) fn file(&self) -> impl std::fmt::Display {
        readable(&self.path)
    }

    /// `CSV`, `FITS` or `Parquet`.
    pub(super) const fn format(&self) -> &'static str {
        self.table.format()
    }

    /// The index of a column, in upper or lower case.
    ///
    /// # Errors
    /// When two columns have the name.
    pub(super) fn find(&self, name: &str) -> Result<Option<usize>> {
        let found = self.table.find(name);
        found.map_err(|fault| Error::Input(format!("'{}' has {fault}", self.file())))
    }

    /// The next row's cells in the columns `wanted`; `None` after the last row.
    pub(super) fn next_row(&mut self, wanted: &[usize]) -> Result<Option<Row>> {
        let row = self.table.next_row(wanted);
        row.map_err(Error::input_file("votes", &self.path))
    }
}

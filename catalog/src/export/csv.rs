//! Comma-separated values, as RFC 4180 has them but for the line ends, which are Unix's.

use std::io::{self, Write};

use super::{Export, Value};
use crate::columns::Column;

pub(super) struct Csv<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(output: W) -> Self {
        Self {
            writer: csv::Writer::from_writer(output),
        }
    }
}

impl<W: Write> Export for Csv<W> {
    fn header(&mut self, columns: &[Column]) -> io::Result<()> {
        let names = columns.iter().map(|column| &column.name);
        self.writer.write_record(names).map_err(plain)
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        let cells = values.iter().map(Value::to_string);
        self.writer.write_record(cells).map_err(plain)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The fault beneath, so that a closed pipe is known as one.
fn plain(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

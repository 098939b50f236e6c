//! Comma-separated values, as RFC 4180 has them but for the line ends, which are Unix's.

use std::io::{self, Write};

use super::{Export, Value};
use crate::columns::Column;

pub(super) struct Csv<W: Write> {
    writer: csv::Writer<W>,
    /// Whether a text that begins or ends with a blank must be quoted, for readers that cut blanks off.
    keeps_blanks: bool,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(output: W) -> Self {
        Self {
            writer: csv::Writer::from_writer(output),
            keeps_blanks: false,
        }
    }

    /// Quotes the text in which a blank is the first or the last character, too.
    pub(super) fn keeping_blanks(output: W) -> Self {
        // No quotes of the writer's own.
        let mut writer = csv::WriterBuilder::new();
        writer.quote_style(csv::QuoteStyle::Never);
        Self {
            writer: writer.from_writer(output),
            keeps_blanks: true,
        }
    }

    fn cell(&self, text: String) -> String {
        let has_blank =
            text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
        if self.keeps_blanks && (has_blank || text.contains([',', '"', '\n', '\r'])) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    }
}

impl<W: Write> Export for Csv<W> {
    fn header(&mut self, columns: &[Column]) -> io::Result<()> {
        let names = columns.iter().map(|column| self.cell(column.name.clone()));
        let names: Vec<String> = names.collect();
        self.writer.write_record(names).map_err(plain)
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        let cells = values.iter().map(|value| self.cell(value.to_string()));
        let cells: Vec<String> = cells.collect();
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

//! Rows for people and programs: one format a file, behind one small trait.
//!
//! To add a format: a file beside this one with a type that implements [`Export`], its `mod` line, and a
//! line in the list of [`Format`]s.

mod csv;
mod jsonl;
mod table;

use std::fmt;
use std::io::{self, Write};

pub use table::{Fit, fitted_table};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Real numbers.
    Real,
    /// Text.
    Text,
}

/// A column of an export. Any of its cells may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its cells hold.
    pub kind: Kind,
}

impl Column {
    /// A column of whole numbers.
    pub fn integer(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// A column of real numbers.
    pub fn real(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Real)
    }

    /// A column of text.
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Text)
    }

    fn new(name: impl Into<String>, kind: Kind) -> Self {
        let name = name.into();
        Self { name, kind }
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Nothing,
    /// A whole number.
    Integer(i64),
    /// A real number.
    Real(f64),
    /// Text.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Integer(integer) => integer.fmt(f),
            Self::Real(real) => real.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Writes rows in some format.
pub trait Export {
    /// Takes the columns, once, before any row.
    fn header(&mut self, columns: &[Column]) -> io::Result<()>;

    /// Takes one row: as many values as there are columns.
    fn row(&mut self, values: &[Value]) -> io::Result<()>;

    /// Writes out whatever was held back.
    fn finish(&mut self) -> io::Result<()>;
}

macro_rules! formats {
    ($($(#[doc = $meaning:literal])+ $variant:ident, $name:literal, $exporter:path;)+) => {
        /// A format to write in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Format {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl Format {
            /// Every format, in the order of the help.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What it is, for the help.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($meaning),+).trim(),)+
                }
            }

            /// An exporter that writes this format to `output`.
            pub fn exporter<'a>(self, output: impl Write + 'a) -> Box<dyn Export + 'a> {
                match self {
                    $(Self::$variant => Box::new($exporter(output)),)+
                }
            }
        }
    };
}

// One line a format: its name on the command line, and the constructor of its exporter.
formats! {
    /// aligned columns, for reading
    Table, "table", table::Table::new;
    /// comma-separated values with a header (RFC 4180)
    Csv, "csv", csv::Csv::new;
    /// one JSON object a line
    Jsonl, "jsonl", jsonl::JsonLines::new;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut bytes = Vec::new();
        let mut exporter = format.exporter(&mut bytes);
        let columns = [
            Column::text("path"),
            Column::real("p"),
            Column::integer("n"),
            Column::real("ra"),
        ];
        exporter.header(&columns).unwrap();
        let awkward = Value::Text("a \"b\",c.jpg".into());
        let row = [
            awkward,
            Value::Real(0.25),
            Value::Integer(3),
            Value::Nothing,
        ];
        exporter.row(&row).unwrap();
        exporter.finish().unwrap();
        drop(exporter);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn csv_quotes_what_needs_it_and_leaves_nothing_empty() {
        assert_eq!(
            written(Format::Csv),
            "path,p,n,ra\n\"a \"\"b\"\",c.jpg\",0.25,3,\n"
        );
    }

    #[test]
    fn json_lines_keep_the_order_of_the_columns() {
        assert_eq!(
            written(Format::Jsonl),
            "{\"path\":\"a \\\"b\\\",c.jpg\",\"p\":0.25,\"n\":3,\"ra\":null}\n"
        );
    }

    #[test]
    fn a_table_is_aligned_and_rounds_for_the_eye() {
        let text = written(Format::Table);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0].find("p "), lines[1].find("0.250"), "{text}");
        assert!(!lines.iter().any(|line| line.ends_with(' ')), "{text}");
    }
}

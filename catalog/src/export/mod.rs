//! Rows for people, programs and astronomers' tools: one format a file, behind one small trait.
//!
//! To add a format: a file beside this one with a type that implements [`Export`], its `mod` line, and a
//! line in the list of [`Format`]s.
//!
//! A format that has a place for it also carries what the columns mean, and where the rows come from
//! ([`Provenance`]).

mod csv;
mod ecsv;
mod fits;
mod jsonl;
mod parquet;
mod provenance;
mod table;
mod votable;

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::Path;

use crate::columns::Column;
pub use provenance::{ModelOrigin, Provenance};
pub use table::{Fit, fitted_table};

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

impl Value {
    /// A whole number, if there is one.
    ///
    /// # Errors
    /// When it is something else: SQLite keeps any value in any column.
    fn integer(&self) -> io::Result<Option<i64>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Integer(integer) => Ok(Some(*integer)),
            other => Err(misplaced(other, "a whole number")),
        }
    }

    /// A real number, if there is one.
    ///
    /// # Errors
    /// When it is a text.
    fn real(&self) -> io::Result<Option<f64>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Real(real) => Ok(Some(*real)),
            #[allow(clippy::cast_precision_loss, reason = "as SQLite compares them")]
            Self::Integer(integer) => Ok(Some(*integer as f64)),
            other @ Self::Text(_) => Err(misplaced(other, "a number")),
        }
    }

    /// A text; what is no text is empty.
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }
}

/// Writes a byte that a format can't hold as `%` and two hexadecimal digits.
fn percent(byte: u8, text: &mut String) {
    write!(text, "%{byte:02X}").expect("a string takes any text");
}

fn misplaced(value: &Value, wanted: &str) -> io::Error {
    io::Error::other(format!("the catalog has '{value}' where {wanted} belongs"))
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
    ($($(#[doc = $meaning:literal])+ $variant:ident, $name:literal, [$($ending:literal),*], $exporter:expr;)+) => {
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

            /// The endings of files in this format, without the dot.
            pub const fn endings(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($ending),*],)+
                }
            }

            /// An exporter that writes this format to `output`. Where the format has a place for it, it says
            /// where the rows come from.
            pub fn exporter<'a>(
                self,
                output: impl Write + Send + 'a,
                provenance: &Provenance,
            ) -> Box<dyn Export + 'a> {
                match self {
                    $(Self::$variant => Box::new($exporter(output, provenance)),)+
                }
            }
        }
    };
}

// One line a format: its name on the command line, the endings of its files, the constructor of its exporter.
formats! {
    /// aligned columns, for reading
    Table, "table", ["txt"], |output, _: &Provenance| table::Table::new(output);
    /// comma-separated values with a header (RFC 4180)
    Csv, "csv", ["csv"], |output, _: &Provenance| csv::Csv::new(output);
    /// comma-separated values behind a description of the columns, as astropy reads and writes them
    Ecsv, "ecsv", ["ecsv"], ecsv::Ecsv::new;
    /// one JSON object a line
    Jsonl, "jsonl", ["jsonl", "ndjson"], |output, _: &Provenance| jsonl::JsonLines::new(output);
    /// VOTable 1.4, for TOPCAT and other tools of the Virtual Observatory; the rows are binary
    Votable, "votable", ["vot", "votable"], votable::Votable::binary;
    /// VOTable 1.4 with its rows as XML
    VotableText, "votable-text", ["xml"], votable::Votable::text;
    /// FITS binary table
    Fits, "fits", ["fits", "fit"], fits::Fits::new;
    /// Apache Parquet, with a VOTable's description of the columns inside
    Parquet, "parquet", ["parquet", "pq"], parquet::Parquet::new;
}

impl Format {
    /// Whether its bytes are no text.
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Fits | Self::Parquet)
    }

    /// The format that a file's name asks for by its ending.
    pub fn of_file(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        let has = |format: &&Self| format.endings().contains(&ending.as_str());
        Self::ALL.iter().find(has).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut bytes = Vec::new();
        let mut exporter = format.exporter(&mut bytes, &Provenance::default());
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

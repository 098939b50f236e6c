//! VOTable 1.4, the table format of the Virtual Observatory (IVOA Recommendation of 2019-10-21), with its rows
//! as XML (TABLEDATA) or as base64 (BINARY2).

use std::io::{self, Write};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;

use super::{Export, Provenance, Value, percent};
use crate::columns::{Column, Kind};

const NAMESPACE: &str = "http://www.ivoa.net/xml/VOTable/v1.3";

/// In which the positions are, as COOSYS names it and FIELD refers to it.
const FRAME: &str = "icrs";

pub(super) struct Votable<W: Write> {
    rows: Rows<W>,
    provenance: Provenance,
    columns: Vec<Column>,
    count: u64,
}

enum Rows<W: Write> {
    /// Before the header.
    Before {
        output: W,
        is_binary: bool,
    },
    Text(W),
    Binary(Box<EncoderWriter<'static, base64::engine::GeneralPurpose, W>>),
    Finished,
}

impl<W: Write> Votable<W> {
    pub(super) fn text(output: W, provenance: &Provenance) -> Self {
        Self::new(output, false, provenance)
    }

    pub(super) fn binary(output: W, provenance: &Provenance) -> Self {
        Self::new(output, true, provenance)
    }

    fn new(output: W, is_binary: bool, provenance: &Provenance) -> Self {
        Self {
            rows: Rows::Before { output, is_binary },
            provenance: provenance.clone(),
            columns: Vec::new(),
            count: 0,
        }
    }
}

impl<W: Write> Export for Votable<W> {
    fn header(&mut self, columns: &[Column]) -> io::Result<()> {
        self.columns = columns.to_vec();
        let Rows::Before {
            mut output,
            is_binary,
        } = std::mem::replace(&mut self.rows, Rows::Finished)
        else {
            return Ok(());
        };
        begin(&mut output, columns, None, &self.provenance)?;
        self.rows = if is_binary {
            output.write_all(b"<DATA>\n<BINARY2>\n<STREAM encoding=\"base64\">\n")?;
            Rows::Binary(Box::new(EncoderWriter::new(output, &STANDARD)))
        } else {
            output.write_all(b"<DATA>\n<TABLEDATA>\n")?;
            Rows::Text(output)
        };
        Ok(())
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        self.count += 1;
        match &mut self.rows {
            Rows::Text(output) => text_row(output, values),
            Rows::Binary(encoder) => encoder.write_all(&binary_row(&self.columns, values)?),
            Rows::Before { .. } | Rows::Finished => {
                unreachable!("rows come between the header and the end")
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut output = match std::mem::replace(&mut self.rows, Rows::Finished) {
            Rows::Text(mut output) => {
                output.write_all(b"</TABLEDATA>\n</DATA>\n")?;
                output
            }
            Rows::Binary(mut encoder) => {
                let mut output = encoder.finish()?;
                output.write_all(b"\n</STREAM>\n</BINARY2>\n</DATA>\n")?;
                output
            }
            Rows::Before { mut output, .. } => return output.flush(),
            Rows::Finished => return Ok(()),
        };
        // Behind the rows, since only now they are counted.
        writeln!(output, "<INFO name=\"rows\" value=\"{}\"/>", self.count)?;
        output.write_all(b"</TABLE>\n</RESOURCE>\n</VOTABLE>\n")?;
        output.flush()
    }
}

/// The table's description, as a document without rows: what Parquet files carry. `longest` is the length of
/// the longest text of each column, in characters.
pub(super) fn description(
    columns: &[Column],
    longest: &[usize],
    provenance: &Provenance,
) -> io::Result<String> {
    let mut document = Vec::new();
    begin(&mut document, columns, Some(longest), provenance)?;
    document.write_all(b"</TABLE>\n</RESOURCE>\n</VOTABLE>\n")?;
    String::from_utf8(document).map_err(io::Error::other)
}

/// Everything in front of the rows.
fn begin(
    output: &mut impl Write,
    columns: &[Column],
    longest: Option<&[usize]>,
    provenance: &Provenance,
) -> io::Result<()> {
    output.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")?;
    writeln!(output, "<VOTABLE version=\"1.4\" xmlns=\"{NAMESPACE}\">")?;
    output.write_all(b"<RESOURCE type=\"results\">\n")?;
    // The schema asks for this order.
    for (name, value) in provenance.entries() {
        element(output, "INFO", &[("name", name), ("value", &value)], None)?;
    }
    if columns.iter().any(is_position) {
        writeln!(output, "<COOSYS ID=\"{FRAME}\" system=\"ICRS\"/>")?;
    }
    output.write_all(b"<TABLE name=\"catalog\">\n")?;
    for (number, column) in columns.iter().enumerate() {
        // Of any length, or up to the longest.
        let size = longest.map_or_else(
            || "*".to_owned(),
            |longest| format!("{}*", longest[number].max(1)),
        );
        field(output, column, &size)?;
    }
    Ok(())
}

fn is_position(column: &Column) -> bool {
    column.ucd.is_some_and(|ucd| ucd.starts_with("pos.eq."))
}

fn field(output: &mut impl Write, column: &Column, size: &str) -> io::Result<()> {
    let mut attributes = vec![("name", column.name.as_str())];
    match column.kind {
        Kind::Integer => attributes.push(("datatype", "long")),
        Kind::Real => attributes.push(("datatype", "double")),
        Kind::Text => attributes.extend([("datatype", "unicodeChar"), ("arraysize", size)]),
        Kind::Time => attributes.extend([
            ("datatype", "char"),
            ("arraysize", size),
            ("xtype", "timestamp"),
        ]),
    }
    attributes.extend(column.unit.map(|unit| ("unit", unit)));
    attributes.extend(column.ucd.map(|ucd| ("ucd", ucd)));
    if is_position(column) {
        attributes.push(("ref", FRAME));
    }
    element(output, "FIELD", &attributes, Some(&column.meaning))
}

/// An element on a line of its own, with a DESCRIPTION in it if that says something.
fn element(
    output: &mut impl Write,
    name: &str,
    attributes: &[(&str, &str)],
    description: Option<&str>,
) -> io::Result<()> {
    write!(output, "<{name}")?;
    for (name, value) in attributes {
        write!(output, " {name}=\"{}\"", escaped(value))?;
    }
    match description.filter(|text| !text.is_empty()) {
        None => output.write_all(b"/>\n"),
        Some(text) => writeln!(
            output,
            "><DESCRIPTION>{}</DESCRIPTION></{name}>",
            escaped(text)
        ),
    }
}

fn text_row(output: &mut impl Write, values: &[Value]) -> io::Result<()> {
    output.write_all(b"<TR>")?;
    for value in values {
        match value {
            Value::Nothing => output.write_all(b"<TD/>")?,
            Value::Text(text) => write!(output, "<TD>{}</TD>", escaped(text))?,
            number => write!(output, "<TD>{number}</TD>")?,
        }
    }
    output.write_all(b"</TR>\n")
}

/// A row of BINARY2: a bit for each column that says whether it is empty, then the values, big-endian. Of an
/// empty one, a value that means nothing is there all the same.
fn binary_row(columns: &[Column], values: &[Value]) -> io::Result<Vec<u8>> {
    let mut row = vec![0; values.len().div_ceil(8)];
    for (number, value) in values.iter().enumerate() {
        if *value == Value::Nothing {
            row[number / 8] |= 0x80 >> (number % 8);
        }
    }
    for (column, value) in columns.iter().zip(values) {
        match column.kind {
            Kind::Integer => row.extend(value.integer()?.unwrap_or_default().to_be_bytes()),
            Kind::Real => row.extend(value.real()?.unwrap_or(f64::NAN).to_be_bytes()),
            Kind::Text => {
                let units: Vec<u16> = value.text().encode_utf16().collect();
                row.extend(length(units.len())?);
                row.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
            }
            Kind::Time => {
                let text = value.text();
                row.extend(length(text.len())?);
                row.extend(text.bytes());
            }
        }
    }
    Ok(row)
}

fn length(length: usize) -> io::Result<[u8; 4]> {
    let length = u32::try_from(length).map_err(io::Error::other)?;
    Ok(length.to_be_bytes())
}

/// The text as XML holds it. Control characters, which it can't hold, become `%` and two hexadecimal digits for
/// each byte, as bytes that are no text do in paths.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    percent(byte, &mut escaped);
                }
            }
            other => escaped.push(other),
        }
    }
    escaped
}

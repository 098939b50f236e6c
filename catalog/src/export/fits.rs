//! FITS binary table (FITS Standard 4.0, section 7.3).
//!
//! The header says how many rows there are and how wide each text column is, which is known at the end only.
//! So rows wait in a temporary file, and [`Export::finish`] writes them out behind the header.
//!
//! FITS text is ASCII. Other bytes become `%` and two hexadecimal digits, as bytes that are no text do in
//! paths; a comment in the header says so.

use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write};

use super::{Export, Provenance, Value, percent};
use crate::columns::{Column, Kind};

/// Bytes in a block. Header and data each fill whole blocks.
const BLOCK: usize = 2880;

/// Bytes in a line of the header.
const CARD: usize = 80;

/// What stands for an empty cell in a column of whole numbers (TNULL).
const NULL: i64 = i64::MIN;

pub(super) struct Fits<W: Write> {
    output: W,
    provenance: Provenance,
    columns: Vec<Column>,
    /// The longest text of each column so far, in bytes; 8 for numbers.
    widths: Vec<usize>,
    rows: u64,
    /// The rows: numbers as they will be, texts with their length (32 bits) in front.
    waiting: Option<BufWriter<std::fs::File>>,
}

impl<W: Write> Fits<W> {
    pub(super) fn new(output: W, provenance: &Provenance) -> Self {
        Self {
            output,
            provenance: provenance.clone(),
            columns: Vec::new(),
            widths: Vec::new(),
            rows: 0,
            waiting: None,
        }
    }
}

impl<W: Write> Export for Fits<W> {
    fn header(&mut self, columns: &[Column]) -> io::Result<()> {
        self.columns = columns.to_vec();
        // A text column of no width is legal, but some readers stumble over it.
        let width = |column: &Column| if is_text(column) { 1 } else { 8 };
        self.widths = columns.iter().map(width).collect();
        self.waiting = Some(BufWriter::new(tempfile::tempfile()?));
        Ok(())
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        let waiting = self.waiting.as_mut().expect("rows come after the header");
        self.rows += 1;
        for ((column, width), value) in self.columns.iter().zip(&mut self.widths).zip(values) {
            match column.kind {
                Kind::Integer => {
                    let value = value.integer()?.unwrap_or(NULL);
                    waiting.write_all(&value.to_be_bytes())?;
                }
                Kind::Real => {
                    let value = value.real()?.unwrap_or(f64::NAN);
                    waiting.write_all(&value.to_be_bytes())?;
                }
                Kind::Text | Kind::Time => {
                    let text = ascii(value.text());
                    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
                    waiting.write_all(&length.to_le_bytes())?;
                    waiting.write_all(text.as_bytes())?;
                    *width = text.len().max(*width);
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(waiting) = self.waiting.take() else {
            return self.output.flush();
        };
        let mut waiting = waiting
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        waiting.rewind()?;
        let mut waiting = BufReader::new(waiting);

        let mut primary = Header::default();
        primary.logical("SIMPLE", true, "a FITS file");
        primary.integer("BITPIX", 8, "");
        primary.integer("NAXIS", 0, "no image here; the table follows");
        primary.logical("EXTEND", true, "");
        self.output.write_all(&primary.end())?;
        let width: usize = self.widths.iter().sum();
        self.output.write_all(&self.table_header(width).end())?;

        let mut row = vec![0; width];
        for _ in 0..self.rows {
            row.fill(0);
            let mut at = 0;
            for (column, width) in self.columns.iter().zip(&self.widths) {
                let length = if is_text(column) {
                    let mut length = [0; 4];
                    waiting.read_exact(&mut length)?;
                    u32::from_le_bytes(length) as usize
                } else {
                    *width
                };
                waiting.read_exact(&mut row[at..at + length])?;
                at += width;
            }
            self.output.write_all(&row)?;
        }
        let written = self.rows * width as u64;
        let padding = (BLOCK as u64 - written % BLOCK as u64) % BLOCK as u64;
        io::copy(&mut io::repeat(0).take(padding), &mut self.output)?;
        self.output.flush()
    }
}

impl<W: Write> Fits<W> {
    fn table_header(&self, width: usize) -> Header {
        let mut header = Header::default();
        header.text("XTENSION", "BINTABLE", "a binary table");
        header.integer("BITPIX", 8, "");
        header.integer("NAXIS", 2, "");
        header.integer("NAXIS1", width as u64, "bytes in a row");
        header.integer("NAXIS2", self.rows, "rows");
        header.integer("PCOUNT", 0, "");
        header.integer("GCOUNT", 1, "");
        header.integer("TFIELDS", self.columns.len() as u64, "columns");
        header.text("EXTNAME", "CATALOG", "");
        for (number, (column, width)) in self.columns.iter().zip(&self.widths).enumerate() {
            let number = number + 1;
            let format = match column.kind {
                Kind::Integer => "K".to_owned(),
                Kind::Real => "D".to_owned(),
                Kind::Text | Kind::Time => format!("{width}A"),
            };
            header.text(&format!("TTYPE{number}"), &column.name, "");
            header.text(&format!("TFORM{number}"), &format, "");
            if column.kind == Kind::Integer {
                header.card(
                    &format!("TNULL{number}"),
                    &format!("{NULL:>20}"),
                    "an empty cell",
                );
            }
            if let Some(unit) = column.unit {
                header.text(&format!("TUNIT{number}"), unit, "");
            }
            if let Some(ucd) = column.ucd {
                header.text(&format!("TUCD{number}"), ucd, "");
            }
            if !column.meaning.is_empty() {
                header.text(&format!("TCOMM{number}"), &column.meaning, "");
            }
        }
        header.text("RADESYS", "ICRS", "of ra and dec");
        header.text("CREATOR", &self.provenance.program, "");
        header.text(
            "DATE",
            self.provenance.time.trim_end_matches('Z'),
            "when the rows were read (UTC)",
        );
        for (name, value) in self.provenance.entries() {
            header.comment("HISTORY", &format!("{name}: {value}"));
        }
        header.comment(
            "COMMENT",
            "Bytes of text that are not printable ASCII are written as % and two hexadecimal digits.",
        );
        header
    }
}

const fn is_text(column: &Column) -> bool {
    matches!(column.kind, Kind::Text | Kind::Time)
}

/// The text in printable ASCII.
fn ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' => ascii.push(char::from(byte)),
            other => percent(other, &mut ascii),
        }
    }
    ascii
}

/// The lines of a header.
#[derive(Default)]
struct Header {
    cards: Vec<u8>,
}

impl Header {
    /// A line with a value as it is to be written. A comment that doesn't fit is left out.
    fn card(&mut self, name: &str, value: &str, comment: &str) {
        let mut line = format!("{name:<8}= {value}");
        if !comment.is_empty() && line.len() + 3 + comment.len() <= CARD {
            line = format!("{line} / {comment}");
        }
        self.line(&line);
    }

    fn logical(&mut self, name: &str, value: bool, comment: &str) {
        let value = if value { 'T' } else { 'F' };
        self.card(name, &format!("{value:>20}"), comment);
    }

    fn integer(&mut self, name: &str, value: u64, comment: &str) {
        self.card(name, &format!("{value:>20}"), comment);
    }

    /// A text. What is longer than a line goes on in lines of CONTINUE (section 4.2.1.2 of the standard).
    fn text(&mut self, name: &str, value: &str, comment: &str) {
        // Without the quotes and the `&` that says that it goes on.
        const MOST: usize = CARD - 10 - 3;
        let value = ascii(value).replace('\'', "''");
        let mut rest = value.as_str();
        let mut start = format!("{name:<8}= ");
        while rest.len() > MOST {
            // Never between the two quotes that stand for one.
            let quotes = rest[..MOST]
                .bytes()
                .rev()
                .take_while(|byte| *byte == b'\'')
                .count();
            let (piece, after) = rest.split_at(MOST - quotes % 2);
            self.line(&format!("{start}'{piece}&'"));
            "CONTINUE  ".clone_into(&mut start);
            rest = after;
        }
        let quoted = format!("'{rest:<8}'");
        let mut line = format!("{start}{quoted:<20}");
        if !comment.is_empty() && line.len() + 3 + comment.len() <= CARD {
            line = format!("{line} / {comment}");
        }
        self.line(line.trim_end());
    }

    /// A text without a name, on as many lines as it needs.
    fn comment(&mut self, name: &str, text: &str) {
        for piece in ascii(text).as_bytes().chunks(CARD - 8) {
            self.line(&format!("{name:<8}{}", String::from_utf8_lossy(piece)));
        }
    }

    fn line(&mut self, line: &str) {
        debug_assert!(line.len() <= CARD, "{line}");
        self.cards
            .extend(line.bytes().chain(std::iter::repeat(b' ')).take(CARD));
    }

    /// The header, filled up to whole blocks.
    fn end(mut self) -> Vec<u8> {
        self.line("END");
        let length = self.cards.len().next_multiple_of(BLOCK);
        self.cards.resize(length, b' ');
        self.cards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(name: &str, value: &str) -> Vec<String> {
        let mut header = Header::default();
        header.text(name, value, "");
        let lines = header.cards.chunks(CARD);
        lines
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect()
    }

    /// What a reader makes of the lines of one text.
    fn joined(lines: &[String]) -> String {
        let pieces = lines.iter().map(|line| {
            assert_eq!(line.len(), CARD);
            let quoted = line[10..].trim_end();
            let inner = quoted
                .strip_prefix('\'')
                .and_then(|rest| rest.strip_suffix('\''));
            inner.unwrap().replace("''", "'")
        });
        let pieces: Vec<String> = pieces.collect();
        let (last, others) = pieces.split_last().unwrap();
        let others = others.iter().map(|piece| piece.strip_suffix('&').unwrap());
        others.collect::<String>() + last.trim_end()
    }

    #[test]
    fn a_text_of_any_length_comes_back_from_its_lines() {
        for length in 0..300 {
            // Quotes fall on every place where a line may end.
            for start in 0..3 {
                let text: String = "it's''so"
                    .chars()
                    .cycle()
                    .skip(start)
                    .take(length)
                    .collect();
                let lines = lines("TCOMM1", &text);
                assert!(lines[0].starts_with("TCOMM1  = '"), "{lines:?}");
                assert!(
                    lines[1..]
                        .iter()
                        .all(|line| line.starts_with("CONTINUE  '"))
                );
                assert_eq!(joined(&lines), text);
            }
        }
    }

    #[test]
    fn a_header_fills_whole_blocks_and_ends() {
        for cards in [0, 34, 35, 36] {
            let mut header = Header::default();
            for _ in 0..cards {
                header.integer("NAXIS", 0, "a comment that is far too long to fit behind the value on one line of a header");
            }
            let bytes = header.end();
            assert_eq!(bytes.len(), BLOCK * if cards < 36 { 1 } else { 2 });
            assert!(bytes[cards * CARD..].starts_with(b"END     "));
        }
    }
}

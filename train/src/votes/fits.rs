//! FITS binary tables (FITS standard 4.0, section 7.3), as far as a table of votes needs them: one value
//! a cell.
//!
//! Cells are returned as text, as a faithful CSV export would have them. An id of 18 digits stays exact,
//! and a 32-bit 0.602 is "0.602" and not "0.60199999809". So the FITS and the CSV file of one catalogue
//! select the same galaxies.
//!
//! The crates that read FITS are made for images: fitsrs 0.4 ignores TSCAL, TZERO and TNULL, and takes a
//! file that is cut off for one that ends there. That is why this reader exists.

use std::collections::HashMap;
use std::io::{self, Read};

/// Headers and data come in blocks of this many bytes (section 3.1).
const BLOCK: usize = 2880;
/// A header of 999 columns with ten keywords each is a third of this.
const MOST_HEADER_BLOCKS: usize = 1000;
/// Hart et al.'s catalogue has 700 bytes a row.
const MOST_ROW_BYTES: usize = 1 << 20;

/// 2^64: enough for every type of integer, and far from where a sum would overflow.
const LARGEST_OFFSET: f64 = 18_446_744_073_709_551_616.0;

/// The first binary table of a FITS file, read row by row.
pub(super) struct BinaryTable<R> {
    reader: R,
    columns: Vec<Column>,
    names: Vec<String>,
    rows: u64,
    done: u64,
    row: Vec<u8>,
}

/// Why a file is no binary table that can be read here. The messages continue "cannot read votes
/// 'x.fits': ".
#[derive(Debug, thiserror::Error)]
pub(super) enum FitsError {
    /// The system can't read the file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The system can't read a row, counted from 1.
    #[error("row {0}: {1}")]
    Row(u64, #[source] io::Error),
    /// The file ends too early, contradicts the standard, or uses what this reader doesn't know.
    #[error("{0}")]
    Invalid(String),
}

impl From<String> for FitsError {
    fn from(fault: String) -> Self {
        Self::Invalid(fault)
    }
}

impl From<&str> for FitsError {
    fn from(fault: &str) -> Self {
        Self::Invalid(fault.to_owned())
    }
}

/// Where a cell is in its row, and what its bytes mean.
#[derive(Debug)]
struct Column {
    offset: usize,
    repeat: usize,
    /// The letter of TFORM.
    format: u8,
    /// What an integer that stands for "no value" is (TNULL).
    null: Option<i64>,
    scaling: Scaling,
}

/// TSCAL and TZERO.
#[derive(Debug, PartialEq)]
enum Scaling {
    /// An offset to an integer, exact: how unsigned integers are stored (section 5.2.5).
    Offset(i128),
    Linear {
        scale: f64,
        zero: f64,
    },
}

impl<R: Read> BinaryTable<R> {
    /// Reads up to the first row of the first binary table.
    pub(super) fn open(mut reader: R) -> Result<Self, FitsError> {
        while let Some(header) = Header::read(&mut reader)? {
            let is_table = header.text("XTENSION") == Some("BINTABLE");
            if is_table && header.text("ZIMAGE") != Some("T") {
                return Self::with_header(reader, &header);
            }
            header.skip_data(&mut reader)?;
        }
        Err("it holds no binary table".into())
    }

    fn with_header(reader: R, header: &Header) -> Result<Self, FitsError> {
        let fields = header.integer("TFIELDS")?;
        if !(0..=999).contains(&fields) {
            return Err(format!("its TFIELDS is {fields} (0 to 999)").into());
        }
        let mut columns = Vec::new();
        let mut names = Vec::new();
        let mut offset = 0_usize;
        for number in 1..=fields {
            let column = Column::parse(header, number, offset)?;
            offset = offset.saturating_add(column.bytes());
            if offset > MOST_ROW_BYTES {
                return Err(format!("its rows have more than {MOST_ROW_BYTES} bytes").into());
            }
            columns.push(column);
            let name = header.text(&format!("TTYPE{number}"));
            names.push(name.unwrap_or_default().to_owned());
        }
        let row_bytes = header.integer("NAXIS1")?;
        if row_bytes != offset as i64 {
            let fault = format!("its rows have {row_bytes} bytes (NAXIS1), its columns {offset}");
            return Err(fault.into());
        }
        let rows = header.integer("NAXIS2")?;
        let rows = u64::try_from(rows).map_err(|_| format!("its NAXIS2 is {rows}"))?;
        Ok(Self {
            reader,
            columns,
            names,
            rows,
            done: 0,
            row: vec![0; offset],
        })
    }

    /// The columns' names.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of the next row, counted from 1, and the text of the cells in the columns `wanted`.
    /// `None` after the last row.
    pub(super) fn next_row(
        &mut self,
        wanted: &[usize],
    ) -> Result<Option<(u64, Vec<String>)>, FitsError> {
        if self.done == self.rows {
            return Ok(None);
        }
        let number = self.done + 1;
        self.reader
            .read_exact(&mut self.row)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    format!("it ends within row {number} of {}", self.rows).into()
                }
                _ => FitsError::Row(number, error),
            })?;
        self.done = number;
        let cell = |index: &usize| {
            let fault = |fault| format!("column '{}': {fault}", self.names[*index]);
            self.columns[*index].text(&self.row).map_err(fault)
        };
        let cells = wanted.iter().map(cell).collect::<Result<_, String>>()?;
        Ok(Some((number, cells)))
    }
}

impl Column {
    /// Reads the keywords of column `number` (section 7.3.2).
    fn parse(header: &Header, number: i64, offset: usize) -> Result<Self, FitsError> {
        let key = |name: &str| format!("{name}{number}");
        let form = header
            .text(&key("TFORM"))
            .ok_or_else(|| format!("it has no {}", key("TFORM")))?;
        let unreadable = || format!("its {} is '{form}'", key("TFORM"));
        let digits = form.bytes().take_while(u8::is_ascii_digit).count();
        let repeat = match &form[..digits] {
            "" => 1,
            digits => digits.parse().map_err(|_| unreadable())?,
        };
        let format = *form.as_bytes().get(digits).ok_or_else(unreadable)?;
        if width(format).is_none() {
            return Err(unreadable().into());
        }
        Ok(Self {
            offset,
            repeat,
            format,
            null: header
                .text(&key("TNULL"))
                .and_then(|text| text.parse().ok()),
            scaling: Scaling::parse(header.text(&key("TSCAL")), header.text(&key("TZERO")))
                .ok_or_else(|| format!("its {} or {} is no number", key("TSCAL"), key("TZERO")))?,
        })
    }

    /// The length of a cell.
    #[expect(clippy::expect_used, reason = "`parse` refuses an unknown format")]
    fn bytes(&self) -> usize {
        match self.format {
            b'X' => self.repeat.div_ceil(8),
            format => {
                let width = width(format).expect("the format is known");
                self.repeat.saturating_mul(width)
            }
        }
    }

    /// The column's cell of a row, as text. An error says what is wrong with the column.
    fn text(&self, row: &[u8]) -> Result<String, String> {
        let cell = &row[self.offset..self.offset + self.bytes()];
        if self.format == b'A' {
            let end = cell.iter().position(|byte| *byte == 0);
            let text = String::from_utf8_lossy(&cell[..end.unwrap_or(cell.len())]);
            return Ok(text.trim().to_owned());
        }
        if self.repeat != 1 {
            return Err(format!("{} values in a cell", self.repeat));
        }
        let integer = match self.format {
            b'L' => return Ok(if cell[0] == b'T' { "T" } else { "F" }.to_owned()),
            b'E' => {
                let value = f32::from_be_bytes(first(cell));
                // The shortest text that means this f32, unless it is scaled.
                return Ok(self.scaling.real(f64::from(value), || value.to_string()));
            }
            b'D' => {
                let value = f64::from_be_bytes(first(cell));
                return Ok(self.scaling.real(value, || value.to_string()));
            }
            b'B' => i64::from(cell[0]),
            b'I' => i64::from(i16::from_be_bytes(first(cell))),
            b'J' => i64::from(i32::from_be_bytes(first(cell))),
            b'K' => i64::from_be_bytes(first(cell)),
            format => return Err(format!("format '{}' is not read", char::from(format))),
        };
        if self.null == Some(integer) {
            return Ok(String::new());
        }
        Ok(match self.scaling {
            Scaling::Offset(offset) => (i128::from(integer) + offset).to_string(),
            Scaling::Linear { scale, zero } => (integer as f64 * scale + zero).to_string(),
        })
    }
}

/// The bytes of one element of a format (Table 18); a bit is less than one.
const fn width(format: u8) -> Option<usize> {
    Some(match format {
        b'L' | b'X' | b'B' | b'A' => 1,
        b'I' => 2,
        b'J' | b'E' => 4,
        b'K' | b'D' | b'C' | b'P' => 8,
        b'M' | b'Q' => 16,
        _ => return None,
    })
}

fn first<const N: usize>(cell: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&cell[..N]);
    bytes
}

impl Scaling {
    fn parse(scale: Option<&str>, zero: Option<&str>) -> Option<Self> {
        let number = |text: &str| text.replace(['D', 'd'], "E").parse::<f64>().ok();
        let scale = scale.map_or(Some(1.0), number)?;
        let text = zero.unwrap_or("0");
        let zero = number(text)?;
        let whole = zero.fract() == 0.0 && zero.abs() <= LARGEST_OFFSET;
        Some(if scale == 1.0 && whole {
            Self::Offset(text.parse().unwrap_or(zero as i128))
        } else {
            Self::Linear { scale, zero }
        })
    }

    fn real(&self, value: f64, unscaled: impl Fn() -> String) -> String {
        match self {
            Self::Offset(0) => unscaled(),
            Self::Offset(offset) => (value + *offset as f64).to_string(),
            Self::Linear { scale, zero } => (value * scale + zero).to_string(),
        }
    }
}

/// The keywords of a header that have a value (section 4).
struct Header(HashMap<String, String>);

impl Header {
    /// The next header; `None` at the end of the file.
    fn read(reader: &mut impl Read) -> Result<Option<Self>, FitsError> {
        let mut values = HashMap::new();
        let mut block = Vec::with_capacity(BLOCK);
        for number in 0..MOST_HEADER_BLOCKS {
            block.clear();
            reader.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
            let begins = block.starts_with(b"SIMPLE  =") || block.starts_with(b"XTENSION=");
            if number == 0 && !begins {
                // The end, or the special records that may follow the last extension (section 3.5).
                return Ok(None);
            }
            if block.len() < BLOCK {
                return Err("it ends within a header".into());
            }
            for card in block.chunks_exact(80) {
                if card.starts_with(b"END     ") {
                    return Ok(Some(Self(values)));
                }
                let card = String::from_utf8_lossy(card);
                if let Some((key, value)) = card.split_at_checked(8)
                    && let Some(value) = value.strip_prefix("= ")
                {
                    values.insert(key.trim_end().to_owned(), parse_value(value));
                }
            }
        }
        let fault = format!("a header of it has more than {MOST_HEADER_BLOCKS} blocks");
        Err(fault.into())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn integer(&self, key: &str) -> Result<i64, FitsError> {
        let text = self.text(key).ok_or_else(|| format!("it has no {key}"))?;
        Ok(text.parse().map_err(|_| format!("its {key} is '{text}'"))?)
    }

    fn integer_or(&self, key: &str, default: i64) -> Result<i64, FitsError> {
        self.text(key).map_or(Ok(default), |_| self.integer(key))
    }

    /// Skips the data of a header. Their size is equation 2 of section 4.4.1.
    fn skip_data(&self, reader: &mut impl Read) -> Result<(), FitsError> {
        let axes = self.integer("NAXIS")?;
        let mut values = i64::from(axes > 0);
        for axis in 1..=axes {
            values = values.saturating_mul(self.integer(&format!("NAXIS{axis}"))?);
        }
        let bytes = values
            .saturating_add(self.integer_or("PCOUNT", 0)?)
            .saturating_mul(self.integer_or("GCOUNT", 1)?)
            .saturating_mul(self.integer("BITPIX")?.saturating_abs() / 8);
        let bytes = u64::try_from(bytes).map_err(|_| "its header gives a negative size")?;
        let padded = bytes.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        io::copy(&mut reader.by_ref().take(padded), &mut io::sink())?;
        Ok(())
    }
}

/// The value of a card, from the text after "= ": a string in quotes, in which a quote is doubled, or
/// the text before the comment (section 4.2).
fn parse_value(text: &str) -> String {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('\'') else {
        return text.split('/').next().unwrap_or_default().trim().to_owned();
    };
    let mut value = String::new();
    let mut characters = quoted.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\'' && characters.next_if_eq(&'\'').is_none() {
            break;
        }
        value.push(character);
    }
    value.trim_end().to_owned()
}

#[cfg(test)]
mod tests;

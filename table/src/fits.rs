//! FITS binary tables (FITS standard 4.0, section 7.3), as far as tables of votes and of positions need them: one value
//! a cell.
//!
//! Cells are returned as text, as a faithful CSV export would have them. An id of 18 digits stays exact,
//! and a 32-bit 0.602 is "0.602" and not "0.60199999809". So the FITS and the CSV file of one catalogue
//! select the same galaxies.
//!
//! The crate fitsio-pure reads the table. It is in memory as a whole: Hart et al.'s catalogue has 168 MB.

use std::io::Read;

use fitsio_pure::bintable::{
    BinaryColumnData, BinaryColumnDescriptor, parse_binary_table_columns, read_binary_column,
};
use fitsio_pure::hdu::{Hdu, HduInfo, parse_fits};
use fitsio_pure::header::Card;
use fitsio_pure::value::Value;

use crate::{Row, TableError, real_text, real_text_f32};

/// 2^64: enough for every type of integer, and far from where a sum would overflow.
const LARGEST_OFFSET: f64 = 18_446_744_073_709_551_616.0;

/// The first binary table of a FITS file, read row by row.
pub(super) struct BinaryTable {
    file: Vec<u8>,
    table: Hdu,
    columns: Vec<BinaryColumnDescriptor>,
    rows: usize,
    done: usize,
    /// The columns that are read, with their numbers.
    read: Vec<(usize, Column)>,
}

impl From<fitsio_pure::Error> for TableError {
    fn from(fault: fitsio_pure::Error) -> Self {
        Self::Invalid(match fault {
            fitsio_pure::Error::UnexpectedEof => "it ends too early".into(),
            other => other.to_string(),
        })
    }
}

impl From<String> for TableError {
    fn from(fault: String) -> Self {
        Self::Invalid(fault)
    }
}

/// The cells of a column, and what they mean.
struct Column {
    data: BinaryColumnData,
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

impl BinaryTable {
    /// Reads a file, and finds its first binary table.
    pub(super) fn open(mut reader: impl Read) -> Result<Self, TableError> {
        let mut file = Vec::new();
        reader.read_to_end(&mut file)?;
        let parts = parse_fits(&file)?.hdus.into_iter();
        let mut tables = parts.filter_map(|part| match part.info {
            HduInfo::BinaryTable {
                naxis1,
                naxis2,
                tfields,
                ..
            } => Some((part, naxis1, naxis2, tfields)),
            _ => None,
        });
        let (table, row, rows, fields) = tables
            .next()
            .ok_or_else(|| TableError::Invalid("it holds no binary table".into()))?;
        let columns = parse_binary_table_columns(&table.cards, fields)?;
        let bytes =
            (columns.iter()).try_fold(0_usize, |all, column| all.checked_add(column.byte_width));
        if bytes != Some(row) {
            let fault = format!("its rows have {row} bytes (NAXIS1), and its columns others");
            return Err(fault.into());
        }
        Ok(Self {
            file,
            table,
            columns,
            rows,
            done: 0,
            read: Vec::new(),
        })
    }

    /// What the file says of the columns.
    pub(super) fn columns(&self) -> Vec<crate::Column> {
        let unit = |index: usize| match value(&self.table.cards, &format!("TUNIT{}", index + 1)) {
            Some(Value::String(unit)) => Some(unit.trim().to_owned()),
            _ => None,
        };
        let column = |(index, _)| crate::Column {
            name: self.name(index).to_owned(),
            unit: unit(index).filter(|unit| !unit.is_empty()),
        };
        self.columns.iter().enumerate().map(column).collect()
    }

    fn name(&self, index: usize) -> &str {
        self.columns[index].name.as_deref().unwrap_or_default()
    }

    /// The next row's cells in the columns `wanted`; `None` after the last row.
    pub(super) fn next_row(&mut self, wanted: &[usize]) -> Result<Option<Row>, TableError> {
        for index in wanted {
            if !self.read.iter().any(|(read, _)| read == index) {
                let fault = |fault: String| format!("column '{}': {fault}", self.name(*index));
                let column = self.column(*index).map_err(fault)?;
                self.read.push((*index, column));
            }
        }
        if self.done == self.rows {
            return Ok(None);
        }
        let row = self.done;
        self.done += 1;
        let cell = |index: &usize| {
            let column = self.read.iter().find(|(read, _)| read == index);
            column.map_or_else(String::new, |(_, column)| column.text(row))
        };
        Ok(Some(Row {
            number: self.done as u64,
            cells: wanted.iter().map(cell).collect(),
        }))
    }

    /// Reads a column. An error says what is wrong with it.
    fn column(&self, index: usize) -> Result<Column, String> {
        let data = read_binary_column(&self.file, &self.table, index)
            .map_err(|_| "its format is not read".to_owned())?;
        let is_text = matches!(data, BinaryColumnData::Ascii(_));
        let repeat = self.columns[index].repeat;
        if repeat != 1 && !is_text {
            return Err(format!("{repeat} values in a cell"));
        }
        if is_many(&data) {
            return Err("its format is not read".into());
        }
        let number = index + 1;
        let key = |name: &str| value(&self.table.cards, &format!("{name}{number}"));
        let null = match key("TNULL") {
            Some(Value::Integer(null)) => Some(*null),
            _ => None,
        };
        let scaling = Scaling::new(key("TSCAL"), key("TZERO"))
            .ok_or_else(|| format!("its TSCAL{number} or TZERO{number} is no number"))?;
        Ok(Column {
            data,
            null,
            scaling,
        })
    }
}

/// Whether cells are of a kind that is not one number, one logical value or one text.
fn is_many(data: &BinaryColumnData) -> bool {
    !matches!(
        data,
        BinaryColumnData::Logical(_)
            | BinaryColumnData::Byte(_)
            | BinaryColumnData::Short(_)
            | BinaryColumnData::Int(_)
            | BinaryColumnData::Long(_)
            | BinaryColumnData::Float(_)
            | BinaryColumnData::Double(_)
            | BinaryColumnData::Ascii(_)
    )
}

/// The value of a keyword.
fn value<'a>(cards: &'a [Card], key: &str) -> Option<&'a Value> {
    let mut found = cards.iter().filter(|card| card.keyword_str() == key);
    found.next()?.value.as_ref()
}

impl Column {
    /// A cell as text.
    fn text(&self, row: usize) -> String {
        let integer = match &self.data {
            BinaryColumnData::Ascii(cells) => {
                let text = cells[row].split('\0').next().unwrap_or_default();
                return text.trim().to_owned();
            }
            BinaryColumnData::Logical(cells) => return if cells[row] { "T" } else { "F" }.into(),
            BinaryColumnData::Float(cells) => {
                let value = cells[row];
                return self.scaling.real(f64::from(value), || real_text_f32(value));
            }
            BinaryColumnData::Double(cells) => {
                let value = cells[row];
                return self.scaling.real(value, || real_text(value));
            }
            BinaryColumnData::Byte(cells) => i64::from(cells[row]),
            BinaryColumnData::Short(cells) => i64::from(cells[row]),
            BinaryColumnData::Int(cells) => i64::from(cells[row]),
            BinaryColumnData::Long(cells) => cells[row],
            _ => unreachable!("`BinaryTable::column` refuses the others"),
        };
        if self.null == Some(integer) {
            return String::new();
        }
        match self.scaling {
            Scaling::Offset(offset) => (i128::from(integer) + offset).to_string(),
            Scaling::Linear { scale, zero } => real_text(integer as f64 * scale + zero),
        }
    }
}

impl Scaling {
    fn new(scale: Option<&Value>, zero: Option<&Value>) -> Option<Self> {
        let number = |value: &Value| match value {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        };
        let scale = scale.map_or(Some(1.0), number)?;
        if scale == 1.0 {
            match zero {
                None => return Some(Self::Offset(0)),
                Some(Value::Integer(offset)) => return Some(Self::Offset(i128::from(*offset))),
                _ => {}
            }
        }
        let zero = zero.map_or(Some(0.0), number)?;
        let is_whole = zero.fract() == 0.0 && zero.abs() <= LARGEST_OFFSET;
        Some(if scale == 1.0 && is_whole {
            Self::Offset(zero as i128)
        } else {
            Self::Linear { scale, zero }
        })
    }

    fn real(&self, value: f64, unscaled: impl Fn() -> String) -> String {
        match self {
            Self::Offset(0) => unscaled(),
            Self::Offset(offset) => real_text(value + *offset as f64),
            Self::Linear { scale, zero } => real_text(value * scale + zero),
        }
    }
}

#[cfg(test)]
mod tests;

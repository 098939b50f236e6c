//! Tables that are printed for people and written as CSV, from the same cells.

use std::fmt;

use comfy_table::CellAlignment;
use comfy_table::presets::NOTHING;

use crate::csv_bytes::csv_bytes;
use crate::metrics::{Estimate, Interval};

/// A table with a title above it and a remark below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    title: String,
    remark: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A column: its name in CSV, its heading for people, and the format of its values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) heading: String,
    pub(super) kind: Kind,
}

/// How a column's values are shown to people. In CSV a value is a plain number, and a value with an
/// interval takes three columns: the value, `_low` and `_high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words and counts, without an interval.
    Plain,
    /// A fraction with four decimals, as in the paper.
    Fraction,
    /// A fraction in percent.
    Percent,
}

/// The contents of one cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// Words.
    Text(String),
    /// A number of images.
    Count(u64),
    /// A value, and its interval if it has one.
    Value(f64, Option<Interval>),
    /// An unknown or undefined value.
    Empty,
}

impl From<Option<Estimate>> for Cell {
    fn from(estimate: Option<Estimate>) -> Self {
        estimate.map_or(Self::Empty, |Estimate { value, low, high }| {
            Self::Value(value, Some(Interval { low, high }))
        })
    }
}

impl Column {
    pub(super) fn new(name: &str, heading: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            heading: heading.to_owned(),
            kind,
        }
    }
}

impl Table {
    pub(super) fn new(title: String, columns: Vec<Column>) -> Self {
        Self {
            title,
            remark: String::new(),
            columns,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }

    /// The table as CSV: a header, and rows with intervals and with fractions in full precision.
    pub(super) fn to_csv(&self) -> Vec<u8> {
        let header = self
            .columns
            .iter()
            .flat_map(|Column { name, kind, .. }| match kind {
                Kind::Plain => vec![name.clone()],
                _ => vec![name.clone(), format!("{name}_low"), format!("{name}_high")],
            });
        let rows = self.rows.iter().map(|row| {
            let fields = row.iter().zip(&self.columns).flat_map(|(cell, column)| {
                let mut fields = cell.fields();
                if column.kind == Kind::Plain {
                    fields.truncate(1);
                }
                fields
            });
            fields.collect()
        });
        csv_bytes(header.collect::<Vec<String>>(), rows)
    }
}

impl Cell {
    /// The value and the ends of its interval.
    fn fields(&self) -> Vec<String> {
        let (value, interval) = match self {
            Self::Text(text) => (text.clone(), None),
            Self::Count(count) => (count.to_string(), None),
            Self::Value(value, interval) => (value.to_string(), *interval),
            Self::Empty => (String::new(), None),
        };
        let end =
            |end: fn(Interval) -> f64| interval.map_or_else(String::new, |i| end(i).to_string());
        vec![
            value,
            end(|interval| interval.low),
            end(|interval| interval.high),
        ]
    }

    fn shown(&self, kind: Kind) -> String {
        let (factor, decimals) = match kind {
            Kind::Percent => (100.0, 2),
            Kind::Plain | Kind::Fraction => (1.0, 4),
        };
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Value(value, None) => format!("{:.decimals$}", factor * value),
            Self::Value(value, Some(Interval { low, high })) => format!(
                "{:.decimals$} ({:.less$} to {:.less$})",
                factor * value,
                factor * low,
                factor * high,
                // The ends of an interval are less certain, and get one digit less.
                less = decimals - 1
            ),
            Self::Empty => "-".into(),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING);
        table.set_header(self.columns.iter().map(|column| &column.heading));
        for row in &self.rows {
            let cells = row.iter().zip(&self.columns);
            table.add_row(cells.map(|(cell, column)| cell.shown(column.kind)));
        }
        for (number, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            let counts = |row: &Vec<Cell>| matches!(row.get(number), Some(Cell::Count(_)));
            if self.rows.iter().any(counts) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{}", self.title)?;
        for line in table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        if !self.remark.is_empty() {
            writeln!(f, "{}", self.remark)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = vec![
            Column::new("class", "Class", Kind::Plain),
            Column::new("images", "Images", Kind::Plain),
            Column::new("accuracy", "Accuracy (%)", Kind::Percent),
        ];
        let mut table = Table::new("Table 0. A trial".into(), columns).remark("So it is.");
        let interval = Interval {
            low: 0.25,
            high: 0.75,
        };
        table.row([
            Cell::Text("round, \"really\"".into()),
            Cell::Count(12),
            Cell::Value(0.5, Some(interval)),
        ]);
        table.row([Cell::Text("cigar".into()), Cell::Count(0), Cell::Empty]);
        table
    }

    #[test]
    fn people_see_aligned_columns() {
        let wanted = "\
Table 0. A trial
Class            Images  Accuracy (%)
round, \"really\"      12  50.00 (25.0 to 75.0)
cigar                 0  -
So it is.
";
        assert_eq!(table().to_string(), wanted);
    }

    #[test]
    fn csv_has_a_column_for_each_end_of_an_interval() {
        let csv = table().to_csv();
        let mut reader = csv::Reader::from_reader(csv.as_slice());
        let header = [
            "class",
            "images",
            "accuracy",
            "accuracy_low",
            "accuracy_high",
        ];
        assert_eq!(reader.headers().unwrap(), &header[..]);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let round = ["round, \"really\"", "12", "0.5", "0.25", "0.75"];
        assert_eq!(rows[0], round[..]);
        assert_eq!(rows[1], ["cigar", "0", "", "", ""][..]);
    }
}

//! Aligned columns, for people. All rows are held until the end, since the longest cell decides how wide
//! its column is.

use std::borrow::Cow;
use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{Export, Value};
use crate::columns::Column;
use galmorph_output::visible;

/// The blanks between two columns.
const GAP: usize = 2;

/// A column that is shortened keeps at least this many characters.
const LEAST: usize = 12;

/// The place that a table has to fit into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// How many characters a line may have.
    pub width: usize,
    /// The columns that may be shortened, by their position. The first gives way first.
    pub shorten: Vec<usize>,
}

/// Writes a table to `output`, within the width that `fit` gives.
pub fn fitted_table<'a>(output: impl Write + 'a, fit: Fit) -> Box<dyn Export + 'a> {
    Box::new(Table {
        fit: Some(fit),
        ..Table::new(output)
    })
}

pub(super) struct Table<W: Write> {
    output: W,
    // The first is the header.
    rows: Vec<Vec<String>>,
    fit: Option<Fit>,
}

impl<W: Write> Table<W> {
    pub(super) fn new(output: W) -> Self {
        Self {
            output,
            rows: Vec::new(),
            fit: None,
        }
    }
}

impl<W: Write> Export for Table<W> {
    fn header(&mut self, columns: &[Column]) -> io::Result<()> {
        let names = columns
            .iter()
            .map(|column| visible(&column.name).into_owned());
        self.rows.push(names.collect());
        Ok(())
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        let cells = values.iter().map(|value| match value {
            Value::Real(real) => format!("{real:.3}"),
            other => visible(&other.to_string()).into_owned(),
        });
        self.rows.push(cells.collect());
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        for line in lay_out(&self.rows, self.fit.as_ref()) {
            writeln!(self.output, "{line}")?;
        }
        self.output.flush()
    }
}

/// The lines of a table.
///
/// To fit, the columns that `fit` names are shortened in their middle, one after the other. A line that is
/// still too long is cut at its end.
fn lay_out(rows: &[Vec<String>], fit: Option<&Fit>) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let longest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.width()).max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = (0..columns).map(longest).collect();
    if let Some(fit) = fit {
        let total = widths.iter().sum::<usize>() + GAP * columns.saturating_sub(1);
        let mut excess = total.saturating_sub(fit.width);
        for column in &fit.shorten {
            let cut = excess.min(widths[*column].saturating_sub(LEAST));
            widths[*column] -= cut;
            excess -= cut;
        }
    }
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let cell = shorten(cell, *width);
            line.push_str(&cell);
            line.push_str(&" ".repeat(width + GAP - cell.width()));
        }
        let line = line.trim_end();
        match fit {
            Some(fit) => start(line, fit.width).trim_end().to_owned(),
            None => line.to_owned(),
        }
    };
    rows.iter().map(line).collect()
}

/// A text of at most `width`. If it is longer, its middle is left out; more is kept of its end, where a
/// path has its name.
fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    const MARK: &str = "…";
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let keep = width.saturating_sub(MARK.width());
    let head = start(text, keep / 3);
    let mut tail = text.len();
    let mut left = keep - head.width();
    for (position, character) in text.char_indices().rev() {
        let width = character.width().unwrap_or_default();
        if width > left {
            break;
        }
        left -= width;
        tail = position;
    }
    Cow::Owned(format!("{head}{MARK}{}", &text[tail..]))
}

/// As much of the beginning of a text as fits into `width`.
fn start(text: &str, width: usize) -> &str {
    let mut left = width;
    for (position, character) in text.char_indices() {
        let width = character.width().unwrap_or_default();
        if width > left {
            return &text[..position];
        }
        left -= width;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rows: &[&[&str]], fit: Option<&Fit>) -> Vec<String> {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(ToString::to_string).collect())
            .collect();
        lay_out(&rows, fit)
    }

    fn within(width: usize, shorten: &[usize]) -> Fit {
        let shorten = shorten.to_vec();
        Fit { width, shorten }
    }

    const ROWS: &[&[&str]] = &[
        &["object_id", "label", "path"],
        &[
            "587722981741363294",
            "edge_on",
            "inbox/2026-11-26/587722981741363294.jpg",
        ],
        &["ngc1300", "spiral", "a.jpg"],
    ];

    #[test]
    fn a_table_that_fits_is_whole() {
        let expected = [
            "object_id           label    path",
            "587722981741363294  edge_on  inbox/2026-11-26/587722981741363294.jpg",
            "ngc1300             spiral   a.jpg",
        ];
        assert_eq!(lines(ROWS, None), expected);
        assert_eq!(lines(ROWS, Some(&within(68, &[2]))), expected);
    }

    #[test]
    fn a_path_is_shortened_in_its_middle_and_keeps_its_name() {
        assert_eq!(
            lines(ROWS, Some(&within(60, &[2, 0]))),
            [
                "object_id           label    path",
                "587722981741363294  edge_on  inbox/2026…7722981741363294.jpg",
                "ngc1300             spiral   a.jpg",
            ]
        );
        // When that is not enough, the next column gives way.
        assert_eq!(
            lines(ROWS, Some(&within(36, &[2, 0])))[1],
            "5877…41363294  edge_on  inb…3294.jpg"
        );
    }

    #[test]
    fn no_line_is_ever_longer_than_the_terminal() {
        for width in 0..80 {
            for line in lines(ROWS, Some(&within(width, &[2, 0]))) {
                assert!(line.width() <= width, "{width}: {line}");
                assert!(!line.ends_with(' '), "{width}: {line}");
            }
        }
        assert!(lines(&[], Some(&within(10, &[]))).is_empty());
    }

    #[test]
    fn wide_characters_count_twice_and_are_not_cut_in_two() {
        assert_eq!(shorten("銀河銀河銀河.jpg", 10), "銀…河.jpg");
        assert_eq!(lines(&[&["銀河", "a"], &["x", "b"]], None)[1], "x     b");
    }
}

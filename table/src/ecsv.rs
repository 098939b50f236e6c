//! The lines above an ECSV table (Enhanced Character-Separated Values 1.0, APE 6): comments with a description of the
//! columns in YAML. Of that, the delimiter and the units are read, as astropy and this project write them: one
//! column a line, or more where a line is long.

use std::io::BufRead;

use crate::{Column, TableError};

/// What every ECSV file begins with.
pub(super) const SIGNATURE: &[u8] = b"# %ECSV";

/// What is said above a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) delimiter: u8,
    /// How many lines it has.
    pub(super) lines: u64,
    units: Vec<(String, String)>,
}

impl Default for Header {
    /// Of a table above which nothing is said: CSV.
    fn default() -> Self {
        Self {
            delimiter: b',',
            lines: 0,
            units: Vec::new(),
        }
    }
}

impl Header {
    /// Reads the comment lines, and stops at the line with the names of the columns.
    pub(super) fn read(reader: &mut impl BufRead) -> Result<Self, TableError> {
        let (mut lines, mut text) = (0, Vec::new());
        while reader.fill_buf()?.first() == Some(&b'#') {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line)?;
            lines += 1;
            text.push(String::from_utf8_lossy(&line[1..]).trim_end().to_owned());
        }
        let delimiter = text
            .iter()
            .find_map(|line| line.trim().strip_prefix("delimiter:"));
        let delimiter = match delimiter.map(|value| unquoted(value.trim())) {
            None | Some(" ") => b' ',
            Some(",") => b',',
            Some(other) => {
                let fault = format!("its delimiter '{other}' is neither a space nor a comma");
                return Err(TableError::Invalid(fault));
            }
        };
        Ok(Self {
            delimiter,
            lines,
            units: descriptions(&text)
                .iter()
                .filter_map(|item| unit(item))
                .collect(),
        })
    }

    /// What is said of the column of this name.
    pub(super) fn column(&self, name: &str) -> Column {
        let of_this = |(column, _): &&(String, String)| column == name;
        Column {
            name: name.to_owned(),
            unit: (self.units.iter().find(of_this)).map(|(_, unit)| unit.clone()),
        }
    }
}

/// The descriptions of the columns, each in one line: the items of the list `datatype`.
fn descriptions(lines: &[String]) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let from_list = lines.iter().skip_while(|line| line.trim() != "datatype:");
    for line in from_list.skip(1) {
        let text = line.trim();
        if let Some(item) = text.strip_prefix("- ") {
            items.push(item.trim().to_owned());
        } else if line.starts_with("  ")
            && let Some(last) = items.last_mut()
        {
            last.push(' ');
            last.push_str(text);
        } else {
            break;
        }
    }
    items
}

/// The name and the unit of a column: `{name: ra, unit: deg, datatype: float64}`.
fn unit(description: &str) -> Option<(String, String)> {
    let inner = description.strip_prefix('{')?.strip_suffix('}')?;
    let value = |wanted: &str| {
        let mut parts = parts(inner).into_iter();
        parts.find_map(|part| {
            let (key, value) = part.split_once(':')?;
            (key.trim() == wanted).then(|| unquoted(value.trim()).to_owned())
        })
    };
    Some((value("name")?, value("unit")?))
}

/// What is between commas that are neither in quotes nor in brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth, mut quote) = (Vec::new(), 0, 0, None);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) => quote = (open != character).then_some(open),
            (None, '"' | '\'') => quote = Some(character),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn unquoted(text: &str) -> &str {
    let stripped = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    stripped('\'').or_else(|| stripped('"')).unwrap_or(text)
}

//! Rows on standard output: which columns, and how they are written.
//!
//! A person at a terminal gets the few columns that fit there. A file or another program gets every column
//! in full.

use std::env;
use std::io::{self, BufWriter, IsTerminal as _};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use galmorph_catalog::ask::unknown;
use galmorph_catalog::columns::Column;
use galmorph_catalog::export::{Export, Fit, Format, Provenance, Value, fitted_table};
use rustix::termios::tcgetwinsize;

use super::Outcome;
use crate::failure::Failure;
use galmorph_output::path_text;

/// The width of a terminal that doesn't say how wide it is.
const WIDTH: usize = 100;

/// The column that is made from the probabilities: the second most probable class, and how probable it is.
pub(super) const RUNNER_UP: &str = "runner_up";

/// The columns that give way when a terminal is narrow, the first one first.
const SHORTENED: [&str; 3] = ["path", "reason", "object_id"];

/// How rows are written.
#[derive(Debug, Args)]
pub(super) struct RowArguments {
    /// Output format
    #[arg(long, value_parser = text_formats(), default_value = "table")]
    format: Format,

    /// Print only these columns, in this order: names separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_hint = ValueHint::Other)]
    columns: Vec<String>,

    /// Print every column in full, even if the lines are longer than the terminal is wide
    #[arg(long)]
    wide: bool,
}

/// The formats that are text, and so can be printed.
fn text_formats() -> impl TypedValueParser<Value = Format> {
    formats(|format| !format.is_binary())
}

/// Parses the name of a format, one of those that `choose` takes.
pub(super) fn formats(choose: fn(&Format) -> bool) -> impl TypedValueParser<Value = Format> {
    let values = (Format::ALL.iter())
        .filter(move |format| choose(format))
        .map(|format| PossibleValue::new(format.name()).help(format.meaning()));
    PossibleValuesParser::new(values).map(|name| {
        *Format::ALL
            .iter()
            .find(|format| format.name() == name)
            .expect("clap takes only the names of the formats")
    })
}

/// The columns that a command can print.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    /// All of them, in the order of the values that the command gives.
    pub(super) all: Vec<Column>,
    /// How many of them, from the first, are printed where there is room for all.
    pub(super) whole: usize,
    /// Those that are printed on a terminal.
    pub(super) on_a_terminal: &'a [&'a str],
}

impl Columns<'_> {
    fn position(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|column| column.name == name)
    }

    /// The positions of the columns of these names; of all, if there are no names. `fits` leaves those that a
    /// terminal has room for.
    pub(super) fn choose(&self, names: &[String], fits: bool) -> Result<Vec<usize>, Failure> {
        let find = |name: &str| {
            self.position(name).ok_or_else(|| {
                let known: Vec<&str> = self.all.iter().map(|column| &*column.name).collect();
                Failure::Usage(unknown("column", name, &known))
            })
        };
        if !names.is_empty() {
            let chosen: Vec<usize> = names
                .iter()
                .map(|name| find(name.trim()))
                .collect::<Result<_, _>>()?;
            // FITS and VOTable readers refuse two columns of one name.
            for (at, column) in chosen.iter().enumerate() {
                if chosen[..at].contains(column) {
                    let name = &self.all[*column].name;
                    return Err(Failure::Usage(format!("column '{name}' is named twice")));
                }
            }
            return Ok(chosen);
        }
        if fits {
            return self.on_a_terminal.iter().map(|name| find(name)).collect();
        }
        Ok((0..self.whole).collect())
    }
}

impl RowArguments {
    /// Has `work` write rows to standard output.
    pub(super) fn write(
        &self,
        columns: &Columns,
        provenance: &Provenance,
        work: impl FnOnce(&mut Rows) -> Result<Outcome, Failure>,
    ) -> Result<Outcome, Failure> {
        let fits = self.format == Format::Table && !self.wide && io::stdout().is_terminal();
        let chosen = columns.choose(&self.columns, fits)?;
        let output = BufWriter::new(io::stdout());
        let names: Vec<Column> = chosen.iter().map(|at| columns.all[*at].clone()).collect();
        let exporter = if fits {
            let position = |name: &&str| names.iter().position(|column| column.name == **name);
            let fit = Fit {
                width: width(),
                shorten: SHORTENED.iter().filter_map(position).collect(),
            };
            fitted_table(output, fit)
        } else {
            self.format.exporter(output, provenance)
        };
        let mut rows = Rows::new(exporter, columns, chosen);
        rows.here = fits.then(here);
        let outcome = work(&mut rows)?;
        rows.finish().map_err(Failure::Output)?;
        Ok(outcome)
    }
}

/// Writes the chosen columns of rows.
pub(super) struct Rows<'a> {
    exporter: Box<dyn Export + 'a>,
    columns: Vec<Column>,
    chosen: Vec<usize>,
    // On a terminal: the current folder with a slash, which paths need not begin with.
    here: Option<String>,
    has_header: bool,
    count: u64,
}

impl<'a> Rows<'a> {
    /// Rows that go to `exporter`: of all columns, those at the positions `chosen`.
    pub(super) fn new(
        exporter: Box<dyn Export + 'a>,
        columns: &Columns,
        chosen: Vec<usize>,
    ) -> Self {
        Self {
            exporter,
            columns: chosen.iter().map(|at| columns.all[*at].clone()).collect(),
            chosen,
            here: None,
            has_header: false,
            count: 0,
        }
    }

    /// Writes out whatever was held back. Returns the number of rows.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.exporter.finish()?;
        Ok(self.count)
    }

    /// Whether a column of this name is printed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// Writes the names of the columns, unless they are written already.
    pub(super) fn header(&mut self) -> Result<(), Failure> {
        if !self.has_header {
            self.has_header = true;
            self.exporter
                .header(&self.columns)
                .map_err(Failure::Output)?;
        }
        Ok(())
    }

    /// Writes a row, of one value for each column that the command can print.
    pub(super) fn row(&mut self, values: &[Value]) -> Result<(), Failure> {
        self.header()?;
        self.count += 1;
        let chosen = self.chosen.iter().zip(&self.columns);
        let row: Vec<Value> = chosen
            .map(|(at, column)| match (&self.here, &values[*at]) {
                (Some(here), Value::Text(text)) => Value::Text(shown(text, &column.name, here)),
                (_, value) => value.clone(),
            })
            .collect();
        self.exporter.row(&row).map_err(Failure::Output)
    }
}

/// A text as a person at a terminal needs it.
fn shown(text: &str, column: &str, here: &str) -> String {
    match column {
        "path" => text.strip_prefix(here).unwrap_or(text).to_owned(),
        // 2026-11-26T14:45:08.697Z to the minute: 2026-11-26T14:45Z.
        "classified_at" | "updated" | "modified" => match text.get(..16) {
            Some(minute) if text.ends_with('Z') => format!("{minute}Z"),
            _ => text.to_owned(),
        },
        _ => text.to_owned(),
    }
}

fn here() -> String {
    env::current_dir().map_or_else(
        |_| String::new(),
        |folder| path_text(&folder).trim_end_matches('/').to_owned() + "/",
    )
}

/// The width of the terminal on standard output; COLUMNS goes first, as with other programs.
fn width() -> usize {
    let wanted = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let known = || {
        let size = tcgetwinsize(io::stdout()).ok()?;
        Some(usize::from(size.ws_col))
    };
    let is_one = |width: &usize| *width > 0;
    wanted
        .filter(is_one)
        .or_else(|| known().filter(is_one))
        .unwrap_or(WIDTH)
}

/// The second most probable class of an answer, as `edge_on 0.11`.
pub(super) fn runner_up<'a>(
    label: &str,
    probabilities: impl IntoIterator<Item = (&'a str, f64)>,
) -> String {
    let mut second = None;
    for (class, probability) in probabilities {
        // Of equals, the first stays.
        if class != label && second.is_none_or(|(_, most)| probability > most) {
            second = Some((class, probability));
        }
    }
    second.map_or_else(String::new, |(class, probability)| {
        format!("{class} {probability:.2}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns<'static> {
        Columns {
            all: ["path", "label", "model", RUNNER_UP]
                .map(Column::text)
                .into(),
            whole: 3,
            on_a_terminal: &["label", RUNNER_UP, "path"],
        }
    }

    #[test]
    fn a_terminal_has_few_columns_and_a_pipe_has_all() {
        let choose = |names: &[&str], fits| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            columns()
                .choose(&names, fits)
                .map_err(|error| error.to_string())
        };
        assert_eq!(choose(&[], true).unwrap(), [1, 3, 0]);
        assert_eq!(choose(&[], false).unwrap(), [0, 1, 2]);
        assert_eq!(choose(&["model", " path"], true).unwrap(), [2, 0]);
        assert_eq!(
            choose(&["modle"], true).unwrap_err(),
            "unknown column 'modle', did you mean 'model'? (one of path, label, model, runner_up)"
        );
    }

    #[test]
    fn texts_are_short_on_a_terminal() {
        let here = "/home/me/";
        assert_eq!(shown("/home/me/in/a.jpg", "path", here), "in/a.jpg");
        assert_eq!(shown("/home/mean.jpg", "path", here), "/home/mean.jpg");
        assert_eq!(
            shown("/home/me/in/a.jpg", "reason", here),
            "/home/me/in/a.jpg"
        );
        let time = "2026-11-26T14:45:08.697Z";
        assert_eq!(shown(time, "classified_at", here), "2026-11-26T14:45Z");
        assert_eq!(shown("odd", "updated", here), "odd");
    }

    #[test]
    fn the_runner_up_is_the_most_probable_of_the_others() {
        let classes = [
            ("round", 0.1),
            ("cigar", 0.6),
            ("edge_on", 0.2),
            ("spiral", 0.1),
        ];
        assert_eq!(runner_up("cigar", classes), "edge_on 0.20");
        assert_eq!(
            runner_up("edge_on", [("round", 0.5), ("edge_on", 0.5)]),
            "round 0.50"
        );
        assert_eq!(runner_up("a", [("b", 0.1), ("c", 0.1)]), "b 0.10");
    }
}

//! `--match`: another table's objects in the catalog.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use galmorph_catalog::ask::separation;
use galmorph_catalog::columns::{Column, classified_columns};
use galmorph_catalog::export::Value;
use galmorph_catalog::{Filter, Nearest, Reader};
use galmorph_output::readable;
use galmorph_table::Table;

use crate::failure::Failure;
use crate::identity::sky::Sky;

/// The columns that a match has beside those of the catalog.
const MATCH_ROW: &str = "match_row";
const MATCH_ID: &str = "match_id";
pub(super) const SEPARATION: &str = "separation";
pub(super) const ON_A_TERMINAL: &[&str] = &[MATCH_ID, SEPARATION];

#[derive(Debug, Args)]
pub(super) struct MatchArguments {
    // As an attribute: names of columns would need backticks in a comment.
    #[arg(long = "match", value_name = "TABLE", value_hint = ValueHint::FilePath,
          conflicts_with_all = ["cone", "sort", "rejected"],
          help = "For each row of this table, the nearest object of the catalog: CSV, ECSV, FITS or Parquet, with \
                  columns ra and dec in degrees (ICRS). The columns match_row, match_id and separation (arcsec) are \
                  added")]
    pub(super) table: Option<PathBuf>,

    /// How far away an object may be: arcsec, or 0.1' or 0.001deg
    #[arg(long, value_name = "ANGLE", value_parser = separation, value_hint = ValueHint::Other,
          default_value = "2", requires = "table")]
    radius: f64,

    /// The columns of TABLE with the right ascension, the declination and, if wanted, the id of its objects
    #[arg(long, value_name = "RA,DEC[,ID]", value_delimiter = ',', num_args = 1, requires = "table",
          value_hint = ValueHint::Other)]
    match_columns: Vec<String>,
}

/// A table that is matched with the catalog.
pub(super) struct Matching {
    path: PathBuf,
    table: Table,
    sky: Sky,
    radius: f64,
}

impl MatchArguments {
    pub(super) fn is_given(&self) -> bool {
        self.table.is_some()
    }

    /// `None` when no table was given.
    pub(super) fn open(&self) -> Result<Option<Matching>, Failure> {
        let Some(path) = &self.table else {
            return Ok(None);
        };
        let fault =
            |fault: String| Failure::Usage(format!("the table '{}'{fault}", readable(path)));
        let table = Table::open(path).map_err(|error| fault(format!(": {error}")))?;
        let names = &self.match_columns;
        if names.len() > 3 || names.len() == 1 {
            let fault = "--match-columns must be RA,DEC or RA,DEC,ID";
            return Err(Failure::Usage(fault.into()));
        }
        let sky = Sky::find(&table, names).map_err(fault)?;
        Ok(Some(Matching {
            path: path.clone(),
            table,
            sky,
            radius: self.radius,
        }))
    }
}

/// What became of the rows of a table.
#[derive(Debug, Default)]
pub(super) struct Counts {
    rows: u64,
    matched: u64,
    without_position: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            matched,
            without_position,
        } = self;
        write!(to, "{matched} of {rows} rows have a match")?;
        if *without_position > 0 {
            write!(to, ", {without_position} have no position")?;
        }
        Ok(())
    }
}

impl Matching {
    /// The columns of its rows: those of the catalog, and three of its own.
    pub(super) fn columns() -> Vec<Column> {
        let own = [
            Column {
                ucd: Some("meta.record"),
                meaning: "The line (CSV) or row of the other table".into(),
                ..Column::integer(MATCH_ROW)
            },
            Column {
                ucd: Some("meta.id.cross"),
                meaning: "The id in the other table".into(),
                ..Column::text(MATCH_ID)
            },
            Column {
                unit: Some("arcsec"),
                ucd: Some("pos.angDistance"),
                meaning: "The angle to the position in the other table".into(),
                ..Column::real(SEPARATION)
            },
        ];
        classified_columns().into_iter().chain(own).collect()
    }

    /// Gives the nearest object of the catalog for each row of the table that has one, in the order of the table. Of the
    /// filter, the order doesn't count.
    pub(super) fn run(
        mut self,
        catalog: &Reader,
        filter: &Filter,
        mut row: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<Counts, Failure> {
        let mut nearest = Nearest::new(catalog, filter, self.radius)?;
        let mut counts = Counts::default();
        let path = readable(&self.path);
        while filter.limit.is_none_or(|limit| counts.matched < limit) {
            let next = self.table.next_row(self.sky.wanted());
            let next =
                next.map_err(|error| Failure::Usage(format!("the table '{path}': {error}")))?;
            let Some(listed) = next else {
                break;
            };
            counts.rows += 1;
            let fault = |fault: String| {
                Failure::Usage(format!(
                    "the table '{path}', row {}: {fault}",
                    listed.number
                ))
            };
            let place = Sky::position(&listed.cells).map_err(fault)?;
            let id = Sky::id(&listed.cells).map_err(fault)?;
            let Some(place) = place else {
                counts.without_position += 1;
                continue;
            };
            if let Some((mut values, distance)) = nearest.find((place.ra(), place.dec()))? {
                counts.matched += 1;
                let number = i64::try_from(listed.number).expect("a table has fewer rows");
                values.extend([
                    Value::Integer(number),
                    id.map_or(Value::Nothing, |id| Value::Text(id.to_owned())),
                    Value::Real(distance),
                ]);
                row(values)?;
            }
        }
        Ok(counts)
    }
}

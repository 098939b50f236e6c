//! `galmorph query`: the catalog without SQL.

use clap::{Args, ValueHint};
use galmorph_cutout::Morphology;

use super::Outcome;
use super::args::{CatalogArguments, label, probability, unknown};
use super::rows::{Columns, RUNNER_UP, RowArguments, runner_up};
use crate::failure::Failure;
use galmorph_catalog::export::{Column, Value};
use galmorph_catalog::{Filter, Query, Reader, probability_columns};

/// What a terminal shows of a classified file, and of a rejected one.
const CLASSIFIED: &[&str] = &[
    "object_id",
    "label",
    "confidence",
    RUNNER_UP,
    "classified_at",
    "path",
];
const REJECTED: &[&str] = &["reason", "attempts", "updated", "path"];

/// SQLite counts rows in 63 bits.
const MOST_ROWS: u64 = i64::MAX as u64;

#[derive(Debug, Args)]
pub(super) struct QueryArguments {
    #[command(flatten)]
    catalog: CatalogArguments,

    /// Only this class
    #[arg(long, value_name = "CLASS", value_parser = label())]
    label: Option<Morphology>,

    /// Only predictions whose confidence is at least PROBABILITY (0 to 1)
    #[arg(long, value_name = "PROBABILITY", value_parser = probability, value_hint = ValueHint::Other)]
    min_confidence: Option<f64>,

    /// The predictions of the model of this name, in place of those of the model in use
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    model: Option<String>,

    /// Print at most ROWS rows
    #[arg(long, value_name = "ROWS", value_hint = ValueHint::Other,
          value_parser = clap::value_parser!(u64).range(..=MOST_ROWS))]
    limit: Option<u64>,

    /// Print the rejected files and why, in place of the predictions. A file stays rejected, under another
    /// model or other limits too, until it changes or galmorph retry queues it
    #[arg(long, conflicts_with_all = ["label", "min_confidence", "model"])]
    rejected: bool,

    #[command(flatten)]
    rows: RowArguments,
}

impl QueryArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let path = self.catalog.path()?;
        let catalog = match &self.model {
            Some(name) => {
                // Of several models of one name, only the current version knows which one is in use.
                let catalog = Reader::open_current(&path)?;
                require_model(&catalog, name)?;
                catalog
            }
            None => Reader::open(&path)?,
        };
        let (query, on_a_terminal) = if self.rejected {
            (Query::rejected(self.limit), REJECTED)
        } else {
            let filter = Filter {
                label: self.label,
                min_confidence: self.min_confidence,
                model: self.model,
                limit: self.limit,
            };
            (Query::classified(&catalog, &filter)?, CLASSIFIED)
        };
        let mut columns = Columns {
            all: query.columns().to_vec(),
            whole: query.columns().len(),
            on_a_terminal,
        };
        let answer = Answer::of(&columns);
        if answer.is_some() {
            columns.all.push(Column::text(RUNNER_UP));
        }
        self.rows.write(&columns, |rows| {
            rows.header()?;
            let answer = answer.filter(|_| rows.has(RUNNER_UP));
            catalog.run(&query, |mut values| {
                let second = answer.map_or(Value::Nothing, |answer| answer.runner_up(&values));
                values.push(second);
                rows.row(&values)
            })?;
            Ok(Outcome::Fine)
        })
    }
}

fn require_model(catalog: &Reader, name: &str) -> Result<(), Failure> {
    let known = catalog.model_names()?;
    if known.iter().any(|known| known == name) {
        Ok(())
    } else {
        Err(Failure::Usage(unknown("model", name, &known)))
    }
}

/// Where a row has its answer.
#[derive(Debug, Clone, Copy)]
struct Answer {
    label: usize,
    probabilities: [usize; Morphology::COUNT],
}

impl Answer {
    /// `None` when there is no answer in these columns.
    fn of(columns: &Columns) -> Option<Self> {
        let find = |name: &str| columns.all.iter().position(|column| column.name == name);
        let label = find("label")?;
        let mut probabilities = [0; Morphology::COUNT];
        for (at, name) in probabilities.iter_mut().zip(probability_columns()) {
            *at = find(&name)?;
        }
        Some(Self {
            label,
            probabilities,
        })
    }

    fn runner_up(self, values: &[Value]) -> Value {
        let probability = |at: usize| match values[at] {
            Value::Real(value) => Some(value),
            _ => None,
        };
        let classes = Morphology::names().into_iter().zip(self.probabilities);
        let classes = classes.filter_map(|(class, at)| Some((class, probability(at)?)));
        Value::Text(runner_up(&values[self.label].to_string(), classes))
    }
}

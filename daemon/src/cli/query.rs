//! `galmorph query`: the catalog without SQL.

use clap::Args;
use galmorph_cutout::Morphology;

use super::Outcome;
use super::args::CatalogArguments;
use super::filter::{FilterArguments, provenance};
use super::rows::{Columns, RUNNER_UP, RowArguments, runner_up};
use crate::failure::Failure;
use galmorph_catalog::columns::Column;
use galmorph_catalog::export::Value;
use galmorph_catalog::probability_columns;

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

#[derive(Debug, Args)]
pub(super) struct QueryArguments {
    #[command(flatten)]
    catalog: CatalogArguments,

    #[command(flatten)]
    filter: FilterArguments,

    #[command(flatten)]
    rows: RowArguments,
}

impl QueryArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let path = self.catalog.path()?;
        let (catalog, query) = self.filter.open(&path)?;
        let on_a_terminal = if self.filter.rejected {
            REJECTED
        } else {
            CLASSIFIED
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
        let provenance = provenance(&catalog)?;
        self.rows.write(&columns, &provenance, |rows| {
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

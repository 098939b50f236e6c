//! `galmorph query`: the catalog without SQL.

use clap::{Args, ValueHint};
use galmorph_cutout::Morphology;

use super::Outcome;
use super::args::CatalogArguments;
use super::class_mix;
use super::filter::{FilterArguments, Question, provenance};
use super::matching;
use super::rows::{Columns, RUNNER_UP, RowArguments, runner_up};
use crate::failure::Failure;
use galmorph_catalog::columns::Column;
use galmorph_catalog::export::Value;
use galmorph_catalog::{Query, Reader, SqlError, probability_columns};

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

    // As an attribute: names of views would need backticks in a comment.
    #[arg(long, value_name = "SELECT", value_hint = ValueHint::Other,
          help = "Ask in SQL, in place of all flags that choose rows. It can only read. The views are catalog, rejected, \
                  probability, classification and in_class_mix: man galmorph-catalog. separation(ra, dec, ra, dec) is \
                  the angle between two positions, in degrees")]
    sql: Option<String>,

    /// How common the classes are among these galaxies, with 95 % intervals, in place of the galaxies: what the
    /// probabilities say, corrected for a survey whose mix is not that of the training images. Counting labels is biased
    /// towards the latter
    #[arg(long, conflicts_with_all = ["label", "label_balanced", "min_confidence", "max_confidence", "purity", "set",
                                      "sort", "rejected", "table", "sql"])]
    class_mix: bool,

    #[arg(
        long,
        requires = "class_mix",
        help = "Keep this class mix in the catalog, in place of the one that was kept for the model. The view \
                  in_class_mix has the probabilities in it"
    )]
    keep: bool,

    #[command(flatten)]
    rows: RowArguments,
}

impl QueryArguments {
    pub(super) fn run(self, quiet: bool) -> Result<Outcome, Failure> {
        let path = self.catalog.path()?;
        if self.class_mix {
            return class_mix::print(
                self.filter.open(&path)?,
                &self.rows,
                self.keep.then_some(&*path),
            );
        }
        let question = match &self.sql {
            Some(sql) if self.filter.is_default() => {
                let catalog = Reader::open(&path)?;
                let query = Query::of_sql(&catalog, sql).map_err(|error| match error {
                    SqlError::Catalog(error) => Failure::from(error),
                    question @ SqlError::Question(_) => Failure::Usage(question.to_string()),
                })?;
                Question::new(catalog, query)
            }
            Some(_) => {
                let fault = "--sql says which rows: leave out the other flags that do";
                return Err(Failure::Usage(fault.into()));
            }
            None => self.filter.open(&path)?,
        };
        let known = question.columns.clone();
        let all: Vec<&str>;
        let on_a_terminal = if self.sql.is_some() {
            all = known.iter().map(|column| &*column.name).collect();
            &all
        } else if question.is_match() {
            all = matching::ON_A_TERMINAL
                .iter()
                .chain(CLASSIFIED)
                .copied()
                .collect();
            &all
        } else if self.filter.rejected {
            REJECTED
        } else {
            CLASSIFIED
        };
        let mut columns = Columns {
            all: known.clone(),
            whole: known.len(),
            on_a_terminal,
        };
        let answer = Answer::of(&columns);
        if answer.is_some() {
            columns.all.push(Column::text(RUNNER_UP));
        }
        let provenance = provenance(&question.catalog)?;
        self.rows.write(&columns, &provenance, |rows| {
            rows.header()?;
            let answer = answer.filter(|_| rows.has(RUNNER_UP));
            let matches = question.answer(|mut values| {
                let second = answer.map_or(Value::Nothing, |answer| answer.runner_up(&values));
                values.push(second);
                rows.row(&values)
            })?;
            if let Some(matches) = matches.filter(|_| !quiet) {
                eprintln!("galmorph: {matches}");
            }
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

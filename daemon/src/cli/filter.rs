//! Which rows of the catalog are wanted: the flags that `query` and `export` share.

use std::env;
use std::path::Path;

use clap::{Args, ValueHint};
use galmorph_catalog::ask::{Request, RequestError, cone, probability, purity, time};
use galmorph_catalog::columns::{Column, classified_columns, rejected_columns};
use galmorph_catalog::export::{Provenance, Value};
use galmorph_catalog::{Cone, Filter, Query, Reader};
use galmorph_cutout::{Flag, Morphology};
use jiff::Timestamp;

use super::args::{flag, label};
use super::matching::{MatchArguments, Matching};
use crate::failure::Failure;

/// SQLite counts rows in 63 bits.
const MOST_ROWS: u64 = i64::MAX as u64;

#[derive(Debug, Args)]
pub(super) struct FilterArguments {
    /// Only this class
    #[arg(long, value_name = "CLASS", value_parser = label())]
    label: Option<Morphology>,

    // As an attribute: names of columns would need backticks in a comment.
    #[arg(long, value_name = "CLASS", value_parser = label(),
          help = "Only this class, by the label where all classes are equally common (column label_balanced)")]
    label_balanced: Option<Morphology>,

    /// Only predictions whose confidence is at least PROBABILITY (0 to 1)
    #[arg(long, value_name = "PROBABILITY", value_parser = probability, value_hint = ValueHint::Other)]
    min_confidence: Option<f64>,

    /// Only predictions whose confidence is at most PROBABILITY (0 to 1)
    #[arg(long, value_name = "PROBABILITY", value_parser = probability, value_hint = ValueHint::Other)]
    max_confidence: Option<f64>,

    /// A sample of CLASS with this purity, by the model's own measurements on galaxies that it was not trained on
    #[arg(long, value_name = "CLASS=FRACTION", value_parser = purity, value_hint = ValueHint::Other)]
    purity: Option<(Morphology, f64)>,

    /// Only predictions whose set has exactly these classes, in any order
    #[arg(long, value_name = "CLASSES", value_delimiter = ',', value_parser = label())]
    set: Vec<Morphology>,

    /// Only images at least so unlike those that the model was trained on: a number, or "limit" for the model's own
    #[arg(long, value_name = "NOVELTY", value_hint = ValueHint::Other)]
    novelty: Option<String>,

    /// Only predictions made from TIME on, in UTC: 2026-11-27, 2026-11-27T03:04:05Z, today, yesterday, or so long
    /// ago: 90m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = time, value_hint = ValueHint::Other)]
    since: Option<Timestamp>,

    /// Only predictions made before TIME
    #[arg(long, value_name = "TIME", value_parser = time, value_hint = ValueHint::Other)]
    until: Option<Timestamp>,

    /// Only the object of this identifier
    #[arg(long, value_name = "OBJECT", value_hint = ValueHint::Other)]
    id: Option<String>,

    /// Only objects in this circle (ICRS): in degrees, or as 12:22:55.2,+15:49:12,30" (' and " are minutes and
    /// seconds of arc)
    #[arg(long, value_name = "RA,DEC,RADIUS", value_parser = cone, value_hint = ValueHint::Other,
          allow_hyphen_values = true)]
    cone: Option<Cone>,

    /// Only objects whose position is known
    #[arg(long)]
    with_position: bool,

    /// Only images with this flag; given again, with each of them
    #[arg(long, value_name = "FLAG", value_parser = flag())]
    flag: Vec<Flag>,

    /// Only images without this flag; given again, with none of them
    #[arg(long, value_name = "FLAG", value_parser = flag())]
    no_flag: Vec<Flag>,

    /// Only images that a person has looked at
    #[arg(long)]
    reviewed: bool,

    /// The predictions of the model of this name, in place of those of the model in use
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    model: Option<String>,

    #[arg(long, value_name = "COLUMN", value_hint = ValueHint::Other, allow_hyphen_values = true,
          help = "In the order of this column, with a minus before it the largest first: confidence (least sure \
                  first), -classified_at (newest first). Default: classified_at with --since or --until, else path. \
                  At millions of rows, these three and object_id are quick")]
    sort: Option<String>,

    /// At most ROWS rows
    #[arg(long, value_name = "ROWS", value_hint = ValueHint::Other,
          value_parser = clap::value_parser!(u64).range(..=MOST_ROWS))]
    limit: Option<u64>,

    /// The rejected files and why, in place of the predictions. A file stays rejected, under another model or
    /// other limits too, until it changes or galmorph retry queues it
    #[arg(long, conflicts_with_all = ["label", "label_balanced", "min_confidence", "max_confidence", "since", "until", "id", "cone", "with_position",
                                      "flag", "no_flag", "reviewed", "model", "purity", "set",
                                      "novelty"])]
    pub(super) rejected: bool,

    #[command(flatten)]
    matching: MatchArguments,
}

/// A catalog, and what it is asked.
pub(super) struct Question {
    pub(super) catalog: Reader,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Rows,
}

/// Which rows of a catalog are wanted.
pub(super) enum Rows {
    Of(Query),
    Matched(Box<Matching>, Box<Filter>),
}

impl Question {
    pub(super) fn new(catalog: Reader, query: Query) -> Self {
        Self {
            catalog,
            columns: query.columns().to_vec(),
            rows: Rows::Of(query),
        }
    }

    pub(super) fn is_match(&self) -> bool {
        matches!(self.rows, Rows::Matched(..))
    }

    /// See [`Rows::answer`].
    pub(super) fn answer(
        self,
        row: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<Option<String>, Failure> {
        self.rows.answer(&self.catalog, row)
    }
}

impl Rows {
    /// Gives each row to `row` as it is read. A line that is returned says how many rows have a match.
    pub(super) fn answer(
        self,
        catalog: &Reader,
        mut row: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<Option<String>, Failure> {
        match self {
            Self::Of(query) => {
                catalog.run(&query, row)?;
                Ok(None)
            }
            Self::Matched(matching, filter) => {
                let counts = matching.run(catalog, &filter, &mut row)?;
                Ok(Some(counts.to_string()))
            }
        }
    }
}

impl FilterArguments {
    /// Whether a flag was given that says which rows.
    pub(super) fn is_default(&self) -> bool {
        self.request() == Request::default() && !self.rejected && !self.matching.is_given()
    }

    /// Whether the reviewed images are asked for, all of them, and nothing else.
    pub(super) fn is_reviewed_alone(&self) -> bool {
        let mut request = Request::default();
        request.filter.reviewed = true;
        self.request() == request && !self.rejected && !self.matching.is_given()
    }

    /// The table that is matched with the catalog.
    pub(super) fn table(&self) -> Option<&Path> {
        self.matching.table.as_deref()
    }

    fn request(&self) -> Request {
        Request {
            filter: Filter {
                label: self.label,
                label_balanced: self.label_balanced,
                min_confidence: self.min_confidence,
                max_confidence: self.max_confidence,
                since: self.since,
                until: self.until,
                object_id: self.id.clone(),
                cone: self.cone,
                with_position: self.with_position,
                flags: self.flag.clone(),
                no_flags: self.no_flag.clone(),
                reviewed: self.reviewed,
                model: self.model.clone(),
                limit: self.limit,
                set: self.set.clone(),
                ..Filter::default()
            },
            purity: self.purity,
            novelty: self.novelty.clone(),
            sort: self.sort.clone(),
        }
    }

    /// Opens a catalog to ask it for these rows.
    pub(super) fn open(&self, path: &Path) -> Result<Question, Failure> {
        let request = self.request();
        let columns = if self.rejected {
            rejected_columns()
        } else {
            classified_columns()
        };
        let matching = self.matching.open()?;
        let order = request.order(&columns).map_err(Failure::Usage)?;
        // Earlier versions lack columns, and write times in another way.
        let catalog = if request.is_of_any_version() && order.is_none() && matching.is_none() {
            Reader::open(path)?
        } else {
            Reader::open_current(path)?
        };
        if self.rejected {
            let query = Query::rejected(&catalog, order.as_ref(), self.limit)?;
            return Ok(Question::new(catalog, query));
        }
        let filter = request.resolve(&catalog).map_err(|error| match error {
            RequestError::Catalog(error) => Failure::from(error),
            RequestError::Fault(fault) => Failure::Usage(fault),
        })?;
        if let Some(matching) = matching {
            return Ok(Question {
                catalog,
                columns: Matching::columns(),
                rows: Rows::Matched(Box::new(matching), Box::new(filter)),
            });
        }
        let query = Query::classified(&catalog, &filter)?;
        Ok(Question::new(catalog, query))
    }
}

/// What the program is, for a file's header.
pub(super) fn program() -> String {
    format!("galmorph {}", env!("CARGO_PKG_VERSION"))
}

/// Where rows of this catalog come from.
pub(super) fn provenance(catalog: &Reader) -> Result<Provenance, Failure> {
    Ok(catalog.provenance(&program(), &command())?)
}

/// The command as it was given.
pub(super) fn command() -> String {
    let words = env::args_os().skip(1);
    let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
    format!("galmorph {}", words.join(" "))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./=:,+@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page's addresses have them.
    #[test]
    fn requests_have_the_names_of_the_flags() {
        let command = FilterArguments::augment_args(clap::Command::new("query"));
        let flags = command.get_arguments().filter_map(clap::Arg::get_long);
        let mut flags: Vec<&str> = flags
            .filter(|name| {
                !name.starts_with("match") && !["limit", "radius", "rejected"].contains(name)
            })
            .collect();
        let mut names = Request::NAMES;
        flags.sort_unstable();
        names.sort_unstable();
        assert_eq!(flags, names);
    }

    #[test]
    fn a_command_can_be_given_to_a_shell_again() {
        assert_eq!(quoted("--label=spiral"), "--label=spiral");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("$HOME"), "'$HOME'");
    }
}

//! Which rows of the catalog are wanted: the flags that `query` and `export` share.

use std::env;
use std::path::Path;

use clap::{Args, ValueHint};
use galmorph_catalog::columns::{Column, classified_columns, rejected_columns};
use galmorph_catalog::export::{Provenance, Value};
use galmorph_catalog::{Cone, Filter, Order, Query, Reader};
use galmorph_cutout::{Flag, ModelCard, Morphology};
use jiff::Timestamp;

use super::args::{flag, label, probability, purity, unknown};
use super::matching::{MatchArguments, Matching};
use super::sky::cone;
use super::when::time;
use crate::failure::Failure;

/// SQLite counts rows in 63 bits.
const MOST_ROWS: u64 = i64::MAX as u64;

#[derive(Debug, Args)]
pub(super) struct FilterArguments {
    /// Only this class
    #[arg(long, value_name = "CLASS", value_parser = label())]
    label: Option<Morphology>,

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

    // As an attribute: names of columns would need backticks in a comment.
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
    #[arg(long, conflicts_with_all = ["label", "min_confidence", "max_confidence", "since", "until", "id", "cone", "with_position",
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
    rows: Rows,
}

enum Rows {
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

    /// Gives each row to `row` as it is read. A line that is returned says how many rows have a match.
    pub(super) fn answer(
        self,
        mut row: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<Option<String>, Failure> {
        match self.rows {
            Rows::Of(query) => {
                self.catalog.run(&query, row)?;
                Ok(None)
            }
            Rows::Matched(matching, filter) => {
                let counts = matching.run(&self.catalog, &filter, &mut row)?;
                Ok(Some(counts.to_string()))
            }
        }
    }
}

impl FilterArguments {
    /// Whether a flag was given that says which rows.
    pub(super) fn is_default(&self) -> bool {
        self.filter()
            .is_ok_and(|filter| filter == Filter::default())
            && self.purity.is_none()
            && self.novelty.is_none()
            && !self.rejected
            && !self.matching.is_given()
    }

    fn filter(&self) -> Result<Filter, Failure> {
        Ok(Filter {
            label: self.label,
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
            order: self.order()?,
            limit: self.limit,
            set: self.set.clone(),
            // These two need the model's card.
            least: Vec::new(),
            novelty: None,
        })
    }

    /// What the card of the model says of the rows that are wanted.
    fn complete(&self, filter: &mut Filter, catalog: &Reader) -> Result<(), Failure> {
        if self.purity.is_none() && self.novelty.is_none() && self.set.is_empty() {
            return Ok(());
        }
        let card = catalog.card(self.model.as_deref())?;
        let card: Option<ModelCard> = card
            .map(|card| serde_json::from_str(&card))
            .transpose()
            .map_err(|error| {
                let fault = format!("the model's card in the catalog can't be read: {error}");
                Failure::Usage(fault)
            })?;
        let lacks = |what: &str| Failure::Usage(format!("the model in use says nothing of {what}"));
        if let Some((class, wanted)) = self.purity {
            let purity = card.as_ref().and_then(|card| card.purity.as_ref());
            let purity = purity.ok_or_else(|| lacks("the purity of samples (--purity)"))?;
            let level = purity.level(class, wanted).ok_or_else(|| {
                Failure::Usage(format!(
                    "the model reaches no purity of {wanted} for {class}"
                ))
            })?;
            filter.least.push((class, level.threshold));
        }
        if !self.set.is_empty() && card.as_ref().is_none_or(|card| card.conformal.is_none()) {
            return Err(lacks("sets of classes (--set)"));
        }
        if let Some(text) = &self.novelty {
            let novelty = card.as_ref().and_then(|card| card.novelty.as_ref());
            let novelty = novelty.ok_or_else(|| lacks("how novel images are (--novelty)"))?;
            let least = match &**text {
                "limit" => Some(novelty.threshold),
                number => number.parse().ok(),
            };
            filter.novelty = Some(
                least
                    .ok_or_else(|| Failure::Usage("--novelty must be a number or limit".into()))?,
            );
        }
        Ok(())
    }

    fn order(&self) -> Result<Option<Order>, Failure> {
        let Some(text) = &self.sort else {
            return Ok(None);
        };
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (&**text, false),
        };
        let columns = if self.rejected {
            rejected_columns()
        } else {
            classified_columns()
        };
        let known: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        if !known.contains(&name) {
            return Err(Failure::Usage(unknown("column", name, &known)));
        }
        Ok(Some(Order {
            column: name.to_owned(),
            descending,
        }))
    }

    /// Opens a catalog to ask it for these rows.
    pub(super) fn open(&self, path: &Path) -> Result<Question, Failure> {
        let mut filter = self.filter()?;
        let matching = self.matching.open()?;
        let of_any_version = Filter {
            label: filter.label,
            min_confidence: filter.min_confidence,
            max_confidence: filter.max_confidence,
            limit: filter.limit,
            ..Filter::default()
        };
        // Earlier versions lack columns, and write times in another way.
        let needs_card = self.purity.is_some() || self.novelty.is_some();
        let catalog = if filter == of_any_version && !needs_card && matching.is_none() {
            Reader::open(path)?
        } else {
            Reader::open_current(path)?
        };
        if let Some(name) = &filter.model {
            require_model(&catalog, name)?;
        }
        self.complete(&mut filter, &catalog)?;
        if let Some(matching) = matching {
            return Ok(Question {
                catalog,
                columns: Matching::columns(),
                rows: Rows::Matched(Box::new(matching), Box::new(filter)),
            });
        }
        let query = if self.rejected {
            Query::rejected(&catalog, filter.order.as_ref(), filter.limit)?
        } else {
            Query::classified(&catalog, &filter)?
        };
        Ok(Question::new(catalog, query))
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

    #[test]
    fn a_command_can_be_given_to_a_shell_again() {
        assert_eq!(quoted("--label=spiral"), "--label=spiral");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("$HOME"), "'$HOME'");
    }
}

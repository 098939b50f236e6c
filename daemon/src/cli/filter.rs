//! Which rows of the catalog are wanted: the flags that `query` and `export` share.

use std::env;
use std::path::Path;

use clap::{Args, ValueHint};
use galmorph_catalog::export::Provenance;
use galmorph_catalog::{Filter, Query, Reader};
use galmorph_cutout::Morphology;

use super::args::{label, probability, unknown};
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

    /// The predictions of the model of this name, in place of those of the model in use
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    model: Option<String>,

    /// At most ROWS rows
    #[arg(long, value_name = "ROWS", value_hint = ValueHint::Other,
          value_parser = clap::value_parser!(u64).range(..=MOST_ROWS))]
    limit: Option<u64>,

    /// The rejected files and why, in place of the predictions. A file stays rejected, under another model or
    /// other limits too, until it changes or galmorph retry queues it
    #[arg(long, conflicts_with_all = ["label", "min_confidence", "model"])]
    pub(super) rejected: bool,
}

impl FilterArguments {
    /// Opens a catalog, and gives the query for these rows.
    pub(super) fn open(&self, path: &Path) -> Result<(Reader, Query), Failure> {
        let catalog = match &self.model {
            Some(name) => {
                // Of several models of one name, only the current version knows which one is in use.
                let catalog = Reader::open_current(path)?;
                require_model(&catalog, name)?;
                catalog
            }
            None => Reader::open(path)?,
        };
        let query = if self.rejected {
            Query::rejected(self.limit)
        } else {
            let filter = Filter {
                label: self.label,
                min_confidence: self.min_confidence,
                model: self.model.clone(),
                limit: self.limit,
            };
            Query::classified(&catalog, &filter)?
        };
        Ok((catalog, query))
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

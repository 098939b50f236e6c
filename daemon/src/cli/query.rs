//! `galmorph query`: the catalog, for those who'd rather not write SQL.

use std::path::PathBuf;

use clap::Args;
use galmorph_cutout::Morphology;

use super::{FormatArguments, Outcome, write_rows};
use crate::config::Config;
use crate::config::catalog_path;
use crate::failure::Failure;
use galmorph_catalog::{Filter, Query, Reader};

#[derive(Debug, Args)]
pub(super) struct QueryArguments {
    /// The catalog, an SQLite file that galmorph watch made. Default: galmorph.sqlite in systemd's
    /// state directory, or in the current folder
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,

    #[arg(long, value_name = "CLASS", help = format!("Only this class: {}", Morphology::names().join(", ")))]
    label: Option<Morphology>,

    /// Only answers at least so confident, 0 to 1
    #[arg(long, value_name = "PROBABILITY")]
    min_confidence: Option<f64>,

    /// The answers of the model of this name, instead of each cutout's newest
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// At most so many rows
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,

    /// The rejected files and why, instead of the answers. A file stays rejected, under another model
    /// or other limits too, until it changes or galmorph retry has it tried again
    #[arg(long, conflicts_with_all = ["label", "min_confidence", "model"])]
    rejected: bool,

    #[command(flatten)]
    format: FormatArguments,
}

impl QueryArguments {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let path = catalog_path(self.catalog.as_deref(), &Config::default());
        let catalog = match self.model {
            // Which of those of a name is in use, only the current version knows.
            Some(_) => Reader::open_current(&path)?,
            None => Reader::open(&path)?,
        };
        let query = if self.rejected {
            Query::rejected(self.limit)
        } else {
            Query::classified(&Filter {
                label: self.label,
                min_confidence: self.min_confidence,
                model: self.model,
                limit: self.limit,
            })
        };
        write_rows(self.format.format, |rows| {
            // Both ends of the query write to the same exporter, one after the other.
            let rows = std::cell::RefCell::new(rows);
            catalog.run(
                &query,
                |columns| rows.borrow_mut().header(columns).map_err(Failure::Output),
                |values| rows.borrow_mut().row(values).map_err(Failure::Output),
            )?;
            Ok(Outcome::Fine)
        })
    }
}

//! `galmorph retry`: another try for rejected files, beside a running daemon or without one.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::Outcome;
use crate::config::Config;
use crate::config::catalog_path;
use crate::failure::Failure;
use galmorph_catalog::{in_use, retry};

#[derive(Debug, Args)]
pub(super) struct Retry {
    /// Only these files, and files below these folders
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Only files rejected for this kind of fault, as galmorph status names it (broken is one); may be
    /// given several times
    #[arg(long = "reason", value_name = "REASON")]
    reasons: Vec<String>,

    /// The catalog, an SQLite file that galmorph watch made. Default: galmorph.sqlite in systemd's
    /// state directory, or in the current folder
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
}

impl Retry {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let path = catalog_path(self.catalog.as_deref(), &Config::default());
        let mut paths = Vec::new();
        for path in &self.paths {
            // By its true name, which the catalog's paths begin with; a file that is gone has none.
            let absolute = path.canonicalize().or_else(|_| std::path::absolute(path));
            let absolute = absolute.map_err(|error| {
                Failure::Usage(format!("cannot use path '{}': {error}", path.display()))
            })?;
            paths.push(absolute);
        }
        let marked = retry(&path, &self.reasons, &paths)?;
        let total: u64 = marked.values().sum();
        let mut lines = vec![format!("put back {total} rejected files")];
        lines.extend(
            marked
                .iter()
                .map(|(reason, count)| format!("  {reason:<24}{count:>8}")),
        );
        if total > 0 {
            lines.push(match in_use(&path) {
                Ok(true) => "the running galmorph watch takes them now".into(),
                _ => "the next galmorph watch takes them".into(),
            });
        }
        writeln!(io::stdout(), "{}", lines.join("\n")).map_err(Failure::Output)?;
        Ok(Outcome::Fine)
    }
}

//! `galmorph backup`: a copy of the catalog, while the daemon writes.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::Outcome;
use crate::config::Config;
use crate::config::catalog_path;
use crate::failure::Failure;
use galmorph_catalog::{BackupError, Reader};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Where to write the copy: one SQLite file, which appears when it is whole and was checked
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,

    /// The catalog, an SQLite file that galmorph watch made. Default: galmorph.sqlite in systemd's
    /// state directory, or in the current folder
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
}

impl Backup {
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let path = catalog_path(self.catalog.as_deref(), &Config::default());
        let catalog = Reader::open(&path)?;
        let bytes = catalog
            .back_up(&self.file, self.force)
            .map_err(|error| match error {
                BackupError::Catalog(error) => error.into(),
                BackupError::Target(..) => Failure::Usage(error.to_string()),
            })?;
        writeln!(
            io::stdout(),
            "wrote '{}': {bytes} bytes, checked",
            self.file.display()
        )
        .map_err(Failure::Output)?;
        Ok(Outcome::Fine)
    }
}

//! `galmorph backup`: a copy of the catalog, while the daemon writes.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::Outcome;
use super::args::{CatalogArguments, require_folder};
use crate::failure::Failure;
use galmorph_catalog::{BackupError, Reader};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Where to write the copy, one SQLite file. It appears when it is complete and has been checked
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    catalog: CatalogArguments,
}

impl Backup {
    pub(super) fn run(&self, quiet: bool) -> Result<Outcome, Failure> {
        let catalog = Reader::open(&self.catalog.path()?)?;
        let file = self.file.display();
        require_folder(&self.file)
            .map_err(|fault| Failure::Usage(format!("cannot write backup '{file}': {fault}")))?;
        let bytes = catalog
            .back_up(&self.file, self.force)
            .map_err(|error| match error {
                BackupError::Catalog(error) => error.into(),
                BackupError::Target(..) => Failure::Usage(error.to_string()),
            })?;
        if !quiet {
            writeln!(io::stdout(), "wrote '{file}': {bytes} bytes, checked")
                .map_err(Failure::Output)?;
        }
        Ok(Outcome::Fine)
    }
}

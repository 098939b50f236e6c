//! `galmorph backup`: a copy of the catalog, while the daemon writes.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::Outcome;
use super::args::CatalogArguments;
use crate::failure::Failure;
use galmorph_catalog::{BackupError, Reader, files_of, in_use};
use galmorph_output::{Output, readable};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Where to write the copy, one SQLite file. It appears when it is complete and has been checked; - is
    /// standard output
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Replace FILE if it exists. Of a link, the file that it leads to is replaced; what is no regular file
    /// never is
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    catalog: CatalogArguments,
}

impl Backup {
    pub(super) fn run(&self, quiet: bool) -> Result<Outcome, Failure> {
        let path = self.catalog.path()?;
        let catalog = Reader::open(&path)?;
        let output = Output::at(&self.file, self.force, &self.catalog.inputs(&path))?;
        if let Some(target) = output.target() {
            require_free(target).map_err(|fault| output.refusal(&fault))?;
        }
        let file = output.begin(".galmorph-backup-")?;
        catalog.back_up(file.path()).map_err(|error| match error {
            BackupError::Catalog(error) => Failure::from(error),
            BackupError::Copy(error) => output.refusal(&error).into(),
        })?;
        let is_file = output.target().is_some();
        let bytes = output.keep(file)?;
        if !quiet && is_file {
            let file = readable(&self.file);
            writeln!(io::stdout(), "wrote '{file}': {bytes} bytes, checked")
                .map_err(Failure::Output)?;
        }
        Ok(Outcome::Fine)
    }
}

/// Checks that a copy can lie there: no daemon works there, and nothing is left that SQLite would take for
/// a part of the copy.
fn require_free(target: &Path) -> Result<(), String> {
    if in_use(target).map_err(|error| error.to_string())? {
        return Err("a galmorph watch has it open".into());
    }
    let [_, log, _, journal, _] = files_of(target);
    for file in [log, journal] {
        if file.metadata().is_ok_and(|found| found.len() > 0) {
            return Err(format!(
                "'{}' lies beside it, which SQLite would apply to the copy (move it away)",
                readable(&file)
            ));
        }
    }
    Ok(())
}

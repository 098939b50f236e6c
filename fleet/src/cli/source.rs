//! Which files: folders, a list or a table.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use galmorph_cutout::FITS_EXTENSIONS;

use crate::plan::Source;

#[derive(Debug, Args)]
pub(super) struct SourceArguments {
    /// Folders whose images are classified. Give them the names that all machines know them by
    #[arg(value_name = "ROOT", value_hint = ValueHint::DirPath, required_unless_present_any = ["list", "table"], conflicts_with_all = ["list", "table"])]
    roots: Vec<PathBuf>,

    /// Take the files that this list has, a path a line; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "table")]
    list: Option<PathBuf>,

    /// Take the files of this table (CSV, ECSV, FITS or Parquet): the column path, and where they are known object_id, ra and
    /// dec (degrees), radius (petroR90, arcsec)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    table: Option<PathBuf>,

    /// Endings of image files
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values_t = extensions())]
    extensions: Vec<String>,
}

/// The endings that `galmorph watch` takes.
fn extensions() -> Vec<String> {
    let images = ["jpg", "jpeg", "png"].into_iter();
    images.chain(FITS_EXTENSIONS).map(str::to_owned).collect()
}

impl SourceArguments {
    /// Whether the files may have different radii: a table may say them.
    pub(super) fn is_table(&self) -> bool {
        self.table.is_some()
    }

    /// Whether it can be read once only.
    pub(super) fn is_standard_input(&self) -> bool {
        self.list
            .as_ref()
            .is_some_and(|list| list.as_os_str() == "-")
    }

    pub(super) fn source(self) -> Source {
        match (self.list, self.table) {
            (Some(list), _) => Source::List(list),
            (_, Some(table)) => Source::Table(table),
            _ => Source::Folders {
                roots: self.roots,
                extensions: self.extensions,
            },
        }
    }
}

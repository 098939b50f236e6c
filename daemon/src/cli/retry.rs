//! `galmorph retry`: another attempt for rejected files, while the daemon runs or without one.

use std::io::{self, Write as _};
use std::path::{self, Path, PathBuf};

use clap::{Args, ValueHint};
use galmorph_cutout::RejectReason;

use super::Outcome;
use super::args::{CatalogArguments, reason};
use crate::config::Folder;
use crate::failure::Failure;
use crate::intake::Selection;
use galmorph_catalog::{Reader, RetryError, Wanted, in_use, readable, retry};

#[derive(Debug, Args)]
pub(super) struct Retry {
    /// Only these files, and files below these folders. A file that was moved to done or rejected is also
    /// found by the name that it had before
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,

    /// Only files that were rejected for this reason; may be given several times
    #[arg(long = "reason", value_name = "REASON", value_parser = reason())]
    reasons: Vec<RejectReason>,

    #[command(flatten)]
    catalog: CatalogArguments,
}

impl Retry {
    pub(super) fn run(&self, quiet: bool) -> Result<Outcome, Failure> {
        let catalog = self.catalog.path()?;
        let wanted = self.wanted(&catalog)?;
        let queued = retry(&catalog, &self.reasons, &wanted).map_err(|error| match error {
            RetryError::Catalog(error) => error.into(),
            RetryError::NoSuchFile(_) => Failure::Usage(format!(
                "{error} (galmorph query --rejected lists the files)"
            )),
        })?;
        let total: u64 = queued.values().sum();
        let files = if total == 1 { "file" } else { "files" };
        let mut lines = vec![format!("queued {total} rejected {files}")];
        lines.extend(
            queued
                .iter()
                .map(|(reason, count)| format!("  {reason:<24}{count:>8}")),
        );
        if total > 0 {
            lines.push(match in_use(&catalog) {
                Ok(true) => "the running galmorph watch takes them now".into(),
                _ => "the next galmorph watch takes them".into(),
            });
        }
        if !quiet {
            writeln!(io::stdout(), "{}", lines.join("\n")).map_err(Failure::Output)?;
        }
        Ok(Outcome::Fine)
    }

    /// The paths as the catalog has them, and the places to which a file there may have been moved.
    fn wanted(&self, catalog: &Path) -> Result<Vec<Wanted>, Failure> {
        if self.paths.is_empty() {
            return Ok(Vec::new());
        }
        let watch = Reader::open_current(catalog)?.watch()?;
        let folders = watch.map_or_else(Vec::new, |watch| watch.watched.folders);
        let folders = folders.into_iter().map(Folder::from).collect();
        let selection = Selection::new(folders, Vec::new());
        let moved = |path: &Path| {
            let Some(folder) = selection.folder_of(path) else {
                return Vec::new();
            };
            let places = [true, false].map(|is_rejected| folder.destination(path, is_rejected));
            places.into_iter().flatten().collect()
        };
        let find = |path: &PathBuf| {
            let path = true_name(path).map_err(|error| {
                Failure::Usage(format!("cannot use path '{}': {error}", readable(path)))
            })?;
            let moved = moved(&path);
            Ok(Wanted { path, moved })
        };
        self.paths.iter().map(find).collect()
    }
}

/// The path without links, which the catalog's paths begin with. What is gone has no true name, but a
/// folder above it has.
fn true_name(path: &Path) -> io::Result<PathBuf> {
    let path = path::absolute(path)?;
    for folder in path.ancestors() {
        if let Ok(found) = folder.canonicalize() {
            let below = path.strip_prefix(folder).unwrap_or(Path::new(""));
            return Ok(found.join(below));
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_found_through_a_link_to_its_folder() {
        let temporary = tempfile::TempDir::new().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("in")).unwrap();
        std::os::unix::fs::symlink(root.join("in"), root.join("link")).unwrap();
        let name = |path: &str| true_name(&root.join(path)).unwrap();
        assert_eq!(name("link"), root.join("in"));
        assert_eq!(name("link/gone/a.jpg"), root.join("in/gone/a.jpg"));
        assert_eq!(name("gone/a.jpg"), root.join("gone/a.jpg"));
    }
}

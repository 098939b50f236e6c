//! `galmorph retry`: another attempt for rejected files, while the daemon runs or without one.

use std::io::{self, ErrorKind, Write as _};
use std::path::{self, Path, PathBuf};

use clap::{Args, ValueHint};
use galmorph_cutout::RejectReason;

use super::Outcome;
use super::args::{CatalogArguments, reason};
use crate::failure::Failure;
use crate::intake::Selection;
use galmorph_catalog::{Chance, Few, Reader, Retried, RetryError, Wanted, Watched, in_use, retry};
use galmorph_output::readable;

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
        let watch = Reader::open_current(&catalog)?.watch()?;
        let watched = watch.map_or_else(Watched::default, |watch| watch.watched);
        let selection = Selection::of_watched(&watched, &catalog);
        let wanted = self.wanted(&selection)?;
        let chance = |path: &Path| chance(&selection, path);
        let retried =
            retry(&catalog, &self.reasons, &wanted, chance).map_err(|error| match error {
                RetryError::Catalog(error) => error.into(),
                RetryError::NoSuchFile(path) => no_such_file(&selection, &path),
            })?;
        if !quiet {
            let lines = lines(&retried, in_use(&catalog).unwrap_or(false));
            writeln!(io::stdout(), "{}", lines.join("\n")).map_err(Failure::Output)?;
        }
        Ok(Outcome::Fine)
    }

    /// The paths as the catalog has them, and the places to which a file there may have been moved.
    fn wanted(&self, selection: &Selection) -> Result<Vec<Wanted>, Failure> {
        let moved = |path: &Path| {
            let Some(folder) = selection.folder_of(path) else {
                return Vec::new();
            };
            // One file of a set stands for the set.
            let image = selection.image_of(path);
            let places = [true, false].map(|is_rejected| folder.destination(&image, is_rejected));
            let own = (image != path).then_some(image);
            own.into_iter()
                .chain(places.into_iter().flatten())
                .collect()
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

/// Whether the daemon would take a file again.
fn chance(selection: &Selection, path: &Path) -> Chance {
    match selection.look(path) {
        // Of a set, there may be none of its files.
        Ok(None) if path.symlink_metadata().is_ok() => Chance::Replaced,
        Ok(None) => Chance::Gone,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Chance::Gone
        }
        _ if selection.takes(path) || selection.is_relocated(path) => Chance::Good,
        _ => Chance::NotTaken,
    }
}

fn no_such_file(selection: &Selection, path: &Path) -> Failure {
    let shown = readable(path);
    if selection.takes(path) && selection.look(path).is_ok_and(|file| file.is_some()) {
        return Failure::Usage(format!(
            "the catalog does not have '{shown}' yet; galmorph watch takes it as a new file, without retry"
        ));
    }
    let error = RetryError::NoSuchFile(path.to_owned());
    Failure::Usage(format!(
        "{error} (galmorph query --rejected lists the files)"
    ))
}

/// What is said of the files: each is in one of these lines.
fn lines(retried: &Retried, is_running: bool) -> Vec<String> {
    let total: u64 = retried.queued.values().sum();
    let files = |count: u64| if count == 1 { "file" } else { "files" };
    let mut lines = vec![format!("queued {total} rejected {}", files(total))];
    lines.extend(
        retried
            .queued
            .iter()
            .map(|(reason, count)| format!("  {reason:<24}{count:>8}")),
    );
    if total > 0 {
        lines.push(if is_running {
            "the running galmorph watch takes them now".into()
        } else {
            "the next galmorph watch takes them".into()
        });
    }
    let before = retried.queued_before;
    if before > 0 {
        lines.push(format!("queued before, and not tried yet: {before}"));
    }
    let mut tell = |what: &str, some: &Few| {
        if some.count == 0 {
            return;
        }
        lines.push(format!("{what}: {}", some.count));
        let named = some.named.iter();
        lines.extend(named.map(|path| format!("  {}", readable(path))));
        if some.count > some.named.len() as u64 {
            lines.push("  ...".into());
        }
    };
    tell("gone, and not tried again; their rows stay", &retried.gone);
    tell(
        "a link, a folder or the like by now, and not tried again; their rows stay",
        &retried.replaced,
    );
    tell(
        "not in a watched folder, or not taken by its settings, and not tried again",
        &retried.not_taken,
    );
    lines
}

/// The path without links to folders, which the catalog's paths begin with. A link to a file has a row by its own name.
/// What is gone has no true name, but a folder above it has.
fn true_name(path: &Path) -> io::Result<PathBuf> {
    let path = path::absolute(path)?;
    let leads_to_a_file = path.is_symlink() && !path.is_dir();
    for folder in path.ancestors().skip(usize::from(leads_to_a_file)) {
        if let Ok(found) = folder.canonicalize() {
            let below = path.strip_prefix(folder).unwrap_or(Path::new(""));
            // To join nothing would end a file's name in a slash.
            return Ok(found.components().chain(below.components()).collect());
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

    #[test]
    fn a_link_to_a_file_is_found_by_its_own_name() {
        let temporary = tempfile::TempDir::new().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("in")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        for (target, link) in [("in", "link"), ("../file", "in/a"), ("nowhere", "in/b")] {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        for link in ["a", "b"] {
            let found = true_name(&root.join("link").join(link)).unwrap();
            assert_eq!(found, root.join("in").join(link));
        }
    }
}

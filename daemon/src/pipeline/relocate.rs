//! Moves files that are done to `done` and `rejected`, and back.
//!
//! By rename only, so that a file is always in exactly one of two places; and never over another file. Only
//! the file that was judged is moved: one that has taken its place in the meantime stays, or goes back.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::file::{Departure, io_fault};
use crate::intake::Selection;
use galmorph_catalog::{CatalogError, Marked, Move, Stamp, Writer};

/// How many files are moved back in one go.
const GROUP: u32 = 256;

/// Moves files as their folders ask for it.
#[derive(Debug)]
pub(super) struct Relocator {
    selection: Selection,
}

impl Relocator {
    pub(super) fn new(selection: Selection) -> Self {
        Self { selection }
    }

    /// Where a file that is done goes; `None` when it stays.
    pub(super) fn destination(&self, path: &Path, is_rejected: bool) -> Option<PathBuf> {
        let folder = self.selection.folder_of(path)?;
        let destination = folder.destination(path, is_rejected)?;
        // A relative link would lead elsewhere from there.
        (!path.is_symlink()).then_some(destination)
    }

    /// Moves files whose rows already name the move. Returns how each file leaves the pipeline; the caller
    /// has to [record](record_outcomes) it.
    pub(super) fn carry_out(moves: Vec<Move>) -> Vec<(Move, Departure)> {
        let outcomes: Vec<(Move, Departure)> = moves
            .into_iter()
            .map(|file| {
                let outcome = match Self::rename(&file) {
                    Ok(()) => Departure::Recorded,
                    Err(departure) => departure,
                };
                (file, outcome)
            })
            .collect();
        sync_folders(&outcomes);
        outcomes
    }

    /// Moves one file. The error says why it stayed.
    fn rename(file: &Move) -> Result<(), Departure> {
        let fault = |error: io::Error| {
            let (from, to) = (file.from.display(), file.to.display());
            Departure::Transient(format!("cannot move '{from}' to '{to}': {error}"))
        };
        let stamp_at = |path| fs::symlink_metadata(path).map(|metadata| Stamp::of(&metadata));
        if stamp_at(&file.from).map_err(|error| io_fault(&file.from, &error))? != file.stamp {
            return Err(Departure::Changed);
        }
        make_folders(&file.to).map_err(fault)?;
        rename(&file.from, &file.to).map_err(fault)?;
        if stamp_at(&file.to).map_err(fault)? == file.stamp {
            return Ok(());
        }
        // Another file took its place at the last moment. That one has not been judged, so it goes back.
        rename(&file.to, &file.from).map_err(fault)?;
        Err(Departure::Changed)
    }

    /// Finishes the record of moves that were under way when the daemon ended.
    pub(super) fn recover(writer: &mut Writer) -> Result<(), CatalogError> {
        let (mut moved, mut stayed) = (Vec::new(), Vec::new());
        for file in writer.unfinished_moves()? {
            let (from, to) = (is_at(&file.from, &file), is_at(&file.to, &file));
            match (from, to) {
                (Ok(false), Ok(true)) => moved.push(file),
                (Ok(_), Ok(_)) => stayed.push(file),
                (Err(error), _) | (_, Err(error)) => log::warn!(
                    "cannot see whether '{}' was moved: {error}",
                    file.from.display()
                ),
            }
        }
        if moved.is_empty() && stayed.is_empty() {
            return Ok(());
        }
        writer.end_moves(&moved, &stayed)?;
        log::info!(
            "{} moves had been begun, {} of them done",
            moved.len() + stayed.len(),
            moved.len()
        );
        Ok(())
    }

    /// Moves rejected files that are to be tried again back to where they came from, where the scan finds
    /// them.
    pub(super) fn put_back(&self, writer: &mut Writer) -> Result<(), CatalogError> {
        let mut last = PathBuf::new();
        loop {
            let marked = writer.marked(&last, GROUP)?;
            let Some(end) = marked.last() else {
                return Ok(());
            };
            last.clone_from(&end.path);
            let mut names = Names::default();
            let mut moves = Vec::new();
            for Marked { path, stamp } in marked {
                let folder = self.selection.folder_of(&path);
                if let Some(origin) = folder.and_then(|folder| folder.origin(&path)) {
                    let to = names.free(writer, &origin)?;
                    let from = path;
                    moves.push(Move { from, to, stamp });
                }
            }
            if moves.is_empty() {
                continue;
            }
            writer.intend(&moves)?;
            let outcomes = Self::carry_out(moves);
            record_outcomes(writer, &outcomes)?;
            for (file, how) in outcomes {
                match how {
                    Departure::Recorded => log::info!("put back '{}'", file.to.display()),
                    Departure::Transient(fault) => log::warn!("{fault}"),
                    how => log::info!(
                        "'{}' is not there to be put back: {how:?}",
                        file.from.display()
                    ),
                }
            }
        }
    }
}

/// Records how moves ended.
pub(super) fn record_outcomes(
    writer: &mut Writer,
    outcomes: &[(Move, Departure)],
) -> Result<(), CatalogError> {
    let of = |wanted: bool| -> Vec<Move> {
        let outcomes = outcomes.iter();
        outcomes
            .filter(|(_, how)| (*how == Departure::Recorded) == wanted)
            .map(|(file, _)| file.clone())
            .collect()
    };
    writer.end_moves(&of(true), &of(false))
}

/// Makes the folders above a file, and syncs each into the one above it.
fn make_folders(file: &Path) -> io::Result<()> {
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    if folder.is_dir() {
        return Ok(());
    }
    make_folders(folder)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => folder.parent().map_or(Ok(()), sync),
    }
}

/// Names for the moves of one transaction, which must differ from each other.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: HashSet<PathBuf>,
}

impl Names {
    /// The wanted name, or the next one with a number that no file has, and no row.
    pub(super) fn free(&mut self, writer: &Writer, wanted: &Path) -> Result<PathBuf, CatalogError> {
        let mut number = 0;
        loop {
            let name = numbered(wanted, number);
            let is_free = !self.given.contains(&name)
                && fs::symlink_metadata(&name).is_err()
                && !writer.has_row(&name)?;
            if is_free {
                self.given.insert(name.clone());
                return Ok(name);
            }
            number += 1;
        }
    }
}

/// `a/b.jpg`, `a/b.1.jpg`, `a/b.2.jpg`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let stem = path
        .file_stem()
        .expect("the path of a file ends in its name");
    let mut name = stem.to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Whether the file that was judged is at this path.
fn is_at(path: &Path, file: &Move) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Stamp::of(&metadata) == file.stamp),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Renames, and never replaces a file.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that can't promise that (NFS). Only this program makes files there.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        other => Ok(other?),
    }
}

/// Makes the renames survive a power failure. Where that fails, a rename may be undone: then the file is
/// found where it was, as a new file with known content.
fn sync_folders(outcomes: &[(Move, Departure)]) {
    let folders: BTreeSet<PathBuf> = outcomes
        .iter()
        .filter(|(_, how)| *how == Departure::Recorded)
        .flat_map(|(file, _)| [file.to.parent(), file.from.parent()])
        .flatten()
        .map(Path::to_owned)
        .collect();
    for folder in folders {
        if let Err(error) = sync(&folder) {
            log::warn!("cannot sync '{}': {error}", folder.display());
        }
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_before_their_ending() {
        let name = |number| numbered(Path::new("/a/b.c.jpg"), number);
        assert_eq!(name(0), Path::new("/a/b.c.jpg"));
        assert_eq!(name(2), Path::new("/a/b.c.2.jpg"));
        assert_eq!(numbered(Path::new("/a/b"), 1), Path::new("/a/b.1"));
    }

    #[test]
    fn a_rename_never_replaces() {
        let folder = tempfile::TempDir::new().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, "a").unwrap();
        fs::write(&b, "b").unwrap();
        let error = rename(&a, &b).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&b).unwrap(), b"b");
        fs::remove_file(&b).unwrap();
        rename(&a, &b).unwrap();
        assert_eq!(fs::read(&b).unwrap(), b"a");
    }
}

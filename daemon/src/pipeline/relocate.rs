//! Moves files that have their answer to where their folder wants them, and back.
//!
//! By rename alone, so that a file is always in one of two places, and never over another file. What is
//! moved is what was judged: a file that was replaced in the meantime stays, or goes back.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::file::{Departure, io_fault};
use crate::intake::Selection;
use galmorph_catalog::Stamp;
use galmorph_catalog::{CatalogError, Move, Writer};

/// How many files are put back in one go.
const GROUP: u32 = 256;

/// Who moves files.
#[derive(Debug)]
pub(super) struct Relocator {
    selection: Selection,
}

impl Relocator {
    pub(super) fn new(selection: Selection) -> Self {
        Self { selection }
    }

    /// Where a file goes that has its answer; none if it stays.
    pub(super) fn place(&self, path: &Path, is_rejected: bool) -> Option<PathBuf> {
        let place = self.selection.folder_of(path)?.place(path, is_rejected)?;
        // A link that moves may lead elsewhere from there.
        (!path.is_symlink()).then_some(place)
    }

    /// Moves files whose rows say that they are about to be. Returns what the intake is to hear of each;
    /// what is recorded of it has to be written down.
    pub(super) fn carry_out(moves: Vec<Move>) -> Vec<(Move, Departure)> {
        let outcomes: Vec<(Move, Departure)> = moves
            .into_iter()
            .map(|file| {
                let outcome = Self::rename(&file).err().unwrap_or(Departure::Recorded);
                (file, outcome)
            })
            .collect();
        sync_folders(&outcomes);
        outcomes
    }

    /// Moves one file; else the reason why it stayed.
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
        // Whoever replaced it at the last moment has not been judged yet.
        rename(&file.to, &file.from).map_err(fault)?;
        Err(Departure::Changed)
    }

    /// Sees to the moves that were not finished when someone or something ended the daemon.
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

    /// Moves rejected files that someone asked for another try of back to where they came from, for the
    /// intake to find.
    pub(super) fn put_back(&self, writer: &mut Writer) -> Result<(), CatalogError> {
        let mut last = PathBuf::new();
        loop {
            let marked = writer.marked(&last, GROUP)?;
            let Some(end) = marked.last() else {
                return Ok(());
            };
            last.clone_from(&end.from);
            let mut names = Names::default();
            let mut moves = Vec::new();
            for mut file in marked {
                let folder = self.selection.folder_of(&file.from);
                if let Some(origin) = folder.and_then(|folder| folder.origin(&file.from)) {
                    file.to = names.free(writer, &origin)?;
                    moves.push(file);
                }
            }
            if moves.is_empty() {
                continue;
            }
            writer.intend(&moves)?;
            let outcomes = Self::carry_out(moves);
            write_down(writer, &outcomes)?;
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

/// Writes down what became of moves.
pub(super) fn write_down(
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

/// Makes the folders above a file, each synced into the one above it.
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

/// Names that are given out together.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: HashSet<PathBuf>,
}

impl Names {
    /// The wanted name, or the next like it that no file has, and no row.
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
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Whether a file is where it may be, as it was when it was judged.
fn is_at(path: &Path, file: &Move) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Stamp::of(&metadata) == file.stamp),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Renames, and never over something that is there.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that can't promise it (NFS); ours are the only names there.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        other => Ok(other?),
    }
}

/// Makes the renames last. Where that can't be had, a power failure may undo one: then the file is
/// found where it was, as a new one with known content.
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

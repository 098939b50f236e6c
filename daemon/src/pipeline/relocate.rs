//! Moves files that are done to `done` and `rejected`.
//!
//! By rename only, so that a file is always in exactly one of two places; and never over another file. The files of
//! an image go together, and the one by which it is known goes last: the others belong where that one is. Only
//! the file that was judged is moved, and never while somebody has it open for writing, as far as the kernel
//! says so: one that was changed in the meantime stays, or goes back. When a file may be moved is for the
//! intake to say, which also looks at it once more when it has been moved.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, CWD, RenameFlags, access, renameat_with};
use rustix::io::Errno;

use crate::file::{DepartedFile, Departure, Seen, TakenFile, io_fault};
use crate::intake::Selection;
use crate::writers::{Writers, writers};
use galmorph_catalog::{CatalogError, Move, Stamp, Writer, numbered};
use galmorph_output::readable;

/// Moves files as their folders ask for it.
#[derive(Debug)]
pub(super) struct Relocator {
    selection: Selection,
}

/// A file that is about to be moved, and whose row says so.
#[derive(Debug)]
pub(super) struct Planned {
    seen: Seen,
    file: Move,
}

impl Relocator {
    pub(super) fn new(selection: Selection) -> Self {
        Self { selection }
    }

    /// Decides where files go, and says so in their rows. Of the others it returns how they leave; nothing is
    /// written for them, so that a file that can't be moved costs the catalog nothing.
    pub(super) fn plan(
        &self,
        writer: &mut Writer,
        files: &[TakenFile],
    ) -> Result<(Vec<Planned>, Vec<DepartedFile>), CatalogError> {
        let mut names = Names::default();
        let (mut planned, mut others) = (Vec::new(), Vec::new());
        for file in files {
            match self.destination(writer, file)? {
                Err(how) => others.push((file.path.clone(), how)),
                Ok(wanted) => planned.push(Planned {
                    seen: file.seen,
                    file: Move {
                        from: file.path.clone(),
                        to: names.free(writer, &self.selection, &wanted)?,
                        stamp: file.seen.stamp,
                    },
                }),
            }
        }
        let moves: Vec<Move> = planned.iter().map(|planned| planned.file.clone()).collect();
        if !moves.is_empty() {
            writer.intend(&moves)?;
        }
        Ok((planned, others))
    }

    /// Where a file goes, or why it stays.
    fn destination(
        &self,
        writer: &Writer,
        file: &TakenFile,
    ) -> Result<Result<PathBuf, Departure>, CatalogError> {
        let row = writer.standing(&file.path)?;
        let Some(row) = row.filter(|row| row.stamp == file.seen.stamp) else {
            return Ok(Err(Departure::Changed));
        };
        let folder = self.selection.folder_of(&file.path);
        let wanted = folder.and_then(|folder| folder.destination(&file.path, row.rejected));
        Ok(match wanted {
            None => Err(Departure::Recorded),
            Some(wanted) => can_move(&file.path, &wanted).map(|()| wanted),
        })
    }

    /// Moves files whose rows already name the move. Returns how each file leaves the pipeline; the caller
    /// has to [record](record_outcomes) it.
    pub(super) fn carry_out(&self, planned: Vec<Planned>) -> Vec<(Move, Departure)> {
        let outcomes: Vec<(Move, Departure)> = planned
            .into_iter()
            .map(|Planned { seen, file }| {
                let outcome = match self.rename(&file, seen) {
                    Ok(()) => Departure::Moved(file.to.clone()),
                    Err(departure) => departure,
                };
                (file, outcome)
            })
            .collect();
        sync_folders(&outcomes);
        outcomes
    }

    /// Moves one file, or the files of one image. The error says why it stayed.
    fn rename(&self, file: &Move, seen: Seen) -> Result<(), Departure> {
        let places = self.places(file);
        // Kept to the end: until then, nobody opens it for writing.
        let mut nobody = Vec::new();
        for (from, _) in &places {
            match writers(from) {
                Writers::Some => return Err(Departure::Busy),
                nobody_or_unknown => nobody.push(nobody_or_unknown),
            }
        }
        let now = self.look(&file.from);
        if now.map_err(|error| io_fault(&file.from, &error))? != Some(seen) {
            return Err(Departure::Changed);
        }
        let fault = |error: io::Error| cannot_move(&file.from, &file.to, &error);
        for (number, (from, to)) in places.iter().enumerate() {
            if let Err(error) = rename(from, to) {
                go_back(&places[..number]).map_err(fault)?;
                return Err(fault(error));
            }
        }
        let moved = self.look(&file.to).map_err(fault)?;
        if moved.is_some_and(|moved| moved.is_same_content(&seen)) {
            return Ok(());
        }
        // Another file took its place at the last moment. That one has not been judged, so it goes back.
        go_back(&places).map_err(fault)?;
        Err(Departure::Changed)
    }

    /// Where each file of an image is, and where it goes. The one by which the image is known is the last.
    fn places(&self, file: &Move) -> Vec<(PathBuf, PathBuf)> {
        let (from, to) = (
            self.selection.files_of(&file.from),
            self.selection.files_of(&file.to),
        );
        // Its set may be none any more: then it is one file again.
        if from.len() != to.len() {
            return vec![(file.from.clone(), file.to.clone())];
        }
        from.into_iter().zip(to).rev().collect()
    }

    /// How a file is, or a set of files. Links are not followed: they are not moved.
    fn look(&self, path: &Path) -> io::Result<Option<Seen>> {
        let look = |path: &PathBuf| match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let files = self.selection.files_of(path);
        match &*files {
            [one] => Ok(Some(Seen::of(&fs::symlink_metadata(one)?))),
            all => {
                let all = all.iter().map(look).collect::<io::Result<Vec<_>>>()?;
                Ok(Seen::of_all(&all))
            }
        }
    }

    /// The size and time of what is at this path; `None` when nothing is.
    fn stamp_at(&self, path: &Path) -> io::Result<Option<Stamp>> {
        match self.look(path) {
            Ok(seen) => Ok(seen.map(|seen| seen.stamp)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Brings the files of an image together that were being moved: where the one is by which it is known.
    fn reunite(&self, file: &Move) {
        let places = self.places(file);
        let Some(((from, to), others)) = places.split_last() else {
            return;
        };
        if others.is_empty() {
            return;
        }
        let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
        let goes_on = match (is_there(from), is_there(to)) {
            (false, true) => true,
            (true, false) => false,
            // It is gone, or another one took its place: nothing is known of the others.
            _ => return,
        };
        for (from, to) in others {
            let (from, to) = if goes_on { (from, to) } else { (to, from) };
            if is_there(from)
                && let Err(error) = rename(from, to)
            {
                let path = readable(from);
                log::warn!("'{path}' was being moved and is not where it belongs: {error}");
            }
        }
    }

    /// Moves files back whose rows were lost with the catalog: no scan would find them where they are.
    pub(super) fn put_back(&self, error: &CatalogError, outcomes: &[(Move, Departure)]) {
        if !matches!(error, CatalogError::Lost(_)) {
            return;
        }
        let moved = outcomes
            .iter()
            .filter(|(_, how)| matches!(how, Departure::Moved(_)));
        for (file, _) in moved {
            if let Err(error) = go_back(&self.places(file)) {
                let path = readable(&file.to);
                log::warn!("'{path}' could not be moved back: {error}");
            }
        }
    }

    /// Finishes the record of moves that were under way when the daemon ended. A file that was moved and is
    /// another by now is marked, to be read again where it is.
    pub(super) fn recover(&self, writer: &mut Writer) -> Result<(), CatalogError> {
        let (mut moved, mut stayed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for file in writer.unfinished_moves()? {
            self.reunite(&file);
            match (self.stamp_at(&file.from), self.stamp_at(&file.to)) {
                (Ok(from), Ok(Some(to))) if to == file.stamp && from != Some(file.stamp) => {
                    moved.push(file);
                }
                // Only this program makes files there, and this one under a name that was free.
                (Ok(None), Ok(Some(_))) => {
                    changed.push(file.to.clone());
                    moved.push(file);
                }
                (Ok(_), Ok(_)) => stayed.push(file),
                (Err(error), _) | (_, Err(error)) => log::warn!(
                    "cannot see whether '{}' was moved: {error}",
                    readable(&file.from)
                ),
            }
        }
        if moved.is_empty() && stayed.is_empty() {
            return Ok(());
        }
        writer.end_moves(&moved, &stayed)?;
        if !changed.is_empty() {
            writer.mark(&changed)?;
        }
        log::info!(
            "{} moves had been begun, {} of them done",
            moved.len() + stayed.len(),
            moved.len()
        );
        Ok(())
    }
}

/// How each file leaves that was to be moved.
pub(super) fn departures(outcomes: Vec<(Move, Departure)>) -> impl Iterator<Item = DepartedFile> {
    outcomes.into_iter().map(|(file, how)| (file.from, how))
}

/// Makes the folders that a file is to be moved to, and sees whether it can be moved there.
fn can_move(from: &Path, to: &Path) -> Result<(), Departure> {
    let fault = |error: io::Error| cannot_move(from, to, &error);
    make_folders(to).map_err(fault)?;
    let mut devices = HashSet::new();
    for folder in [from.parent(), to.parent()].into_iter().flatten() {
        devices.insert(fs::metadata(folder).map_err(fault)?.dev());
        access(folder, Access::WRITE_OK).map_err(|error| fault(error.into()))?;
    }
    if devices.len() > 1 {
        return Err(fault(io::ErrorKind::CrossesDevices.into()));
    }
    Ok(())
}

fn cannot_move(from: &Path, to: &Path, error: &io::Error) -> Departure {
    let (from, to) = (readable(from), readable(to));
    Departure::Transient(format!("cannot move '{from}' to '{to}': {error}"))
}

/// Records how moves ended.
pub(super) fn record_outcomes(
    writer: &mut Writer,
    outcomes: &[(Move, Departure)],
) -> Result<(), CatalogError> {
    let of = |wanted: bool| -> Vec<Move> {
        let outcomes = outcomes.iter();
        outcomes
            .filter(|(_, how)| matches!(how, Departure::Moved(_)) == wanted)
            .map(|(file, _)| file.clone())
            .collect()
    };
    writer.end_moves(&of(true), &of(false))
}

/// Moves files back, the last of them first.
fn go_back(places: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    let mut outcome = Ok(());
    for (from, to) in places.iter().rev() {
        outcome = rename(to, from).and(outcome);
    }
    outcome
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
        // Another thread may have made it; a file of that name is in the way.
        Err(error) if !folder.is_dir() => Err(error),
        _ => folder.parent().map_or(Ok(()), sync),
    }
}

/// Names for the moves of one transaction, which must differ from each other.
#[derive(Debug, Default)]
struct Names {
    given: HashSet<PathBuf>,
}

impl Names {
    /// The wanted name, or the next one with a number that no file has, and no row. The same holds for all files of an
    /// image.
    fn free(
        &mut self,
        writer: &Writer,
        selection: &Selection,
        wanted: &Path,
    ) -> Result<PathBuf, CatalogError> {
        let mut number = 0;
        loop {
            let name = numbered(wanted, number);
            let files = selection.files_of(&name);
            let is_free =
                |name: &PathBuf| !self.given.contains(name) && fs::symlink_metadata(name).is_err();
            if files.iter().all(is_free) && !writer.has_row(&name)? {
                self.given.extend(files);
                return Ok(name);
            }
            number += 1;
        }
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
        .filter(|(_, how)| matches!(how, Departure::Moved(_)))
        .flat_map(|(file, _)| [file.to.parent(), file.from.parent()])
        .flatten()
        .map(Path::to_owned)
        .collect();
    for folder in folders {
        if let Err(error) = sync(&folder) {
            log::warn!("cannot sync '{}': {error}", readable(&folder));
        }
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

//! Whether the catalog that is open is the one on the disk.
//!
//! SQLite goes on with the file that it has opened, whatever becomes of its name: rows that are written then
//! are in a file that no one can find. So the writer looks before and after each commit, and at each scan.
//! What it finds ends the daemon: the next start takes the catalog that is there, and classifies what that
//! one lacks.

use std::cell::Cell;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{self, Path, PathBuf};

use crate::lock::{CatalogLock, Inode, inode};
use crate::names::beside;
use galmorph_output::readable;

/// How many bytes of a database say what it is: the part of SQLite's header up to the file change counter
/// (<https://www.sqlite.org/fileformat2.html#the_database_header>).
const HEADER: usize = 28;

/// What became of a catalog that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing has its name.
    Gone,
    /// Another file has its name.
    Replaced,
    /// Something else was written into it.
    WrittenOver,
    /// One of SQLite's files beside it has gone, or another has its name.
    Log,
}

impl Loss {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Gone => "it was removed or renamed, or its folder or mount was",
            Self::Replaced => "another file has taken its place",
            Self::WrittenOver => "another program has written over it",
            Self::Log => "its -wal or -shm file was removed or replaced",
        }
    }
}

/// The files of a catalog that is open.
#[derive(Debug)]
pub(crate) struct Presence {
    // As it was named, and without links: SQLite has the latter.
    names: [PathBuf; 2],
    log: (PathBuf, Inode),
    index: (PathBuf, Inode),
    // SQLite counts changes up.
    counter: Cell<u32>,
    lock: CatalogLock,
}

impl Presence {
    /// Of a catalog that is open in WAL mode and has been read.
    pub(crate) fn new(path: &Path, lock: CatalogLock) -> io::Result<Self> {
        let file = |ending| {
            let path = beside(lock.real(), ending);
            let inode = inode(&path.metadata()?);
            Ok::<_, io::Error>((path, inode))
        };
        Ok(Self {
            names: [path::absolute(path)?, lock.real().to_owned()],
            log: file("-wal")?,
            index: file("-shm")?,
            counter: Cell::new(0),
            lock,
        })
    }

    /// What became of the catalog; `None` if it is where it was and as it was left.
    pub(crate) fn loss(&self) -> io::Result<Option<Loss>> {
        let ours = self.lock.inode();
        for name in &self.names {
            match found(name)? {
                None => return Ok(Some(Loss::Gone)),
                Some(inode) if inode != ours => return Ok(Some(Loss::Replaced)),
                Some(_) => {}
            }
        }
        let Some(header) = self.lock.first_bytes::<HEADER>()? else {
            return Ok(Some(Loss::WrittenOver));
        };
        // In WAL mode for as long as anyone has it open; a backup is not.
        let is_wal = header.starts_with(b"SQLite format 3\0") && header[18..20] == [2, 2];
        let [.., a, b, c, d] = header;
        let counter = u32::from_be_bytes([a, b, c, d]);
        if !is_wal || counter < self.counter.get() {
            return Ok(Some(Loss::WrittenOver));
        }
        self.counter.set(counter);
        for (name, inode) in [&self.log, &self.index] {
            if found(name)? != Some(*inode) {
                return Ok(Some(Loss::Log));
            }
        }
        Ok(None)
    }

    /// Removes the write-ahead log of a catalog that is lost, if it still lies there: SQLite would apply it
    /// to the file that now has the catalog's name. `save` is called before, where the log belongs to a file
    /// that may still be found by another name.
    pub(crate) fn clear(&self, loss: Loss, save: impl FnOnce()) {
        let is_there = |(name, inode): &(PathBuf, Inode)| matches!(found(name), Ok(Some(found)) if found == *inode);
        match loss {
            Loss::Log => {
                // Another log would have to be that of another program that is at work.
                if matches!(found(&self.log.0), Ok(None)) {
                    save();
                }
                return;
            }
            // Only the link to it has changed: its log is in its place.
            Loss::Gone | Loss::Replaced if matches!(found(&self.names[1]), Ok(Some(found)) if found == self.lock.inode()) =>
            {
                return;
            }
            Loss::Gone | Loss::Replaced if is_there(&self.log) => save(),
            Loss::Gone | Loss::Replaced | Loss::WrittenOver => {}
        }
        for file in [&self.log, &self.index] {
            if is_there(file)
                && let Err(error) = fs::remove_file(&file.0)
            {
                log::warn!(
                    "cannot remove '{}', which belongs to no catalog any more: {error}",
                    readable(&file.0)
                );
            }
        }
    }
}

/// Which file has this name.
fn found(name: &Path) -> io::Result<Option<Inode>> {
    match name.metadata() {
        Ok(metadata) => Ok(Some(inode(&metadata))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

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
use std::time::SystemTime;

use rusqlite::{Connection, Transaction, TransactionBehavior, ffi};

use crate::CatalogError;
use crate::error::{CatalogFault, fault};
use crate::lock::{CatalogLock, Inode, inode};
use crate::mark::{Mark, Root};
use crate::names::beside;
use galmorph_output::readable;

/// How many bytes of a database say what it is: the part of SQLite's header up to the versions of its format
/// (<https://www.sqlite.org/fileformat2.html#the_database_header>).
const HEADER: usize = 20;

/// What became of a catalog that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing has its name.
    Gone,
    /// Another file has its name.
    Replaced,
    /// Its name leads to it by another way. Whoever goes that way has another log.
    Moved,
    /// Something else was written into it.
    WrittenOver,
    /// SQLite wrote another database into it.
    Restored,
    /// One of SQLite's files beside it has gone, or another has its name.
    Log,
}

impl Loss {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Gone => "it was removed or renamed, or its folder or mount was",
            Self::Replaced => "another file has taken its place",
            Self::Moved => "it was moved, and its name is a link to it",
            Self::WrittenOver => "another program has written over it",
            Self::Restored => "another catalog, or an earlier state of it, was restored into it",
            Self::Log => "its -wal or -shm file was removed or replaced",
        }
    }
}

/// What the file itself has for a mark.
#[derive(Debug, Clone, Copy)]
enum Stored {
    /// One that a log replaces, which may hold several marks of earlier runs.
    Unsettled,
    Known(Option<Mark>),
}

/// The files of a catalog that is open, and what the last look found in them.
///
/// It can't see that the file is written over by a copy that has the mark that the file has at that time: such a
/// copy lacks nothing that the daemon wrote. Nor does it see that the file is written over while the mark in it is
/// not settled: from the start of a daemon that found a log, or from a `VACUUM`, to the next checkpoint.
#[derive(Debug)]
pub(crate) struct Presence {
    // As it was named, and without links: SQLite has the latter.
    names: [PathBuf; 2],
    log: (PathBuf, Inode),
    index: (PathBuf, Inode),
    lock: CatalogLock,
    page_size: usize,
    run: i64,
    // The last mark that was committed, or was there when the catalog was opened.
    committed: Cell<Option<Mark>>,
    // What SQLite found when the catalog was opened.
    opened: Option<Mark>,
    // The mark in the file itself, which gets there with a checkpoint, and its page. It is known as soon as the
    // file has caught up with what was in the log at the start, or when the table was moved.
    stored: Cell<Stored>,
    root: Cell<Option<Root>>,
    // Changes when another connection writes.
    version: Cell<i64>,
    // When the file was written to.
    modified: Cell<Option<SystemTime>>,
}

impl Presence {
    /// Of a catalog that is open in WAL mode and has been read.
    pub(crate) fn new(
        path: &Path,
        lock: CatalogLock,
        connection: &Connection,
    ) -> Result<Self, CatalogError> {
        // Where the first write of WAL mode fails, SQLite says nothing and goes on without a log.
        let no_log = |error: io::Error| {
            let message = format!(
                "cannot open catalog '{}': its write-ahead log could not be made: {error}",
                readable(path)
            );
            CatalogError::Transient(CatalogFault::new(message, error))
        };
        let file = |ending| {
            let path = beside(lock.real(), ending);
            let inode = inode(&path.metadata()?);
            Ok::<_, io::Error>((path, inode))
        };
        let names = [
            path::absolute(path).map_err(no_log)?,
            lock.real().to_owned(),
        ];
        let (log, index) = (file("-wal").map_err(no_log)?, file("-shm").map_err(no_log)?);
        let ask = || {
            let page_size: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            let run = connection.query_row("SELECT random()", [], |row| row.get(0))?;
            let version = data_version(connection)?;
            Ok((page_size, run, version, Mark::read(connection)?))
        };
        let (page_size, run, version, (root, mark)) =
            ask().map_err(|error| fault(path, "read", error))?;
        let presence = Self {
            names,
            log,
            index,
            lock,
            page_size: usize::try_from(page_size).expect("a page has at most 65536 bytes"),
            run,
            committed: Cell::new(mark),
            opened: mark,
            stored: Cell::new(Stored::Unsettled),
            root: Cell::new(root),
            version: Cell::new(version),
            modified: Cell::new(None),
        };
        Ok(presence)
    }

    /// What became of the catalog; `None` if it is where it was and as it was left.
    pub(crate) fn loss(&self, connection: &Connection) -> Result<Option<Loss>, CatalogError> {
        match self.loss_of_files() {
            Ok(None) => self.loss_inside(connection),
            Ok(loss) => Ok(loss),
            Err(error) => Err(self.unseen(error)),
        }
    }

    fn loss_of_files(&self) -> io::Result<Option<Loss>> {
        let ours = self.lock.inode();
        for name in &self.names {
            match found(name)? {
                None => return Ok(Some(Loss::Gone)),
                Some(inode) if inode != ours => return Ok(Some(Loss::Replaced)),
                Some(_) => {}
            }
        }
        for name in &self.names {
            match name.canonicalize() {
                Ok(real) if real == self.names[1] => {}
                Ok(_) => return Ok(Some(Loss::Moved)),
                Err(error) if is_absence(&error) => return Ok(Some(Loss::Gone)),
                Err(error) => return Err(error),
            }
        }
        let Some(header) = self.lock.first_bytes::<HEADER>()? else {
            return Ok(Some(Loss::WrittenOver));
        };
        // In WAL mode for as long as anyone has it open; a backup is not.
        if !(header.starts_with(b"SQLite format 3\0") && header[18..20] == [2, 2]) {
            return Ok(Some(Loss::WrittenOver));
        }
        for (name, inode) in [&self.log, &self.index] {
            if found(name)? != Some(*inode) {
                return Ok(Some(Loss::Log));
            }
        }
        Ok(None)
    }

    fn loss_inside(&self, connection: &Connection) -> Result<Option<Loss>, CatalogError> {
        let refused = |error| fault(&self.names[0], "read", error);
        // In this order: what another connection did before the first of these is known after the second.
        let mut stored = self.stored_mark().map_err(|error| self.unseen(error))?;
        let version = data_version(connection).map_err(refused)?;
        if version != self.version.get() {
            let (root, mark) = Mark::read(connection).map_err(refused)?;
            if !Mark::may_become(self.committed.get(), mark, self.run) {
                return Ok(Some(Loss::Restored));
            }
            if root != self.root.get() {
                // VACUUM has moved the table. The file follows with a checkpoint.
                self.root.set(root);
                self.stored.set(Stored::Unsettled);
                stored = self.stored_mark().map_err(|error| self.unseen(error))?;
            }
        }
        if let Stored::Known(before) = self.stored.get()
            && !Mark::may_become(before, stored, self.run)
        {
            return Ok(Some(Loss::WrittenOver));
        }
        if stored == self.opened || stored.is_some_and(|mark| mark.run == self.run) {
            self.stored.set(Stored::Known(stored));
        }
        self.version.set(version);
        self.modified.set(self.lock.modified().ok());
        Ok(None)
    }

    /// Does what writes in a transaction, if the catalog is still the one that this run has written to.
    pub(crate) fn transact<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        // No other program can write between this look and the commit.
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let (_, mark) = Mark::read(&transaction)?;
        if !Mark::may_become(self.committed.get(), mark, self.run) {
            // The look that follows says so, too.
            return Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_ABORT),
                Some(Loss::Restored.what().into()),
            ));
        }
        let outcome = work(&transaction)?;
        let before = mark.filter(|mark| mark.run == self.run);
        let next = Mark {
            run: self.run,
            commits: before.map_or(0, |before| before.commits) + 1,
        };
        next.write(&transaction)?;
        let (root, _) = Mark::read(&transaction)?;
        transaction.commit()?;
        self.committed.set(Some(next));
        if self.root.get().is_none() {
            self.root.set(root);
            // The page may have been another table's.
            self.stored.set(Stored::Unsettled);
        }
        Ok(outcome)
    }

    /// The mark in the file itself.
    fn stored_mark(&self) -> io::Result<Option<Mark>> {
        let Some(root) = self.root.get() else {
            return Ok(None);
        };
        let mut page = vec![0; self.page_size];
        let start = u64::from(root - 1) * self.page_size as u64;
        let mut read = || {
            let is_there = self.lock.bytes_at(&mut page, start)?;
            Ok::<_, io::Error>(Mark::on_page(&page).filter(|_| is_there))
        };
        let mut mark = read()?;
        // Another program's checkpoint may be writing to the page.
        loop {
            let again = read()?;
            if again == mark {
                return Ok(mark);
            }
            mark = again;
        }
    }

    fn unseen(&self, error: io::Error) -> CatalogError {
        let path = readable(&self.names[0]);
        let message = format!("cannot look at catalog '{path}': {error}");
        CatalogError::Transient(CatalogFault::new(message, error))
    }

    /// Removes the write-ahead log of a catalog that is lost, if it still lies there: SQLite would apply it
    /// to the file that now has the catalog's name. `save` is called before, where the log belongs to a file
    /// that may still be found by another name.
    pub(crate) fn clear(&self, loss: Loss, save: impl FnOnce()) {
        let is_there = |(name, inode): &(PathBuf, Inode)| matches!(found(name), Ok(Some(found)) if found == *inode);
        // Whoever wrote to it by another way did not know of this log, which then does not fit any more.
        let save = || {
            if self.modified.get() == self.lock.modified().ok() {
                save();
            }
        };
        match loss {
            // SQLite wrote it, and the log belongs to it.
            Loss::Restored => return,
            Loss::Log => {
                // Another log would have to be that of another program that is at work.
                if matches!(found(&self.log.0), Ok(None)) {
                    save();
                }
                return;
            }
            // Only the link to it has changed: its log is in its place.
            Loss::Gone | Loss::Replaced | Loss::Moved if self.is_in_place() => return,
            Loss::Gone | Loss::Replaced | Loss::Moved if is_there(&self.log) => save(),
            Loss::Gone | Loss::Replaced | Loss::Moved | Loss::WrittenOver => {}
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

    /// Whether the database is where it was opened, without a link.
    fn is_in_place(&self) -> bool {
        let real = &self.names[1];
        matches!(real.canonicalize(), Ok(path) if path == *real)
            && matches!(found(real), Ok(Some(inode)) if inode == self.lock.inode())
    }
}

/// A number that changes when another connection writes.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Which file has this name.
fn found(name: &Path) -> io::Result<Option<Inode>> {
    match name.metadata() {
        Ok(metadata) => Ok(Some(inode(&metadata))),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

//! A catalog as a file, and what lies beside it.

use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Read as _};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::connect::{BUSY_TIMEOUT, check_version, require_one_name, require_regular};
use crate::error::{CatalogFault, opening_fault, refusal};
use crate::names::{beside, true_name};
use crate::{CatalogError, lock};
use galmorph_output::{path_text, readable};

/// In what condition `galmorph watch` would find a catalog that it can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Not there, or empty: it would be made.
    New,
    /// Made by this program.
    Ready,
    /// A daemon has it open right now.
    InUse,
}

/// Looks at a catalog as `galmorph watch` would, without changing anything.
pub fn inspect(path: &Path) -> Result<Condition, CatalogError> {
    let real = true_name(path);
    let folder = match real.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // It has no name there at any time. SQLite needs room for its own files beside the catalog.
    tempfile::tempfile_in(folder)
        .map_err(|error| refusal(path, "its folder takes no files", error))?;
    let in_use = File::options()
        .append(true)
        .open(beside(&real, ".lock"))
        .map_or_else(absent, |lock| is_locked(&lock))
        .map_err(|error| refusal(path, "its lock file", error))?;
    require_regular(path)?;
    // A daemon that looks at its own catalog has it open for writing, and must not close it.
    if !lock::is_kept(path)
        && let Err(error) = File::options().append(true).open(path)
    {
        return match error.kind() {
            ErrorKind::NotFound => Ok(Condition::New),
            _ => Err(refusal(path, "it can't be opened for writing", error)),
        };
    }
    let in_use = in_use || lock::is_held(path).map_err(|error| refusal(path, "its lock", error))?;
    require_one_name(path)?;
    let connection = open_quietly(path)?;
    Ok(match check_version(&connection, path)? {
        _ if in_use => Condition::InUse,
        0 => Condition::New,
        _ => Condition::Ready,
    })
}

/// Whether a daemon has a catalog open, by whatever name. To be asked before this process has a connection
/// to it, or after: closing the file takes away the locks that this process's connections have on it.
pub fn in_use(path: &Path) -> std::io::Result<bool> {
    let lock = File::open(beside(&true_name(path), ".lock"));
    Ok(lock.map_or_else(absent, |lock| is_locked(&lock))? || lock::is_held(path)?)
}

/// Whether a daemon has a catalog open, by the lock file that this version's daemons have beside it. Unlike
/// [`in_use`], this takes away no lock, so a process that has connections to the catalog can ask it.
pub fn is_watched(path: &Path) -> std::io::Result<bool> {
    let lock = File::open(beside(&true_name(path), ".lock"));
    lock.map_or_else(absent, |lock| is_locked(&lock))
}

fn is_locked(lock: &File) -> std::io::Result<bool> {
    // Shared, so that two commands that look at the same time don't see each other.
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A lock file that isn't there is not locked.
fn absent(error: Error) -> std::io::Result<bool> {
    match error.kind() {
        ErrorKind::NotFound => Ok(false),
        _ => Err(error),
    }
}

/// The sizes in bytes of a catalog and of its write-ahead log. There may be no log: its size is 0 then.
pub fn sizes(path: &Path) -> Result<(u64, u64), CatalogError> {
    let bytes = |path: &Path| path.metadata().map(|metadata| metadata.len());
    let sizes = || {
        // SQLite puts its files beside the catalog itself, not beside a link to it.
        let full = path.canonicalize()?;
        let log = match bytes(&beside(&full, "-wal")) {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            other => other?,
        };
        Ok((bytes(&full)?, log))
    };
    sizes().map_err(|error: Error| {
        let message = format!("cannot look at catalog '{}': {error}", readable(path));
        CatalogError::Unusable(CatalogFault::new(message, error))
    })
}

/// Opens a catalog to read. SQLite makes a -wal and a -shm file beside it for this, and a connection that
/// can't write leaves them there; one that takes the file for immutable does not.
fn open_quietly(path: &Path) -> Result<Connection, CatalogError> {
    // SQLite puts its files beside the catalog itself, not beside a link to it. A path that leads nowhere
    // is refused by SQLite below.
    let full = true_name(path);
    if !beside(&full, "-wal").exists() {
        return open_immutable(path);
    }
    let fault = |error| opening_fault(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
    Ok(connection)
}

/// Whether the header of a catalog says that there may be a write-ahead log. It opens and closes the file: not for one
/// that this process has connections to.
pub(crate) fn may_have_log(path: &Path) -> Result<bool, CatalogError> {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Ok(()) => Ok(header[18..20] != [1, 1]),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => {
            let message = format!("cannot open catalog '{}': {error}", readable(path));
            Err(CatalogError::Unusable(CatalogFault::new(message, error)))
        }
    }
}

/// Opens a catalog that no program writes to. Such a connection does not see what is in the -wal file, so
/// this is right only when that file is empty.
pub(crate) fn open_immutable(path: &Path) -> Result<Connection, CatalogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let full = true_name(path);
    let name = path_text(&full).replace('?', "%3f").replace('#', "%23");
    Connection::open_with_flags(format!("file:{name}?immutable=1"), flags)
        .map_err(|error| opening_fault(path, error))
}

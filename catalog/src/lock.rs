//! One catalog, one daemon, by whatever name it was called.
//!
//! Two locks keep a second daemon out, which SQLite itself would let in. The lock file lies beside the
//! catalog's true name, and whoever has only the name can ask it. The other lock is on the database
//! itself: it holds where the file has a second name (a hard link, a mount of that file alone, or a new name
//! while the daemon still runs), with which SQLite would keep a second write-ahead log and damage it.
//!
//! The lock on the database is one of the open file (`F_OFD_SETLK`), on a byte that SQLite doesn't use. Of
//! SQLite's own locks it must be known that closing *any* descriptor of a file takes the locks away that
//! this process has on it. So a database that this process has opened for its lock is never closed again.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::CatalogError;
use crate::connect::{require_one_name, require_regular};
use crate::error::refusal;
use crate::names::{beside, true_name};
use galmorph_output::readable;

/// The byte that is locked. SQLite's own are those from 2^30 on.
const PLACE: i64 = 1 << 62;

/// A file, whatever it is called: its device, and its number there.
pub(crate) type Inode = (u64, u64);

pub(crate) fn inode(metadata: &Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}

/// A database that this process has open for its lock.
struct Kept {
    inode: Inode,
    file: &'static File,
    is_locked: bool,
}

static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<Kept>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What keeps a second daemon out for as long as it is held.
#[derive(Debug)]
pub(crate) struct CatalogLock {
    real: PathBuf,
    inode: Inode,
    database: &'static File,
    _beside: File,
}

impl CatalogLock {
    /// Makes the catalog's file if need be, and locks it.
    ///
    /// SQLite would open a file that can't be written without a word, and fail at the first row. And it makes
    /// files that only their owner can write, whatever the umask, and gives its other files the catalog's
    /// mode. Made here, a catalog is as open to a group as the umask says.
    pub(crate) fn take(path: &Path) -> Result<Self, CatalogError> {
        let in_use = || {
            CatalogError::Unusable(format!(
                "catalog '{}' is in use by another galmorph watch (stop it, or name another with --catalog)",
                readable(path)
            ).into())
        };
        require_regular(path)?;
        let (inode, database) =
            open(path).map_err(|error| refusal(path, "it can't be opened for writing", error))?;
        let real = true_name(path);
        let lock = File::options()
            .create(true)
            .append(true)
            .open(beside(&real, ".lock"))
            .map_err(|error| refusal(path, "its folder refuses a lock file", error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(error)) => {
                return Err(refusal(path, "it can't be locked", error));
            }
        }
        let is_free =
            lock_kept(inode).map_err(|error| refusal(path, "it can't be locked", error))?;
        if !is_free {
            return Err(in_use());
        }
        let lock = Self {
            real,
            inode,
            database,
            _beside: lock,
        };
        require_one_name(path)?;
        Ok(lock)
    }

    /// The catalog's name without links.
    pub(crate) fn real(&self) -> &Path {
        &self.real
    }

    /// The file that is locked.
    pub(crate) fn inode(&self) -> Inode {
        self.inode
    }

    /// The first bytes of the file as it is on the disk; `None` if it has fewer.
    pub(crate) fn first_bytes<const N: usize>(&self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        Ok(self.bytes_at(&mut bytes, 0)?.then_some(bytes))
    }

    /// Reads bytes of the file as it is on the disk; false if it has fewer.
    pub(crate) fn bytes_at(&self, bytes: &mut [u8], start: u64) -> io::Result<bool> {
        match self.database.read_exact_at(bytes, start) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// When the file was last written to.
    pub(crate) fn modified(&self) -> io::Result<SystemTime> {
        self.database.metadata()?.modified()
    }
}

impl Drop for CatalogLock {
    fn drop(&mut self) {
        for kept in kept().iter_mut().filter(|kept| kept.inode == self.inode) {
            // If it stays locked, it does so until this process ends.
            kept.is_locked = apply(kept.file, libc::F_OFD_SETLK, libc::F_UNLCK).is_err();
        }
    }
}

/// Opens a database, or finds it among those that are open.
fn open(path: &Path) -> io::Result<(Inode, &'static File)> {
    let mut all = kept();
    let known = path.metadata().map(|metadata| inode(&metadata)).ok();
    if let Some(kept) = all.iter().find(|kept| Some(kept.inode) == known) {
        return Ok((kept.inode, kept.file));
    }
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    let inode = inode(&file.metadata()?);
    let file: &'static File = Box::leak(Box::new(file));
    all.push(Kept {
        inode,
        file,
        is_locked: false,
    });
    Ok((inode, file))
}

/// Locks a database that is open for it; false if someone else has it.
fn lock_kept(inode: Inode) -> io::Result<bool> {
    let mut all = kept();
    let kept = all.iter_mut().find(|kept| kept.inode == inode);
    let kept = kept.expect("a database is opened before it is locked, and stays open");
    if kept.is_locked {
        return Ok(false);
    }
    match apply(kept.file, libc::F_OFD_SETLK, libc::F_WRLCK) {
        Ok(_) => kept.is_locked = true,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        // POSIX lets a system say this of a lock that another has.
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => return Ok(false),
        Err(error) => return Err(error),
    }
    Ok(true)
}

/// Whether a daemon has this database, by whatever name.
///
/// It may open the database for a moment, which takes away the locks of this process's connections to it:
/// ask before there are any, or after.
pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
    let metadata = match path.metadata() {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let inode = inode(&metadata);
    if let Some(kept) = kept().iter().find(|kept| kept.inode == inode) {
        return Ok(kept.is_locked);
    }
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let held = apply(&file, libc::F_OFD_GETLK, libc::F_WRLCK)?;
    Ok(held != libc::F_UNLCK)
}

/// Whether this process has opened this database for its lock.
pub(crate) fn is_kept(path: &Path) -> bool {
    let known = path.metadata().map(|metadata| inode(&metadata)).ok();
    kept().iter().any(|kept| Some(kept.inode) == known)
}

/// Locks, unlocks or asks; returns the kind of lock that is there, where it was asked.
#[allow(unsafe_code, reason = "no crate that is here has locks of open files")]
fn apply(file: &File, command: libc::c_int, kind: libc::c_int) -> io::Result<libc::c_int> {
    let mut lock = libc::flock {
        l_type: libc::c_short::try_from(kind).expect("the kinds of locks are small numbers"),
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: PLACE,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open while `file` is borrowed, and these commands read and write one `flock`.
    let outcome = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if outcome == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(libc::c_int::from(lock.l_type))
}

//! Whether somebody has a file open for writing.
//!
//! The kernel knows, and says it to who asks for a read lease (`fcntl(2)`, `F_SETLEASE`): it gives none while
//! the file is open for writing, under whatever name. While the lease is held, one who wants to open the
//! file for writing waits for a moment. Only a file's owner and root may ask, and network file systems know
//! nothing of other machines; then the answer is that we don't know.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};
use rustix::io::Errno;

/// Who writes to a file.
#[derive(Debug)]
pub(crate) enum Writers {
    /// Nobody, for as long as this is kept.
    None(#[allow(dead_code, reason = "the lease ends with it")] File),
    /// Somebody has it open.
    Some,
    /// The kernel doesn't say.
    Unknown,
}

/// Asks the kernel. Does not follow a link.
pub(crate) fn writers(path: &Path) -> Writers {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = match openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A file server has a lease for one of its clients, and is about to give it back.
        Err(Errno::AGAIN) => return Writers::Some,
        Err(_) => return Writers::Unknown,
    };
    match lease(&file) {
        Ok(()) => Writers::None(file),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_local(&file) => Writers::Some,
        Err(_) => Writers::Unknown,
    }
}

/// Network file systems refuse a lease that the server doesn't back with the error that means a writer.
fn is_local(file: &File) -> bool {
    const NFS: u32 = 0x6969;
    const CIFS: u32 = 0xFF53_4D42;
    const SMB2: u32 = 0xFE53_4D42;
    // The numbers have 32 bits, and the field as many as a word.
    fstatfs(file).is_ok_and(|system| ![NFS, CIFS, SMB2].contains(&(system.f_type as u32)))
}

#[allow(unsafe_code, reason = "a function of the C library")]
fn lease(file: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    // What libc doesn't have: which signal tells that somebody wants to write.
    const F_SETSIG: libc::c_int = 10;
    let descriptor = file.as_raw_fd();
    // One that does nothing unless it is asked for. The default one ends the program.
    // SAFETY: `fcntl` with these commands takes a number, and the descriptor is open.
    let outcomes = unsafe { libc::fcntl(descriptor, F_SETSIG, libc::SIGURG) };
    if outcomes == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    match unsafe { libc::fcntl(descriptor, libc::F_SETLEASE, libc::F_RDLCK) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_writer_is_seen_under_any_name_and_a_reader_is_none() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&path, "some").unwrap();
        fs::hard_link(&path, &link).unwrap();
        let reader = File::open(&path).unwrap();
        assert!(matches!(writers(&path), Writers::None(_)));
        for name in [&path, &link] {
            let writer = File::options().append(true).open(name).unwrap();
            assert!(matches!(writers(&path), Writers::Some));
            drop(writer);
        }
        assert!(matches!(writers(&path), Writers::None(_)));
        drop(reader);
        assert!(matches!(
            writers(&folder.path().join("gone")),
            Writers::Unknown
        ));
    }

    #[test]
    fn one_who_wants_to_write_waits_until_the_lease_is_given_back_and_we_live_on() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "some").unwrap();
        let lease = writers(&path);
        assert!(matches!(lease, Writers::None(_)));
        let (opened, waits) = std::sync::mpsc::channel();
        let to_write = path.clone();
        let thread = std::thread::spawn(move || {
            let file = File::options().append(true).open(&to_write).unwrap();
            opened.send(()).unwrap();
            drop(file);
        });
        // It can't be open before.
        assert!(waits.try_recv().is_err());
        drop(lease);
        waits.recv().unwrap();
        thread.join().unwrap();
    }
}

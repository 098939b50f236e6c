//! Files that are there whole or not at all, on a folder that many machines share.
//!
//! A file is written under a name that no other process has, brought to the disk, and renamed. A process that is killed leaves
//! its unfinished file; it begins with [`UNFINISHED`] and means nothing. Whoever renames last wins, so what is written
//! this way must not depend on who writes it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use crate::Failure;

/// How the names of unfinished files begin.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// A file that will be `target` when it is [kept](keep).
pub(crate) fn begin(target: &Path) -> Result<NamedTempFile, Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    Builder::new()
        .prefix(UNFINISHED)
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder_of(target))
        .map_err(|error| Failure::io("write", target, &error))
}

/// Puts a complete file in its place.
pub(crate) fn keep(file: NamedTempFile, target: &Path) -> Result<(), Failure> {
    let place = || -> io::Result<()> {
        file.as_file().sync_all()?;
        file.persist(target).map_err(|error| error.error)?;
        File::open(folder_of(target))?.sync_all()
    };
    place().map_err(|error| Failure::io("write", target, &error))
}

/// Copies a file to where it will be whole.
pub(crate) fn copy(source: &mut File, target: &Path) -> Result<u64, Failure> {
    let mut file = begin(target)?;
    let bytes = io::copy(source, file.as_file_mut())
        .map_err(|error| Failure::io("write", target, &error))?;
    keep(file, target)?;
    Ok(bytes)
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

//! The names of a catalog's files.

use std::path::{Path, PathBuf};

/// The catalog's name without links, beside which its other files are. What is not there yet has none.
pub(crate) fn true_name(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The files of a catalog that SQLite would take for parts of it: the catalog first.
pub fn files_of(catalog: &Path) -> [PathBuf; 4] {
    let real = true_name(catalog);
    ["", "-wal", "-shm", "-journal"].map(|ending| beside(&real, ending))
}

/// The name of a file that belongs to a catalog.
pub(crate) fn beside(catalog: &Path, ending: &str) -> PathBuf {
    let mut name = catalog.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

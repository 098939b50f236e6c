//! The names of a catalog's files, and of the objects that files show.

use std::path::{Path, PathBuf};

use galmorph_cutout::name_and_extension;
use galmorph_output::path_text;

/// The catalog's name without links, beside which its other files are. What is not there yet has none.
pub(crate) fn true_name(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The files that belong to a catalog, whether they are there or not: the catalog itself, what SQLite would take for
/// parts of it (log, index of the log, journal), and the lock.
pub fn files_of(catalog: &Path) -> [PathBuf; 5] {
    let real = true_name(catalog);
    ["", "-wal", "-shm", "-journal", ".lock"].map(|ending| beside(&real, ending))
}

/// The name of a file that belongs to a catalog.
pub(crate) fn beside(catalog: &Path, ending: &str) -> PathBuf {
    let mut name = catalog.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Surveys name a cutout after its object, so the file name without its ending is the object's id where nothing else is
/// known.
pub fn object_id(path: &Path) -> String {
    let (name, _) = name_and_extension(path);
    let name = name.expect("the path of a file ends in its name");
    path_text(Path::new(name))
}

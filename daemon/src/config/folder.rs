//! A watched folder, and where in it files go that have their answer.
//!
//! A folder keeps its files where they are, unless it is configured to move them: then a classified file
//! goes to its `done` and a rejected one to its `rejected` sub-folder, below the same sub-folders. These
//! two are not watched.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use galmorph_catalog::WatchedFolder;
use rustix::fs::{Access, access};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

const DONE: &str = "done";
const REJECTED: &str = "rejected";

/// What becomes of a file that has its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum After {
    /// It stays where it is.
    #[default]
    Keep,
    /// It is moved to where those of its kind are.
    Move,
}

/// A watched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What becomes of its files.
    pub(crate) after: After,
}

impl From<PathBuf> for Folder {
    /// A folder that keeps its files.
    fn from(path: PathBuf) -> Self {
        let after = After::Keep;
        Self { path, after }
    }
}

impl From<WatchedFolder> for Folder {
    fn from(watched: WatchedFolder) -> Self {
        let after = if watched.moves {
            After::Move
        } else {
            After::Keep
        };
        Self {
            path: watched.path,
            after,
        }
    }
}

impl From<&Folder> for WatchedFolder {
    fn from(folder: &Folder) -> Self {
        Self {
            path: folder.path.clone(),
            moves: folder.after == After::Move,
        }
    }
}

impl Folder {
    /// Whether a path lies where this folder moves files to.
    pub(crate) fn is_relocated(&self, path: &Path) -> bool {
        self.relocated_below(path).is_some()
    }

    /// Where a file of this folder goes, if it is to be moved.
    pub(crate) fn place(&self, path: &Path, is_rejected: bool) -> Option<PathBuf> {
        if self.after == After::Keep || self.is_relocated(path) {
            return None;
        }
        let below = path.strip_prefix(&self.path).ok()?;
        let kind = if is_rejected { REJECTED } else { DONE };
        Some(self.path.join(kind).join(below))
    }

    /// Where a file was that was moved, and goes back to.
    pub(crate) fn origin(&self, path: &Path) -> Option<PathBuf> {
        Some(self.path.join(self.relocated_below(path)?))
    }

    fn relocated_below<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        if self.after == After::Keep {
            return None;
        }
        let below = path.strip_prefix(&self.path).ok()?;
        let mut parts = below.components();
        match parts.next() {
            Some(Component::Normal(name)) if name == DONE || name == REJECTED => {
                Some(parts.as_path())
            }
            _ => None,
        }
    }

    /// Makes the sub-folders that files are moved to.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        if self.after == After::Move {
            for kind in [DONE, REJECTED] {
                match fs::create_dir(self.path.join(kind)) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
        }
        self.can_move()
    }

    /// Whether files can be moved, if they are to be: a rename does not reach another file system.
    pub(crate) fn can_move(&self) -> io::Result<()> {
        if self.after == After::Keep {
            return Ok(());
        }
        access(&self.path, Access::WRITE_OK)?;
        let device = fs::metadata(&self.path)?.dev();
        for kind in [DONE, REJECTED] {
            let place = self.path.join(kind);
            let metadata = match fs::metadata(&place) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            let fault = |what| Err(io::Error::other(format!("'{kind}' in it is {what}")));
            if !metadata.is_dir() {
                return fault("not a folder");
            }
            if metadata.dev() != device {
                return fault("on another file system");
            }
            access(&place, Access::WRITE_OK)?;
        }
        Ok(())
    }
}

/// `"/in"`, or `{ path = "/in", after = "move" }`.
impl<'de> Deserialize<'de> for Folder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Folder;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str(r#"a path, or { path = "...", after = "keep" or "move" }"#)
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Folder, E> {
                Ok(PathBuf::from(path).into())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Folder, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Table {
                    path: PathBuf,
                    #[serde(default)]
                    after: After,
                }

                let Table { path, after } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Folder { path, after })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moving(path: &str) -> Folder {
        Folder {
            path: path.into(),
            after: After::Move,
        }
    }

    #[test]
    fn a_moved_file_keeps_its_sub_folders_and_finds_back() {
        let folder = moving("/in");
        let (path, done) = (Path::new("/in/a/b.jpg"), Path::new("/in/done/a/b.jpg"));
        assert_eq!(folder.place(path, false).as_deref(), Some(done));
        let rejected = folder.place(path, true).unwrap();
        assert_eq!(rejected, Path::new("/in/rejected/a/b.jpg"));
        assert_eq!(folder.origin(&rejected).as_deref(), Some(path));
        assert!(folder.is_relocated(done) && !folder.is_relocated(path));
        assert_eq!(folder.place(done, false), None);
        assert_eq!(folder.place(Path::new("/other/b.jpg"), false), None);
        // Only directly in the folder do these names mean something.
        assert!(!folder.is_relocated(Path::new("/in/a/done/b.jpg")));
    }

    #[test]
    fn a_folder_that_keeps_its_files_has_no_such_places() {
        let folder = Folder::from(PathBuf::from("/in"));
        assert_eq!(folder.place(Path::new("/in/b.jpg"), false), None);
        assert!(!folder.is_relocated(Path::new("/in/done/b.jpg")));
        assert_eq!(folder.origin(Path::new("/in/done/b.jpg")), None);
    }

    #[test]
    fn places_are_made_once_and_what_can_not_be_used_is_a_fault() {
        let temporary = tempfile::TempDir::new().unwrap();
        let folder = moving(temporary.path().to_str().unwrap());
        folder.prepare().unwrap();
        folder.prepare().unwrap();
        assert!(temporary.path().join(DONE).is_dir());
        fs::remove_dir(temporary.path().join(REJECTED)).unwrap();
        fs::write(temporary.path().join(REJECTED), "").unwrap();
        assert!(folder.prepare().is_err());
        fs::remove_file(temporary.path().join(REJECTED)).unwrap();
        std::os::unix::fs::symlink("/proc", temporary.path().join(REJECTED)).unwrap();
        let fault = folder.prepare().unwrap_err().to_string();
        assert!(fault.contains("on another file system"), "{fault}");
    }
}

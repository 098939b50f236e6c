//! Files that commands write. There is one rule for all of them:
//!
//! - A file appears under its name when it is complete.
//! - An existing file is replaced with `--force` only. A link is followed then, and stays.
//! - What is not a regular file (a folder, a FIFO, a device, a socket) is never replaced.
//! - Nor is what the command reads, or what belongs to it, as the lock and the log of a catalog do. A file is known
//!   by what it is, not by its name; one that isn't there yet, by its place.
//! - `-` is standard output.

use std::ffi::OsStr;
use std::fs::{self, File, FileType, Permissions};
use std::io::{self, ErrorKind, IsTerminal as _, Seek as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::visible::readable;

const EXISTS: &str = "it exists (name another, or replace it with --force)";

/// Why an output can't be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file can't be written there; the message names it and says why.
    #[error("cannot write '{file}': {fault}")]
    File {
        /// The file's name, as people read it.
        file: String,
        /// What is wrong there.
        fault: String,
    },
    /// Standard output takes nothing.
    #[error("cannot write the results: {0}")]
    Stream(#[source] io::Error),
}

/// Where a command writes.
#[derive(Debug)]
pub struct Output {
    named: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Standard,
    File {
        /// Without links, if it is there.
        target: PathBuf,
        folder: PathBuf,
        force: bool,
    },
}

impl Output {
    /// Checks that something can be written there. `inputs` are all files that the command reads, and those that
    /// belong to them, whether they are there or not; a folder stands for all files in it, without its sub-folders.
    ///
    /// # Errors
    /// When nothing can be, or when it would replace something.
    pub fn at(path: &Path, force: bool, inputs: &[impl AsRef<Path>]) -> Result<Self, OutputError> {
        let place = if path.as_os_str() == OsStr::new("-") {
            if io::stdout().is_terminal() {
                Err("standard output is a terminal, and this is no text".to_owned())
            } else {
                Ok(Place::Standard)
            }
        } else {
            file(path, force, inputs)
        };
        let named = path.to_owned();
        match place {
            Ok(place) => Ok(Self { named, place }),
            Err(fault) => Err(refusal(&named, &fault)),
        }
    }

    /// Writes these bytes, as [`begin`](Self::begin) and [`keep`](Self::keep) do. Returns their number.
    ///
    /// # Errors
    /// As of those.
    pub fn write(self, prefix: &str, bytes: &[u8]) -> Result<u64, OutputError> {
        let mut file = self.begin(prefix)?;
        file.write_all(bytes)
            .map_err(|error| self.refusal(&error))?;
        self.keep(file)
    }

    /// The file that will be there; `None` for standard output.
    pub fn target(&self) -> Option<&Path> {
        match &self.place {
            Place::Standard => None,
            Place::File { target, .. } => Some(target),
        }
    }

    /// Whether two outputs would be one: the second would replace the first.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self.target(), other.target()) {
            (None, None) => true,
            (Some(one), Some(other)) => is_same_place(one, other),
            _ => false,
        }
    }

    /// A failure to write it.
    pub fn refusal(&self, fault: &dyn std::fmt::Display) -> OutputError {
        refusal(&self.named, &fault.to_string())
    }

    /// A file to write to, which is gone if it isn't kept. What a killed program leaves begins with `prefix`.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub fn begin(&self, prefix: &str) -> Result<NamedTempFile, OutputError> {
        let mut builder = Builder::new();
        builder.prefix(prefix);
        let file = match &self.place {
            Place::Standard => builder.tempfile(),
            Place::File { folder, .. } => builder
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(folder),
        };
        file.map_err(|error| self.refusal(&error))
    }

    /// Puts a complete file where it was wanted. Returns its size in bytes.
    ///
    /// # Errors
    /// When the disk takes no more, or when something appeared there meanwhile.
    pub fn keep(self, mut file: NamedTempFile) -> Result<u64, OutputError> {
        let Place::File {
            target,
            folder,
            force,
        } = &self.place
        else {
            file.rewind().map_err(OutputError::Stream)?;
            return io::copy(&mut file, &mut io::stdout().lock()).map_err(OutputError::Stream);
        };
        let place = || {
            if let Ok(replaced) = fs::metadata(target) {
                // What was private stays so.
                file.as_file().set_permissions(replaced.permissions())?;
            }
            file.as_file().sync_all()?;
            let bytes = file.as_file().metadata()?.len();
            if *force {
                file.persist(target)
            } else {
                file.persist_noclobber(target)
            }
            .map_err(|error| error.error)?;
            File::open(folder)?.sync_all()?;
            Ok(bytes)
        };
        place().map_err(|error: io::Error| match error.kind() {
            ErrorKind::AlreadyExists => self.refusal(&EXISTS),
            _ => self.refusal(&error),
        })
    }
}

fn refusal(path: &Path, fault: &str) -> OutputError {
    OutputError::File {
        file: readable(path),
        fault: fault.to_owned(),
    }
}

/// Checks that the folder exists in which a file is to appear.
fn require_folder(file: &Path) -> Result<(), String> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            let what = if folder.exists() {
                "is not a folder"
            } else {
                "does not exist"
            };
            Err(format!("the folder '{}' {what}", readable(folder)))
        }
        _ => Ok(()),
    }
}

fn file(path: &Path, force: bool, inputs: &[impl AsRef<Path>]) -> Result<Place, String> {
    require_folder(path)?;
    let target = match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // SQLite would take it for a log of its own.
            if (inputs.iter()).any(|input| is_same_place(input.as_ref(), path)) {
                return Err("it is the place of a file that the command reads".into());
            }
            path.to_owned()
        }
        Err(error) => return Err(error.to_string()),
        Ok(there) => {
            if let Some(kind) = irregular(there.file_type()) {
                return Err(format!(
                    "it is {kind}, which is never replaced ('-' is standard output)"
                ));
            }
            if let Some(file) = identity(path)
                && inputs.iter().any(|input| has(input.as_ref(), file))
            {
                return Err("it is what the command reads".into());
            }
            if !force {
                return Err(EXISTS.into());
            }
            let target = path
                .canonicalize()
                .map_err(|error| format!("it is a link that leads nowhere: {error}"))?;
            let there = target.metadata().map_err(|error| error.to_string())?;
            if let Some(kind) = irregular(there.file_type()) {
                return Err(format!(
                    "it is a link to {kind}, which is never replaced ('-' is standard output)"
                ));
            }
            target
        }
    };
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok(Place::File {
        target,
        folder,
        force,
    })
}

/// What it is, if it is neither a regular file nor a link.
fn irregular(kind: FileType) -> Option<&'static str> {
    if kind.is_file() || kind.is_symlink() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// The file that a name leads to: its device and number.
fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().map(|data| (data.dev(), data.ino())).ok()
}

/// Whether an input is this file, or a folder with it.
fn has(input: &Path, file: (u64, u64)) -> bool {
    let entries = fs::read_dir(input).into_iter().flatten().flatten();
    identity(input) == Some(file)
        || (entries.map(|entry| entry.path())).any(|entry| identity(&entry) == Some(file))
}

/// Whether two names are the same name in the same folder.
fn is_same_place(one: &Path, other: &Path) -> bool {
    let folder = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => identity(folder),
        _ => identity(Path::new(".")),
    };
    one.file_name() == other.file_name()
        && folder(one).is_some_and(|one| folder(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_known_by_what_they_are_and_where_they_would_be() {
        let temporary = tempfile::TempDir::new().unwrap();
        let path = |name: &str| temporary.path().join(name);
        fs::create_dir_all(path("images/deeper")).unwrap();
        for name in ["table", "other", "images/1.png", "images/deeper/2.png"] {
            fs::write(path(name), "precious").unwrap();
        }
        fs::hard_link(path("images/1.png"), path("hard")).unwrap();
        std::os::unix::fs::symlink("images", path("link")).unwrap();
        let inputs = [path("table"), path("link"), path("images/absent")];
        let fault = |name: &str| {
            let output = Output::at(&path(name), true, &inputs);
            output.map(|_| ()).map_err(|error| error.to_string())
        };
        for name in ["table", "images/1.png", "link/1.png", "hard", "link/absent"] {
            assert!(fault(name).unwrap_err().contains("the command reads"));
        }
        for name in ["other", "images/deeper/2.png", "absent", "images/new"] {
            assert_eq!(fault(name), Ok(()));
        }
    }

    #[test]
    fn one_place_by_two_names_is_one_output() {
        let temporary = tempfile::TempDir::new().unwrap();
        let path = |name: &str| temporary.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("target"), "").unwrap();
        std::os::unix::fs::symlink("target", path("link")).unwrap();
        let output = |name: &str| Output::at(&path(name), true, &[] as &[&Path]).unwrap();
        let is_same = |one: &str, other: &str| output(one).is_same_as(&output(other));
        assert!(is_same("new", "folder/../new") && is_same("link", "target"));
        assert!(!is_same("new", "folder/new") && !is_same("new", "other"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let temporary = tempfile::TempDir::new().unwrap();
        let file = temporary.path().join("file");
        assert_eq!(require_folder(&file), Ok(()));
        assert_eq!(require_folder(Path::new("file")), Ok(()));
        std::fs::write(&file, "").unwrap();
        assert!(
            require_folder(&file.join("x"))
                .unwrap_err()
                .ends_with("is not a folder")
        );
        assert_eq!(
            require_folder(Path::new("/no/such/x")).unwrap_err(),
            "the folder '/no/such' does not exist"
        );
    }
}

//! A copy of the catalog as it is at one moment, while the daemon writes on.
//!
//! SQLite's own online backup, in one step, reads from one snapshot, so that a busy writer can't have
//! it begin again and again. The copy is one file, without a write-ahead log, that is checked before
//! anyone can take it for a backup.

use std::error::Error;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{Reader, check};
use crate::CatalogError;

const EXISTS: &str = "it exists (name another, or replace it with --force)";

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The catalog can't be read, or what was read of it isn't sound.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The copy can't be written where it was wanted.
    #[error("cannot write backup '{path}': {1}", path = .0.display())]
    Target(PathBuf, #[source] Box<dyn Error + Send + Sync>),
}

impl BackupError {
    fn target(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Target(path.to_owned(), source.into())
    }
}

impl Reader {
    /// Copies the catalog to `target`, which appears when it is whole and was checked; returns its
    /// size in bytes. A file that is there is only replaced with `force`.
    pub fn back_up(&self, target: &Path, force: bool) -> Result<u64, BackupError> {
        let refuse = |error: io::Error| BackupError::target(target, error);
        if is_same_file(&self.path, target) {
            return Err(BackupError::target(target, "that is the catalog itself"));
        }
        if !force && target.symlink_metadata().is_ok() {
            return Err(BackupError::target(target, EXISTS));
        }
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".galmorph-backup-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(refuse)?;
        self.copy_to(file.path(), target)?;
        file.as_file().sync_all().map_err(refuse)?;
        let bytes = file.as_file().metadata().map_err(refuse)?;
        let kept = if force {
            file.persist(target)
        } else {
            file.persist_noclobber(target)
        };
        kept.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::target(target, EXISTS),
            _ => refuse(error.error),
        })?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(refuse)?;
        Ok(bytes.len())
    }

    fn copy_to(&self, copy: &Path, target: &Path) -> Result<(), BackupError> {
        // Faults of both ends come as the same kind of error: what reads is asked first, on its own.
        let writing = |error: rusqlite::Error| BackupError::target(target, error);
        let mut connection = Connection::open(copy).map_err(writing)?;
        // It is synced as a whole before it gets its name.
        connection
            .pragma_update(None, "synchronous", "OFF")
            .map_err(writing)?;
        let backup = Backup::new(&self.connection, &mut connection).map_err(writing)?;
        match backup.step(-1).map_err(writing)? {
            StepResult::Done => {}
            _ => {
                return Err(CatalogError::Transient(
                    format!(
                        "cannot read catalog '{}': database is locked",
                        self.path.display()
                    )
                    .into(),
                )
                .into());
            }
        }
        drop(backup);
        connection
            .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(writing)?;
        // Where the damage is such that nothing can be read, that is a finding, too.
        let faults = check::damage(&connection).unwrap_or_else(|error| vec![error.to_string()]);
        if let Some(first) = faults.first() {
            return Err(CatalogError::Unusable(format!(
                "the copy of catalog '{}' is damaged, and so may be the catalog: {first} (galmorph check --deep)",
                self.path.display()
            ).into())
            .into());
        }
        connection.close().map_err(|(_, error)| writing(error))
    }
}

/// Whether two names lead to one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|data| (data.dev(), data.ino())).ok();
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

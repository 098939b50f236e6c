//! What every connection checks before it is trusted: the library, the file, its version.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use crate::error::opening_fault;
use crate::{CatalogError, migration, schema};
use galmorph_output::readable;

/// The first SQLite whose WAL mode can't lose commits.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long SQLite itself waits for a lock before it reports one.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn no_catalog(path: &Path) -> CatalogError {
    CatalogError::Unusable(
        format!(
            "no catalog '{}' (galmorph watch makes it; --catalog names another)",
            readable(path)
        )
        .into(),
    )
}

/// A catalog is a regular file, or is not there. SQLite would wait for the other end of a FIFO.
pub(crate) fn require_regular(path: &Path) -> Result<(), CatalogError> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => Err(CatalogError::Unusable(
            format!(
                "cannot open catalog '{}': it is not a regular file",
                readable(path)
            )
            .into(),
        )),
        _ => Ok(()),
    }
}

/// A database with two names has a write-ahead log beside each of them: what is written by one name damages what
/// was written by the other, and what is read by one name lacks it.
pub(crate) fn require_one_name(path: &Path) -> Result<(), CatalogError> {
    let names = path.metadata().map_or(1, |metadata| metadata.nlink());
    let what = if names > 1 {
        format!("has {names} names (hard links)")
    } else if is_mounted_alone(path) {
        "is a mount of a single file (mount its folder)".into()
    } else {
        return Ok(());
    };
    Err(CatalogError::Unusable(format!(
        "catalog '{}' {what}, with a write-ahead log for each name: what is read by one name lacks what was written by the other, and what is written damages it (leave it one name, or use a copy)",
        readable(path)
    ).into()))
}

/// Whether a file was mounted on its own, as containers do. Its other files stay in another folder then.
fn is_mounted_alone(path: &Path) -> bool {
    // A kernel that does not know says no.
    statx(CWD, path, AtFlags::empty(), StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// For those who need what the current version has: only the daemon migrates.
pub(crate) fn require_current(version: i32, path: &Path) -> Result<(), CatalogError> {
    if version < schema::VERSION {
        return Err(CatalogError::Unusable(format!(
            "catalog '{}' has version {version}, and this needs version {} (start galmorph watch once; it brings the catalog up to date)",
            readable(path),
            schema::VERSION
        ).into()));
    }
    Ok(())
}

/// The version of a catalog: 0 for an empty file, an error for one that isn't ours or is too new.
pub(crate) fn check_version(connection: &Connection, path: &Path) -> Result<i32, CatalogError> {
    check_library(rusqlite::version_number())?;
    let pragma = |name: &str| -> Result<i32, CatalogError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|error| opening_fault(path, error))
    };
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let file = readable(path);
    if application != schema::APPLICATION_ID {
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|error| opening_fault(path, error))?;
        return if tables == 0 && version == 0 {
            Ok(0)
        } else {
            Err(CatalogError::Unusable(
                format!("'{file}' is a database of another program, not a galmorph catalog").into(),
            ))
        };
    }
    // The mark and the version are written in one transaction, so no catalog has version 0.
    if version < 1 {
        return Err(CatalogError::Unusable(
            format!("catalog '{file}' is damaged: it says that it has version {version}").into(),
        ));
    }
    if version > schema::VERSION {
        return Err(CatalogError::Unusable(format!(
            "catalog '{file}' has version {version}, and this program knows versions up to {} (update galmorph)",
            schema::VERSION
        ).into()));
    }
    // One that is on its way still looks as it did before.
    let before = migration::version_before(connection);
    Ok(before
        .map_err(|error| opening_fault(path, error))?
        .unwrap_or(version))
}

pub(crate) fn check_library(version: i32) -> Result<(), CatalogError> {
    if version < OLDEST_SQLITE {
        return Err(CatalogError::Unusable(format!(
            "built with SQLite {version}, which can lose commits in WAL mode; {OLDEST_SQLITE} or later is needed"
        ).into()));
    }
    Ok(())
}

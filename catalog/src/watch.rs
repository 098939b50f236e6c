//! What the last `galmorph watch` watches, and what went wrong: one row, for those who look at the
//! catalog from outside.
//!
//! The daemon writes no state of each file that it has seen: which files wait follows from the folders
//! and from what is committed, and stays true when the daemon is killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use galmorph_cutout::{BandFiles, FramingSettings, Limits, RejectReason, Rendering};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, named_params, params};
use serde::{Deserialize, Serialize};

use crate::connect::{
    BUSY_TIMEOUT, check_version, require_current, require_one_name, require_regular,
};
use crate::error::{CatalogFault, fault, opening_fault};
use crate::reader::freshness::{RequiredModel, count};
use crate::schema::is_settling;
use crate::writer::{Place, begin_settling};
use crate::{BandSet, CatalogError, Reader, Writer, time};
use galmorph_output::{path_text, readable, text_path};

/// What is watched, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watched {
    /// The folders, by their true names.
    pub folders: Vec<WatchedFolder>,
    /// Which files are taken, by the end of their name.
    pub extensions: Vec<String>,
    /// Which files and folders are left alone, by their name.
    pub exclude: Vec<String>,
    /// Whether files are taken that only another model has answered for.
    pub reclassify: bool,
    /// Whether links to files are taken.
    pub follow_links: bool,
}

/// A folder that is watched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WatchedFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Whether files are moved when they have their answer.
    pub moves: bool,
    /// How its images are framed.
    pub framing: FramingSettings,
    /// Whether a manifest or a pattern says more of its objects than the names of the files, or once did.
    pub identified: bool,
    /// How its FITS images are shown, and the names of their bands.
    pub rendering: Rendering,
    /// How files are named that have one band each.
    pub band_files: Option<String>,
}

/// How many files are rejected for a reason that depends on settings which were changed since. A rejection stands
/// until `galmorph retry` asks for another try.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectedBefore {
    /// Under other limits.
    pub other_limits: u64,
    /// With other bands, colours or stretches.
    pub other_rendering: u64,
}

/// The sub-folders that files are moved to.
pub const DONE: &str = "done";
/// See [`DONE`].
pub const REJECTED: &str = "rejected";

impl WatchedFolder {
    /// Whether a path lies where this folder moves files to.
    fn is_relocated(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.path).ok();
        let first = below.and_then(|below| below.iter().next());
        self.moves && first.is_some_and(|name| name == DONE || name == REJECTED)
    }
}

impl Watched {
    /// The folder of a file, the innermost of several.
    pub fn folder_of(&self, path: &Path) -> Option<&WatchedFolder> {
        let folders = self.folders.iter();
        folders
            .filter(|folder| path.starts_with(&folder.path))
            .max_by_key(|folder| folder.path.as_os_str().len())
    }

    /// The files that belong together with this one, if its folder, the innermost of several, has a file for each band.
    pub fn set_of(&self, path: &Path) -> Option<BandSet> {
        let folder = self.folder_of(path)?;
        let files = BandFiles::new(folder.band_files.as_ref()?, &folder.rendering.bands).ok()?;
        BandSet::of(&files, path, folder.is_relocated(path))
    }

    /// What was once said of the objects in a folder is in its rows, and has to be taken back if it is said no longer.
    fn remember(&mut self, before: &Self) {
        for folder in &mut self.folders {
            let mut earlier = before.folders.iter();
            folder.identified |=
                earlier.any(|earlier| earlier.path == folder.path && earlier.identified);
        }
    }
}

/// What is kept of a folder as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct FolderRow {
    #[serde(flatten)]
    framing: FramingSettings,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    identified: bool,
    // A catalog of an earlier version does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rendering: Option<Rendering>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    band_files: Option<String>,
}

/// A warning or an error that the daemon logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedError {
    /// What was wrong.
    pub message: String,
    /// When it was logged.
    pub at: Timestamp,
}

/// The row of what is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// The model in use.
    pub model: i64,
    /// What is watched.
    pub watched: Watched,
    /// The last error or warning that the daemon logged.
    pub error: Option<LoggedError>,
}

impl Watch {
    /// Whose answer makes a file done.
    pub fn required_model(&self) -> RequiredModel {
        RequiredModel {
            model: self.model,
            reclassify: self.watched.reclassify,
        }
    }
}

impl Writer {
    /// Records what is watched. A start that changes nothing only reads, so that it needn't wait for
    /// a lock on the catalog.
    ///
    /// Returns how many files are rejected under settings that were changed since.
    pub fn record_watch(
        &mut self,
        watched: &Watched,
        limits: &Limits,
    ) -> Result<RejectedBefore, CatalogError> {
        let (rejected, settling, identified) = self.write("write to", |connection| {
            let before = WatchRow::read(connection)?;
            let mut watched = watched.clone();
            if let Some(Ok(before)) = before.as_ref().map(WatchRow::watched) {
                watched.remember(&before);
            }
            let after = WatchRow::new(self.model, &watched, limits);
            let mut rejected = RejectedBefore::default();
            if let Some(before) = &before {
                if before.limits != after.limits {
                    rejected.other_limits =
                        count_rejected(connection, RejectReason::depends_on_limits)?;
                }
                if after.is_rendered_otherwise(before) {
                    rejected.other_rendering =
                        count_rejected(connection, RejectReason::depends_on_rendering)?;
                }
            }
            if before.as_ref() != Some(&after) {
                self.presence.transact(connection, |transaction| {
                    after.write(transaction)?;
                    if before.is_none_or(|before| before.model != after.model) {
                        begin_settling(transaction, after.model)?;
                    }
                    Ok(())
                })?;
            }
            let identified = watched.folders.into_iter();
            let identified = identified.filter(|folder| folder.identified);
            let identified: Vec<PathBuf> = identified.map(|folder| folder.path).collect();
            Ok((rejected, is_settling(connection)?, identified))
        })?;
        self.identified = identified;
        self.settling = settling.then(Place::default);
        Ok(rejected)
    }

    /// Writes down the last error.
    pub fn note_error(&self, error: &LoggedError) -> Result<(), CatalogError> {
        self.transact("write to", |transaction| note(transaction, error))
    }

    /// Moves what is in the write-ahead log into the catalog and empties the log's file; false if a
    /// reader still needs what is in it. It does not wait for the reader.
    pub fn empty_log(&self) -> Result<bool, CatalogError> {
        self.write("tidy up", |_| self.checkpoint())
    }

    /// The same of a catalog that may be lost.
    pub(crate) fn checkpoint(&self) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let busy = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, bool>(0)
            });
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        busy.map(|busy| !busy)
    }
}

/// How many files are rejected for one of some reasons, and are not to be tried again.
fn count_rejected(
    connection: &Connection,
    depends: fn(RejectReason) -> bool,
) -> rusqlite::Result<u64> {
    let reasons = RejectReason::ALL.iter().copied().filter(|r| depends(*r));
    let reasons: Vec<&str> = reasons.map(RejectReason::as_str).collect();
    let statement = "SELECT count(*) FROM cutout WHERE reason IS NOT NULL AND retry IS NULL
             AND reason IN (SELECT value FROM json_each(?1))";
    count(
        connection,
        statement,
        [serde_json::json!(reasons).to_string()],
    )
}

fn note(connection: &Connection, error: &LoggedError) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE watch SET error = ?1, error_at = ?2",
            params![error.message, time::to_millisecond(error.at)],
        )
        .map(drop)
}

/// Writes the last error of a daemon that has lost its catalog into the one that is there now, if that is
/// one of this version. To be called when the daemon has closed all that it had open.
pub fn note_loss(catalog: &Path, error: &LoggedError) -> Result<(), CatalogError> {
    let fault = |error| opening_fault(catalog, error);
    require_regular(catalog)?;
    require_one_name(catalog)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(catalog, flags).map_err(fault)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
    require_current(check_version(&connection, catalog)?, catalog)?;
    note(&connection, error).map_err(fault)
}

impl Reader {
    /// What is watched; `None` when nothing ever was.
    pub fn watch(&self) -> Result<Option<Watch>, CatalogError> {
        let work = || {
            let Some(row) = WatchRow::read(&self.connection)? else {
                return Ok(None);
            };
            let error = self.connection.query_row(
                "SELECT error, error_at FROM watch WHERE error IS NOT NULL",
                [],
                |row| {
                    Ok(LoggedError {
                        message: row.get(0)?,
                        at: time::parse(row, 1)?,
                    })
                },
            );
            Ok(Some((row, error.optional()?)))
        };
        let found = work().map_err(|error| fault(&self.path, "read", error))?;
        let Some((row, error)) = found else {
            return Ok(None);
        };
        Ok(Some(Watch {
            model: row.model,
            watched: row.watched().map_err(|error| self.damaged(error))?,
            error,
        }))
    }
}

impl Reader {
    /// The limits that the last `galmorph watch` decoded images within; `None` when nothing ever was watched.
    pub fn limits(&self) -> Result<Option<Limits>, CatalogError> {
        let read = |error| fault(&self.path, "read", error);
        let Some(row) = WatchRow::read(&self.connection).map_err(read)? else {
            return Ok(None);
        };
        let limits: BTreeMap<String, u64> =
            serde_json::from_str(&row.limits).map_err(|error| self.damaged(error))?;
        let mut known = Limits::default();
        let side = |limit: u64| u32::try_from(limit).unwrap_or(u32::MAX);
        for (name, limit) in limits {
            match &*name {
                "max_bytes" => known.max_bytes = limit,
                "max_side" => known.max_side = side(limit),
                "max_pixels" => known.max_pixels = limit,
                "min_side" => known.min_side = side(limit),
                // A later version's, which this one can't keep.
                _ => {}
            }
        }
        Ok(Some(known))
    }

    fn damaged(&self, error: serde_json::Error) -> CatalogError {
        let path = readable(&self.path);
        let message = format!(
            "catalog '{path}': its table watch is damaged: {error} (the next start of galmorph watch mends it)"
        );
        CatalogError::Unusable(CatalogFault::new(message, error))
    }
}

/// The columns of `watch` that say what is watched, as they are stored. Lists are JSON arrays of text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WatchRow {
    model: i64,
    folders: String,
    extensions: String,
    exclude: String,
    reclassify: bool,
    moving: String,
    limits: String,
    follow_links: bool,
    /// A JSON object by the folder.
    framing: String,
}

impl WatchRow {
    fn new(model: i64, watched: &Watched, limits: &Limits) -> Self {
        let names = |wanted: fn(&WatchedFolder) -> bool| {
            let wanted = watched.folders.iter().filter(|folder| wanted(folder));
            let names: Vec<String> = wanted.map(|folder| path_text(&folder.path)).collect();
            serde_json::json!(names).to_string()
        };
        let framing = watched.folders.iter();
        let framing: BTreeMap<String, FolderRow> = framing
            .map(|folder| {
                let row = FolderRow {
                    framing: folder.framing,
                    identified: folder.identified,
                    rendering: Some(folder.rendering.clone()),
                    band_files: folder.band_files.clone(),
                };
                (path_text(&folder.path), row)
            })
            .collect();
        Self {
            model,
            folders: names(|_| true),
            extensions: serde_json::json!(watched.extensions).to_string(),
            exclude: serde_json::json!(watched.exclude).to_string(),
            reclassify: watched.reclassify,
            moving: names(|folder| folder.moves),
            limits: serde_json::json!({
                "max_bytes": limits.max_bytes,
                "max_side": limits.max_side,
                "max_pixels": limits.max_pixels,
                "min_side": limits.min_side,
            })
            .to_string(),
            follow_links: watched.follow_links,
            framing: serde_json::json!(framing).to_string(),
        }
    }

    /// Whether FITS images of a folder are shown otherwise than they were.
    fn is_rendered_otherwise(&self, before: &Self) -> bool {
        let folders = |row: &Self| {
            let folders = serde_json::from_str::<BTreeMap<String, FolderRow>>(&row.framing);
            folders.unwrap_or_default()
        };
        let earlier = folders(before);
        folders(self).iter().any(|(name, now)| {
            let before = earlier.get(name);
            before.is_some_and(|before| {
                before.rendering.is_some()
                    && (&before.rendering, &before.band_files) != (&now.rendering, &now.band_files)
            })
        })
    }

    fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let statement =
            "SELECT model, folders, extensions, exclude, reclassify, moving, limits, follow_links,
                                framing
                         FROM watch";
        connection
            .query_row(statement, [], |row: &Row| {
                Ok(Self {
                    model: row.get("model")?,
                    folders: row.get("folders")?,
                    extensions: row.get("extensions")?,
                    exclude: row.get("exclude")?,
                    reclassify: row.get("reclassify")?,
                    moving: row.get("moving")?,
                    limits: row.get("limits")?,
                    follow_links: row.get("follow_links")?,
                    framing: row.get("framing")?,
                })
            })
            .optional()
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute(
            "INSERT INTO watch
                 (id, model, folders, extensions, exclude, reclassify, moving, limits, follow_links, framing)
             VALUES
                 (1, :model, :folders, :extensions, :exclude, :reclassify, :moving, :limits, :follow_links,
                  :framing)
             ON CONFLICT (id) DO UPDATE SET model = excluded.model,
                 folders = excluded.folders, extensions = excluded.extensions, exclude = excluded.exclude,
                 reclassify = excluded.reclassify, moving = excluded.moving,
                 limits = excluded.limits, follow_links = excluded.follow_links,
                 framing = excluded.framing",
            named_params! {
                ":model": self.model,
                ":folders": self.folders,
                ":extensions": self.extensions,
                ":exclude": self.exclude,
                ":reclassify": self.reclassify,
                ":moving": self.moving,
                ":limits": self.limits,
                ":follow_links": self.follow_links,
                ":framing": self.framing,
            },
        )?;
        Ok(())
    }

    fn watched(&self) -> serde_json::Result<Watched> {
        let list = |text: &str| serde_json::from_str::<Vec<String>>(text);
        let moving = list(&self.moving)?;
        let framing: BTreeMap<String, FolderRow> = serde_json::from_str(&self.framing)?;
        let folder = |name: String| {
            let row = framing.get(&name).cloned().unwrap_or_default();
            WatchedFolder {
                path: text_path(&name),
                moves: moving.contains(&name),
                framing: row.framing,
                identified: row.identified,
                rendering: row.rendering.unwrap_or_default(),
                band_files: row.band_files,
            }
        };
        Ok(Watched {
            folders: list(&self.folders)?.into_iter().map(folder).collect(),
            extensions: list(&self.extensions)?,
            exclude: list(&self.exclude)?,
            reclassify: self.reclassify,
            follow_links: self.follow_links,
        })
    }
}

//! What the last `galmorph watch` watches, and what went wrong: one row, for those who look at the
//! catalog from outside.
//!
//! The daemon writes no state of each file that it has seen: which files wait follows from the folders
//! and from what is committed, and stays true when the daemon is killed.

use std::time::Duration;

use galmorph_cutout::{Limits, RejectReason};
use rusqlite::{OptionalExtension as _, Row, params};

use super::retry::KIND;
use super::standing::{Wanted, count};
use super::{BUSY_TIMEOUT, CatalogError, Reader, Writer, fault};
use crate::errors::LoggedError;
use crate::folder::{After, Folder};
use crate::path_text::{path_text, text_path};

/// What is watched, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The folders, by their true names.
    pub(crate) folders: Vec<Folder>,
    /// Which files are taken, by the end of their name.
    pub(crate) extensions: Vec<String>,
    /// Whether files are taken that only another model has answered for.
    pub(crate) reclassify: bool,
    /// Whether links to files are taken.
    pub(crate) follow_links: bool,
}

/// The row of what is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watch {
    /// The model in use.
    pub(crate) model: i64,
    /// What is watched.
    pub(crate) watched: Watched,
    /// The last error or warning that the daemon logged.
    pub(crate) error: Option<LoggedError>,
}

impl Watch {
    /// Whose answer makes a file done.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            model: self.model,
            reclassify: self.watched.reclassify,
        }
    }
}

impl Writer {
    /// Enters what is watched. A start that changes nothing only reads, so that it needn't wait for
    /// whoever has the catalog locked.
    ///
    /// Returns how many files are rejected under limits that were changed since: a rejection stands
    /// until someone asks for another try.
    pub(crate) fn enter(&self, watched: &Watched, limits: &Limits) -> Result<u64, CatalogError> {
        let names = |wanted: fn(&Folder) -> bool| {
            let wanted = watched.folders.iter().filter(|folder| wanted(folder));
            let names: Vec<String> = wanted.map(|folder| path_text(&folder.path)).collect();
            serde_json::json!(names).to_string()
        };
        let folders = names(|_| true);
        let moving = names(|folder| folder.after == After::Move);
        let extensions = serde_json::json!(watched.extensions).to_string();
        let limits = serde_json::json!({
            "max_bytes": limits.max_bytes,
            "max_side": limits.max_side,
            "max_pixels": limits.max_pixels,
            "min_side": limits.min_side,
        })
        .to_string();
        let work = || {
            let before: Option<(i64, String, String, bool, String, String, bool)> = self
                .connection
                .query_row(
                    "SELECT model, folders, extensions, reclassify, moving, limits, follow_links
                         FROM watch",
                    [],
                    |row| {
                        Ok((
                            row.get(0)?,
                            row.get(1)?,
                            row.get(2)?,
                            row.get(3)?,
                            row.get(4)?,
                            row.get(5)?,
                            row.get(6)?,
                        ))
                    },
                )
                .optional()?;
            let judged_otherwise = match &before {
                Some(before) if before.5 != limits => {
                    let reasons = RejectReason::ALL.iter().filter(|r| r.depends_on_limits());
                    let reasons: Vec<&str> = reasons.map(|reason| reason.as_str()).collect();
                    let statement = format!(
                        "SELECT count(*) FROM cutout WHERE state = 'rejected' AND retry IS NULL
                             AND {KIND} IN (SELECT value FROM json_each(?1))"
                    );
                    let reasons = serde_json::json!(reasons).to_string();
                    count(&self.connection, &statement, [reasons])?
                }
                _ => 0,
            };
            let after = (
                self.model,
                folders.clone(),
                extensions.clone(),
                watched.reclassify,
                moving.clone(),
                limits.clone(),
                watched.follow_links,
            );
            if before.as_ref() != Some(&after) {
                self.connection.execute(
                    "INSERT INTO watch (id, model, folders, extensions, reclassify, moving, limits,
                                        follow_links)
                         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (id) DO UPDATE SET model = excluded.model,
                         folders = excluded.folders, extensions = excluded.extensions,
                         reclassify = excluded.reclassify, moving = excluded.moving,
                         limits = excluded.limits, follow_links = excluded.follow_links",
                    params![
                        after.0, after.1, after.2, after.3, after.4, after.5, after.6
                    ],
                )?;
            }
            Ok(judged_otherwise)
        };
        work().map_err(|error| fault(&self.path, "write to", &error))
    }

    /// Writes down the last error.
    pub(crate) fn note_error(&self, error: &LoggedError) -> Result<(), CatalogError> {
        self.connection
            .execute(
                "UPDATE watch SET error = ?1, error_at = ?2",
                params![error.message, error.at],
            )
            .map(drop)
            .map_err(|error| fault(&self.path, "write to", &error))
    }

    /// Moves what is in the write-ahead log into the catalog and empties the log's file; false if a
    /// reader still needs what is in it. It waits for nobody.
    pub(crate) fn empty_log(&self) -> Result<bool, CatalogError> {
        let work = || {
            self.connection.busy_timeout(Duration::ZERO)?;
            let busy = self
                .connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                    row.get::<_, bool>(0)
                });
            self.connection.busy_timeout(BUSY_TIMEOUT)?;
            busy
        };
        work()
            .map(|busy| !busy)
            .map_err(|error| fault(&self.path, "tidy up", &error))
    }
}

impl Reader {
    /// What is watched; none if nothing ever was.
    pub(crate) fn watch(&self) -> Result<Option<Watch>, CatalogError> {
        let list = |row: &Row, column| -> rusqlite::Result<Vec<String>> {
            let text: String = row.get(column)?;
            // Whoever edits it by hand may break it; there is no more in it then.
            Ok(serde_json::from_str(&text).unwrap_or_default())
        };
        let found = self.connection.query_row(
            "SELECT model, folders, extensions, reclassify, moving, error, error_at,
                 follow_links FROM watch",
            [],
            |row| {
                let (message, at): (Option<String>, Option<String>) = (row.get(5)?, row.get(6)?);
                let moving = list(row, 4)?;
                Ok(Watch {
                    model: row.get(0)?,
                    watched: Watched {
                        folders: list(row, 1)?
                            .iter()
                            .map(|name| Folder {
                                path: text_path(name),
                                after: if moving.contains(name) {
                                    After::Move
                                } else {
                                    After::Keep
                                },
                            })
                            .collect(),
                        extensions: list(row, 2)?,
                        reclassify: row.get(3)?,
                        follow_links: row.get(7)?,
                    },
                    error: message
                        .zip(at)
                        .map(|(message, at)| LoggedError { message, at }),
                })
            },
        );
        found
            .optional()
            .map_err(|error| fault(&self.path, "read", &error))
    }
}

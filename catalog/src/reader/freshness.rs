//! How a file stands with the catalog, and the catalog counted.
//!
//! There is one answer to whether a file is done, for the intake that takes what is not, and for those
//! who count what waits. So what `galmorph status` calls waiting is what the next scan would take.

use std::path::Path;
use std::time::{Duration, SystemTime};

use galmorph_cutout::{Framing, FramingSettings, Rendering};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use super::Reader;
use crate::columns::CLASSIFIED_AT;
use crate::error::fault;
use crate::writer::{SEPARATOR, sql_bytes, unsigned};
use crate::{ByReason, CatalogError, Stamp, time};
use galmorph_output::path_text;

/// How a file stands with the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileStatus {
    /// It has no row.
    New,
    /// It was rejected, or has the answer that is wanted, as it now is.
    Done {
        /// Whether the row says that it was rejected.
        rejected: bool,
    },
    /// It has a row, and is to be taken again.
    Stale {
        /// Whether the row says that it was rejected.
        rejected: bool,
        /// Why it is taken again.
        reason: StaleReason,
    },
}

/// Why a file with a row is taken again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleReason {
    /// Its size or time is another, or the kernel says that something else about it was changed after it was
    /// recorded: another file may have taken its place.
    Changed,
    /// It is to be read again: it was rejected, or more became known of its object.
    Retry,
    /// The model has not answered for it, or only as it was shown before the framing or the stretch was changed.
    OtherAnswer,
}

/// A file as it now is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Its size and modification time.
    pub stamp: Stamp,
    /// The kernel's own time of its last change (ctime), which no program can set back. One in the future is the time
    /// of another machine's clock, and says nothing yet.
    pub changed: SystemTime,
    /// Whether all of it is there. Of an image whose bands lie in files of their own, some may be missing.
    pub is_whole: bool,
}

/// How an image is to be shown to the network.
#[derive(Debug, Clone, Copy)]
pub struct RequiredPicture<'a> {
    /// Which part of it.
    pub framing: &'a FramingSettings,
    /// What makes a picture of a FITS image.
    pub rendering: &'a Rendering,
}

/// Whose answer makes a file done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredModel {
    /// The model in use.
    pub model: i64,
    /// Whether the answer of another model, or to another framing or stretch, is not enough.
    pub reclassify: bool,
}

/// The rows of files, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Of files with an answer.
    pub classified: u64,
    /// Of rejected files.
    pub rejected: u64,
    /// The rejected ones by their kind of fault.
    pub by_reason: ByReason,
}

impl Reader {
    /// How a file stands that now is like this, and whose image is to be shown like this.
    ///
    /// Files that are gone keep their rows, and so does an image of which some files are gone: if nothing is new
    /// about the others, it is done.
    pub fn file_status(
        &self,
        path: &Path,
        now: &FileState,
        wanted: RequiredModel,
        picture: RequiredPicture,
    ) -> Result<FileStatus, CatalogError> {
        let FileState { stamp, changed, .. } = *now;
        let find = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT reason IS NOT NULL, bytes = ?2 AND modified = ?3 AND (?5 IS NULL OR ?5 <= updated),
                     retry IS NOT NULL,
                     ifnull(model = ?4, 0)
                         OR EXISTS (SELECT 1 FROM other_answer AS other
                                    WHERE other.digest = cutout.digest AND other.model = ?4
                                        AND other.rendering = cutout.rendering),
                     rendering, width, height, radius, stretch IS NOT NULL,
                     ?6 = 0 AND ?2 < bytes AND ?5 <= updated
                 FROM cutout WHERE path = ?1",
            )?;
            let values = params![
                path_text(path),
                sql_bytes(stamp.bytes),
                time::exact(stamp.modified),
                wanted.model,
                (changed <= SystemTime::now()).then(|| time::milliseconds(time::nearest(changed))),
                now.is_whole
            ];
            let found = statement.query_row(values, |row| {
                let answered = row.get(3)? && is_shown_as(picture, row)?;
                let (retry, has_lost_files): (bool, Option<bool>) = (row.get(2)?, row.get(9)?);
                let has_lost_files = has_lost_files.unwrap_or(false);
                Ok((row.get(0)?, row.get(1)?, retry, answered, has_lost_files))
            });
            let Some((rejected, unchanged, retry, answered, has_lost_files)) = found.optional()?
            else {
                return Ok(FileStatus::New);
            };
            if has_lost_files && !retry {
                return Ok(FileStatus::Done { rejected });
            }
            let reason = match (unchanged, rejected) {
                (false, _) => StaleReason::Changed,
                (true, _) if retry => StaleReason::Retry,
                (true, false) if !answered && wanted.reclassify => StaleReason::OtherAnswer,
                (true, _) => return Ok(FileStatus::Done { rejected }),
            };
            Ok(FileStatus::Stale { rejected, reason })
        };
        find().map_err(|error| fault(&self.path, "read", error))
    }

    /// Counts the rows of files.
    pub fn rows(&self) -> Result<Rows, CatalogError> {
        let work = || {
            let total = count(&self.connection, "SELECT count(*) FROM cutout", [])?;
            let by_reason = self
                .connection
                .prepare(
                    "SELECT reason, count(*) FROM cutout WHERE reason IS NOT NULL GROUP BY reason",
                )?
                .query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?
                .collect::<rusqlite::Result<ByReason>>()?;
            let rejected = by_reason.values().sum();
            Ok(Rows {
                classified: total - rejected,
                rejected,
                by_reason,
            })
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// How many answers the network gave in the last `period`, per second.
    pub fn rate(&self, period: Duration) -> Result<f64, CatalogError> {
        let since = time::in_sql(time::nearest(SystemTime::now() - period));
        let statement =
            format!("SELECT count(*) FROM cutout WHERE label IS NOT NULL AND {CLASSIFIED_AT} > ?1");
        let count = count(&self.connection, &statement, [since])
            .map_err(|error| fault(&self.path, "read", error))?;
        Ok(count as f64 / period.as_secs_f64())
    }

    /// The name of a model, the digest of its file, and the arithmetic of its network, where that is known.
    pub fn model(&self, id: i64) -> Result<(String, String, Option<String>), CatalogError> {
        let statement = "SELECT name, digest, arithmetic FROM model WHERE id = ?1";
        self.connection
            .query_row(statement, [id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(|error| fault(&self.path, "read", error))
    }
}

/// Whether a row is of an answer to the picture that is wanted, for an image of its size and an object of its radius.
fn is_shown_as(wanted: RequiredPicture, row: &Row) -> rusqlite::Result<bool> {
    let rendering: Option<String> = row.get(4)?;
    let (width, height): (Option<u32>, Option<u32>) = (row.get(5)?, row.get(6)?);
    // Every row of an answer has them, unless another program wrote it: then it is read again.
    let dimensions = width.zip(height);
    let rendering = rendering.as_deref();
    let (plan, stretched) = match rendering.and_then(|text| text.split_once(SEPARATOR)) {
        Some((plan, stretched)) => (Some(plan), Some(stretched)),
        None => (rendering, None),
    };
    // Other images than FITS have none.
    let is_fits: bool = row.get(8)?;
    if is_fits && stretched != wanted.rendering.key().as_deref() {
        return Ok(false);
    }
    let framing = wanted.framing.of_image(row.get(7)?, None);
    // Where the scale is the file's own, only reading the file tells it. Whoever changes the radius has it read.
    let may_be_by_radius = framing.radius.is_some()
        && framing.pixel_scale.is_none()
        && matches!(framing.framing, Framing::Auto | Framing::Radius);
    Ok(dimensions.is_some_and(|size| {
        plan == Some(&framing.plan(size).key())
            || (may_be_by_radius && plan.is_some_and(|plan| plan.starts_with("radius ")))
    }))
}

/// The number that a statement counts.
pub(crate) fn count(
    connection: &Connection,
    statement: &str,
    values: impl Params,
) -> rusqlite::Result<u64> {
    connection.query_row(statement, values, |row| unsigned(row, 0))
}

//! The way from an earlier version of the catalog to the present one, in place.
//!
//! Version 7 wrote all files and answers anew. For a catalog of ten million files that takes minutes, so it goes in steps of a
//! transaction each, and a stop or a kill loses no more than one step. The new tables are filled beside the old ones; the
//! views lead to the old ones until the last step, which puts the new ones in their place. Versions 8 and 9 change no row of a file,
//! and are one transaction: of its own for a catalog of version 7 or 8, else the last step.
//!
//! While it is on its way, a catalog has the present version's number, so that no earlier program writes to it,
//! and a table `migration` that says what it was and how far it is.

use galmorph_cutout::{FRAME_SIDE, Framing};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::healpix::cell;
use crate::model::fill_in_priors;
use crate::schema::{
    VERSION, add_columns_of_version_9, additions_of_version_7, additions_of_version_8,
    answer_columns, bring_to_version_5, file_tables, indexes, is_settling, make_views,
};

/// How many rows a step brings over.
const STEP: u32 = 4096;

/// The memory for pages while it lasts, in KiB: what indexes are made with.
const CACHE: i64 = 128 * 1024;

/// How many pages the write-ahead log grows by before they are moved into the catalog, while it lasts.
const LOG: u32 = 16_384;

/// What is put behind the names of the new tables.
const NEW: &str = "_7";

/// How every image was framed before there was a choice.
const PAPER: &str = Framing::Paper.as_str();

/// Is told what is being done, and says whether to go on.
pub type Supervisor<'a> = &'a mut dyn FnMut(&str) -> bool;

/// Whether a migration is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Complete,
    /// The supervisor stopped it. It goes on from there when it is called again.
    Stopped,
}

/// What a catalog was before its migration began, if one is on its way.
pub(crate) fn version_before(connection: &Connection) -> rusqlite::Result<Option<i32>> {
    let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'migration')";
    if !connection.query_row(is_there, [], |row| row.get(0))? {
        return Ok(None);
    }
    connection
        .query_row("SELECT version FROM migration", [], |row| row.get(0))
        .optional()
}

/// Brings a catalog of `version` up to date, or goes on with it.
pub(crate) fn migrate(
    connection: &Connection,
    version: i32,
    supervisor: Supervisor,
) -> rusqlite::Result<Ended> {
    if version >= 7 {
        let transaction = connection.unchecked_transaction()?;
        bring_up_to_date(&transaction, version)?;
        transaction.commit()?;
        return Ok(Ended::Complete);
    }
    match version_before(connection)? {
        None => begin(connection, version)?,
        Some(_) => take_over(connection)?,
    }
    connection.create_scalar_function(
        "healpix",
        2,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        |values| {
            let [ra, dec] = [values.get::<Option<f64>>(0)?, values.get(1)?];
            let is_position = |(ra, dec): &(f64, f64)| ra.is_finite() && dec.abs() <= 90.0;
            Ok(ra
                .zip(dec)
                .filter(is_position)
                .map(|(ra, dec)| cell(ra, dec)))
        },
    )?;
    // A step that is lost in a power failure is done again, so not each of them is waited for until it is on the disk.
    connection.execute_batch(&format!(
        "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = {LOG}; PRAGMA cache_size = -{CACHE};"
    ))?;
    let ended = go_on(connection, supervisor);
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -2000;",
    )?;
    if ended? == Ended::Stopped {
        return Ok(Ended::Stopped);
    }
    finish(connection)?;
    Ok(Ended::Complete)
}

fn begin(connection: &Connection, version: i32) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    if version < 6 {
        transaction.execute_batch(&bring_to_version_5(version))?;
    }
    transaction.execute_batch(&additions_of_version_7(version))?;
    transaction.execute_batch(&file_tables(NEW))?;
    transaction.execute_batch(
        "CREATE TABLE migration (
            version INTEGER NOT NULL,
            file INTEGER NOT NULL,
            digest TEXT NOT NULL,
            model INTEGER NOT NULL,
            rendering TEXT NOT NULL
        )",
    )?;
    transaction.execute(
        "INSERT INTO migration VALUES (?1, 0, '', 0, '')",
        [version.max(5)],
    )?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Goes on with a migration that an earlier program may have begun.
fn take_over(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    add_columns_of_version_9(&transaction, NEW)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Brings everything over, and makes the indexes.
fn go_on(connection: &Connection, supervisor: Supervisor) -> rusqlite::Result<Ended> {
    let old = Old::of(connection)?;
    let last: i64 = connection.query_row("SELECT ifnull(max(id), 0) FROM cutout", [], |row| {
        row.get(0)
    })?;
    let copy = old.copy_files();
    loop {
        let (place, end) = Old::next_files(connection)?;
        let Some(end) = end else { break };
        if !supervisor(&format!(
            "files, {}",
            share(place as f64 / last.max(1) as f64)
        )) {
            return Ok(Ended::Stopped);
        }
        let transaction = connection.unchecked_transaction()?;
        transaction.prepare_cached(&copy)?.execute([place, end])?;
        transaction.execute("UPDATE migration SET file = ?1", [end])?;
        transaction.commit()?;
    }
    for (name, definition) in indexes(NEW) {
        if !supervisor(&format!("index {name}")) {
            return Ok(Ended::Stopped);
        }
        let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)";
        if !connection.query_row(is_there, [name], |row| row.get(0))? {
            connection.execute_batch(&definition)?;
        }
    }
    let (range, copy) = (old.range_of_answers(), old.copy_answers());
    loop {
        let place = Place::read(connection)?;
        if !supervisor(&format!("other answers, {}", share(place.share()))) {
            return Ok(Ended::Stopped);
        }
        let Some(end) = place.end(connection, &range)? else {
            break;
        };
        let transaction = connection.unchecked_transaction()?;
        transaction.prepare_cached(&copy)?.execute(params![
            place.digest,
            place.model,
            place.rendering,
            end.digest,
            end.model,
            end.rendering
        ])?;
        end.write(&transaction)?;
        transaction.commit()?;
    }
    if !supervisor("the old tables are removed") {
        return Ok(Ended::Stopped);
    }
    Ok(Ended::Complete)
}

fn share(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Puts the new tables in the place of the old ones.
fn finish(connection: &Connection) -> rusqlite::Result<()> {
    // Views that others made of the old tables are theirs to mend; they must not be in the way.
    connection.pragma_update(None, "legacy_alter_table", true)?;
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(&format!(
        "DROP VIEW IF EXISTS catalog;
         DROP VIEW IF EXISTS probability;
         DROP TABLE cutout;
         DROP TABLE classification;
         DROP TABLE migration;
         ALTER TABLE cutout{NEW} RENAME TO cutout;
         ALTER TABLE other_answer{NEW} RENAME TO other_answer;"
    ))?;
    bring_up_to_date(&transaction, 7)?;
    transaction.commit()?;
    connection.pragma_update(None, "legacy_alter_table", false)
}

/// Brings a catalog with the tables of version 7 or 8 to the present version.
fn bring_up_to_date(connection: &Connection, version: i32) -> rusqlite::Result<()> {
    if version < 8 {
        connection.execute_batch(&additions_of_version_8())?;
        fill_in_priors(connection)?;
    }
    add_columns_of_version_9(connection, "")?;
    connection.execute_batch(&make_views(is_settling(connection)?))?;
    connection.pragma_update(None, "user_version", VERSION)
}

/// A place in the old answers, in the order of their key.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    digest: String,
    model: i64,
    rendering: String,
}

impl Place {
    fn of(row: &rusqlite::Row) -> rusqlite::Result<Self> {
        Ok(Self {
            digest: row.get(0)?,
            model: row.get(1)?,
            rendering: row.get(2)?,
        })
    }

    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let statement = "SELECT digest, model, rendering FROM migration";
        connection.query_row(statement, [], Self::of)
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<usize> {
        connection.execute(
            "UPDATE migration SET digest = ?1, model = ?2, rendering = ?3",
            params![self.digest, self.model, self.rendering],
        )
    }

    /// Where the step from here ends; `None` if nothing follows.
    fn end(&self, connection: &Connection, range: &str) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached(range)?
            .query_row(params![self.digest, self.model, self.rendering], Self::of)
            .optional()
    }

    /// How much of the answers lies before it: digests are spread evenly.
    fn share(&self) -> f64 {
        let digits = self.digest.get(..4).unwrap_or_default();
        u32::from_str_radix(digits, 16).map_or(0.0, |number| f64::from(number) / 65536.0)
    }
}

/// The tables of version 5 or 6.
struct Old {
    has_renderings: bool,
}

impl Old {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let version: i32 =
            connection.query_row("SELECT version FROM migration", [], |row| row.get(0))?;
        Ok(Self {
            has_renderings: version == 6,
        })
    }

    /// The row of the last file that was brought over, and that of the last one of the next step.
    fn next_files(connection: &Connection) -> rusqlite::Result<(i64, Option<i64>)> {
        let statement = format!(
            "SELECT file, (SELECT max(id) FROM (SELECT id FROM cutout WHERE id > file ORDER BY id LIMIT {STEP}))
             FROM migration"
        );
        connection
            .prepare_cached(&statement)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The key of the old answers.
    fn key(&self) -> String {
        let rendering = if self.has_renderings {
            "rendering".to_owned()
        } else {
            format!("'{PAPER}'")
        };
        format!("digest, model, {rendering}")
    }

    /// What the columns of an answer are made of, from `answer`, a row of the old table. `size` is a row that has the
    /// image's width and height.
    fn answer(&self, size: &str, rendering: &str) -> Vec<String> {
        let since_version_6 = |column: &str, before: String| {
            if self.has_renderings {
                format!("answer.{column}")
            } else {
                format!("iif(answer.digest IS NULL, NULL, {before})")
            }
        };
        let value = |column: String| match &*column {
            "classified" => milliseconds("answer.classified_at"),
            "rendering" => rendering.to_owned(),
            "framing" => since_version_6("framing", format!("'{PAPER}'")),
            "frame_x" => since_version_6("frame_x", format!("{size}.width / 2.0")),
            "frame_y" => since_version_6("frame_y", format!("{size}.height / 2.0")),
            "frame_side" => since_version_6("frame_side", FRAME_SIDE.to_string()),
            "flags" | "stretch" => since_version_6(&column, "NULL".into()),
            "program_version" | "novelty" | "prediction_set" | "camera" => "NULL".into(),
            other => format!("answer.{other}"),
        };
        answer_columns().into_iter().map(value).collect()
    }

    /// Brings over the files between two rows, each with the answer that the old view shows. A file without the
    /// answer that its row speaks of is left out: it is a new file then, and is classified again.
    fn copy_files(&self) -> String {
        let columns = answer_columns().join(", ");
        let (rendering, identity, best) = if self.has_renderings {
            (
                // Of a rejected file, the row says how it was to be shown.
                "ifnull(answer.rendering, cutout.rendering)".to_owned(),
                "cutout.position_from, cutout.radius",
                "(answer.model, answer.rendering) =
                    (SELECT best.model, best.rendering
                     FROM (SELECT one.model, one.rendering, one.classified_at,
                               one.rendering = cutout.rendering AS is_as_wanted
                           FROM classification AS one WHERE one.digest = cutout.digest) AS best
                     ORDER BY best.is_as_wanted DESC, best.model = (SELECT watch.model FROM watch) DESC,
                         best.model DESC, best.classified_at DESC LIMIT 1)",
            )
        } else {
            (
                format!("iif(answer.digest IS NULL, NULL, '{PAPER}')"),
                "NULL, NULL",
                "answer.model =
                    (SELECT best.model FROM classification AS best WHERE best.digest = cutout.digest
                     ORDER BY best.model = (SELECT watch.model FROM watch) DESC, best.model DESC LIMIT 1)",
            )
        };
        let answer = self.answer("cutout", &rendering).join(", ");
        let times = ["first_seen", "updated", "retry"];
        let [first_seen, updated, retry] =
            times.map(|time| milliseconds(&format!("cutout.{time}")));
        let modified = nanoseconds("cutout.modified");
        format!(
            "INSERT INTO cutout{NEW}
                 (id, path, object_id, ra, dec, {columns}, position_from, radius, healpix, digest, bytes, modified,
                  width, height, reason, message, attempts, first_seen, updated, retry, move_to)
             SELECT cutout.id, cutout.path, cutout.object_id, cutout.ra, cutout.dec, {answer}, {identity},
                 healpix(cutout.ra, cutout.dec), unhex(cutout.digest), cutout.bytes, {modified}, cutout.width, cutout.height,
                 iif(instr(cutout.reason, ':') > 0, substr(cutout.reason, 1, instr(cutout.reason, ':') - 1),
                     cutout.reason),
                 iif(instr(cutout.reason, ':') > 0,
                     ltrim(substr(cutout.reason, instr(cutout.reason, ':') + 1)), NULL),
                 cutout.attempts, ifnull({first_seen}, 0), ifnull({updated}, 0), {retry}, cutout.move_to
             FROM cutout LEFT JOIN classification AS answer
                 ON cutout.state = 'classified' AND answer.digest = cutout.digest AND {best}
             WHERE cutout.id > ?1 AND cutout.id <= ?2
                 AND (cutout.state = 'rejected'
                      OR (answer.digest IS NOT NULL AND unhex(cutout.digest) IS NOT NULL))"
        )
    }

    /// Where a step in the old answers ends.
    fn range_of_answers(&self) -> String {
        let key = self.key();
        format!(
            "SELECT * FROM (SELECT {key} FROM classification WHERE ({key}) > (?1, ?2, ?3)
                            ORDER BY {key} LIMIT {STEP})
             ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 1"
        )
    }

    /// Brings over the answers between two places, but for those that all files of their content show.
    fn copy_answers(&self) -> String {
        let columns = answer_columns().join(", ");
        let key = self.key();
        let rendering = if self.has_renderings {
            "answer.rendering".to_owned()
        } else {
            format!("'{PAPER}'")
        };
        let answer = self.answer("size", &rendering).join(", ");
        format!(
            "INSERT OR IGNORE INTO other_answer{NEW} (digest, {columns})
             SELECT unhex(answer.digest), {answer}
             FROM classification AS answer
             LEFT JOIN cutout{NEW} AS size ON size.id =
                 (SELECT min(same.id) FROM cutout{NEW} AS same
                  WHERE substr(same.digest, 1, 8) = substr(unhex(answer.digest), 1, 8)
                      AND same.digest = unhex(answer.digest) AND same.label IS NOT NULL)
             WHERE (answer.{key}) > (?1, ?2, ?3) AND (answer.{key}) <= (?4, ?5, ?6)
                 AND unhex(answer.digest) IS NOT NULL
                 AND NOT ifnull(
                     (SELECT min(shown.model = answer.model AND shown.rendering = {rendering})
                      FROM cutout{NEW} AS shown
                      WHERE substr(shown.digest, 1, 8) = substr(unhex(answer.digest), 1, 8)
                          AND shown.digest = unhex(answer.digest) AND shown.label IS NOT NULL), 0)",
            key = key.replace(", ", ", answer.").replace("answer.'", "'"),
        )
    }
}

/// A time that was written as text, in milliseconds since 1970; NULL for what is none.
fn milliseconds(column: &str) -> String {
    format!(
        "(CAST(strftime('%s', {column}) AS INTEGER) * 1000 + CAST(substr({column}, 21, 3) AS INTEGER))"
    )
}

/// The same in nanoseconds; the text, where they are too many for 64 bits.
fn nanoseconds(column: &str) -> String {
    let most = i64::MAX / 1_000_000_000 - 1;
    format!(
        "iif(CAST(strftime('%s', substr({column}, 1, 19)) AS INTEGER) BETWEEN {} AND {most},
            CAST(strftime('%s', substr({column}, 1, 19)) AS INTEGER) * 1000000000
                + CAST(substr({column}, 21, 9) AS INTEGER),
            {column})",
        -most
    )
}

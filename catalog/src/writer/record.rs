//! What became of a file, and how that is written down.

use std::path::PathBuf;
use std::sync::LazyLock;

use blake3::Hash;
use galmorph_cutout::{
    Identity, Plan, PredictionSet, Probabilities, RejectReason, Rendering, Shown, shortest,
};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::identity::{IDENTITY, identity_values};
use crate::schema::answer_columns;
use crate::{Stamp, time};
use galmorph_output::{path_text, readable};

/// A file and what became of it: a row of `cutout`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The file's path. Of an image whose bands lie in files of their own, that of the first band's file.
    pub path: PathBuf,
    /// The files of its other bands, where they may be. A row of their own that they once had ends.
    pub parts: Vec<PathBuf>,
    /// Its size and time when it was read.
    pub stamp: Stamp,
    /// The digest of its content; `None` for a file that was too large to read.
    pub digest: Option<Hash>,
    /// Width and height in pixels, of an image that could be decoded.
    pub dimensions: Option<(u32, u32)>,
    /// How it is to be shown to the network: the key of a plan, and behind a semicolon how FITS images are
    /// rendered, unless that is chosen by the file; `None` for a file that was rejected before that
    /// was known. Of one content and one model, there is one answer for each.
    pub rendering: Option<String>,
    /// How it was shown, if the network saw it.
    pub shown: Option<Shown>,
    /// The stretch that made a picture of it, if it is a FITS image that the network saw.
    pub stretch: Option<String>,
    /// How unlike the training images it is, if the model says so.
    pub novelty: Option<f32>,
    /// The classes that are not ruled out, if the model says so.
    pub prediction_set: Option<PredictionSet>,
    /// How far its features lie from what the training images span, as a rank among the model's held-out galaxies of the label, 0
    /// to 1, if the model says so.
    pub camera: Option<f32>,
    /// Which object it shows.
    pub identity: Identity,
    /// How often it was tried, this time included.
    pub attempts: u32,
    /// When it was found.
    pub first_seen: Timestamp,
    /// What became of it.
    pub verdict: Verdict,
}

impl Entry {
    /// The entry of a file before it is read. Its verdict is right if the catalog has the answer.
    pub fn blank(path: PathBuf, stamp: Stamp, identity: Identity, first_seen: Timestamp) -> Self {
        Self {
            path,
            parts: Vec::new(),
            stamp,
            digest: None,
            dimensions: None,
            rendering: None,
            shown: None,
            stretch: None,
            novelty: None,
            prediction_set: None,
            camera: None,
            identity,
            attempts: 1,
            first_seen,
            verdict: Verdict::Known,
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The network's answer.
    Classified(Probabilities),
    /// The catalog has the network's answer for the same content.
    Known,
    /// It is not one that we classify.
    Rejected {
        /// Why.
        reason: RejectReason,
        /// The fault, for people.
        message: String,
    },
}

impl Verdict {
    /// A rejection; a message of several lines becomes one.
    pub fn rejected(reason: RejectReason, message: &str) -> Self {
        let words: Vec<&str> = message.split_whitespace().collect();
        Self::Rejected {
            reason,
            message: words.join(" "),
        }
    }

    fn reason(&self) -> (Option<&'static str>, Option<&str>) {
        match self {
            Self::Rejected { reason, message } => (Some(reason.as_str()), Some(message)),
            _ => (None, None),
        }
    }
}

/// The row of a file that was classified or rejected, for programs that keep it elsewhere: the values of
/// [`file_columns`](crate::file_columns). It has no id, and `model` is the number of the model there.
pub fn new_row(entry: &Entry, model: i64, now: Timestamp) -> Vec<Value> {
    let mut values = vec![Value::Null];
    values.extend(file_values(entry, now));
    match (&entry.verdict, &entry.digest, &entry.rendering) {
        (Verdict::Classified(answer), Some(digest), Some(rendering)) => {
            let key = Key {
                digest,
                model,
                rendering,
            };
            values.extend(answer_values(entry, answer, &key, now));
        }
        (Verdict::Rejected { .. }, ..) => values.extend(no_answer(entry)),
        _ => unreachable!("an image that was classified was read and framed"),
    }
    values
}

/// The columns of an answer that there is none of.
fn no_answer(entry: &Entry) -> Vec<Value> {
    let columns = answer_columns().into_iter();
    let value = |column: String| match &*column {
        "rendering" => entry.rendering.clone().into(),
        _ => Value::Null,
    };
    columns.map(value).collect()
}

/// Writes one entry down, as of now.
pub(crate) fn write(
    connection: &Connection,
    model: i64,
    entry: &Entry,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let key = match (&entry.verdict, &entry.digest, &entry.rendering) {
        (Verdict::Rejected { .. }, ..) => None,
        (_, Some(digest), Some(rendering)) => Some(Key {
            digest,
            model,
            rendering,
        }),
        _ => unreachable!("an image that the network saw was read and framed"),
    };
    let path = path_text(&entry.path);
    let mut values = file_values(entry, now);
    match (&entry.verdict, &key) {
        (Verdict::Classified(answer), Some(key)) => {
            let known = find_answer(connection, key)?;
            values.extend(known.unwrap_or_else(|| answer_values(entry, answer, key, now)));
        }
        (Verdict::Known, Some(key)) => {
            let Some(known) = find_answer(connection, key)? else {
                // Only another program can have taken it away meanwhile.
                log::warn!(
                    "the answer for '{}' is gone from the catalog; the next scan takes the file again",
                    readable(&entry.path)
                );
                return Ok(());
            };
            values.extend(known);
        }
        _ => values.extend(no_answer(entry)),
    }
    place(connection, &path, key.as_ref(), values)?;
    for part in &entry.parts {
        let part = path_text(part);
        keep_answer(connection, &part, None)?;
        connection
            .prepare_cached("DELETE FROM cutout WHERE path = ?1")?
            .execute([part])?;
    }
    Ok(())
}

/// Writes down a row of another catalog. `values` are those of [`row_columns`]; the model is one of this catalog.
pub(crate) fn take_row(connection: &Connection, mut values: Vec<Value>) -> rusqlite::Result<()> {
    let columns = row_columns();
    let at = |name: &str| {
        let mut columns = columns.iter();
        columns
            .position(|column| column == name)
            .expect("a row has this column")
    };
    let Value::Text(path) = values[at("path")].clone() else {
        unreachable!("a path is text, and not NULL")
    };
    let (Value::Text(_), Value::Blob(digest), Value::Integer(model), Value::Text(rendering)) = (
        &values[at("label")],
        values[at("digest")].clone(),
        values[at("model")].clone(),
        values[at("rendering")].clone(),
    ) else {
        return place(connection, &path, None, values);
    };
    let digest: [u8; 32] = digest.try_into().map_err(|_| {
        rusqlite::Error::ToSqlConversionFailure(format!("the digest of '{path}' is none").into())
    })?;
    let key = Key {
        digest: &Hash::from_bytes(digest),
        model,
        rendering: &rendering,
    };
    if let Some(known) = find_answer(connection, &key)? {
        values.truncate(columns.len() - known.len());
        values.extend(known);
    }
    place(connection, &path, Some(&key), values)
}

/// Puts a row in its place. What was there is kept where the rule of the schema says so.
fn place(
    connection: &Connection,
    path: &str,
    key: Option<&Key>,
    values: Vec<Value>,
) -> rusqlite::Result<()> {
    keep_answer(connection, path, key)?;
    connection
        .prepare_cached(&UPSERT)?
        .execute(params_from_iter(values))?;
    key.map_or(Ok(()), |key| share_answer(connection, path, key))
}

/// What an answer is found by.
struct Key<'a> {
    digest: &'a Hash,
    model: i64,
    rendering: &'a str,
}

/// If another file of the same content shows another answer, each is an answer for the other file, too: then
/// `other_answer` gets both. Where three files differ, the first two of them had theirs kept before. So it is enough to
/// look at one, however many there are.
fn share_answer(connection: &Connection, path: &str, key: &Key) -> rusqlite::Result<()> {
    let values = params![path, key.digest.as_bytes(), key.model, key.rendering];
    let kept = connection.prepare_cached(&SHARE)?.execute(values)?;
    if kept > 0 {
        let own = "path = ?1 AND digest = ?2 AND model = ?3 AND rendering = ?4";
        connection
            .prepare_cached(&keep_where(own))?
            .execute(values)?;
    }
    Ok(())
}

/// The answer that a file's row shows is kept when another one, or none, takes its place.
fn keep_answer(connection: &Connection, path: &str, next: Option<&Key>) -> rusqlite::Result<()> {
    let next = next.map(|key| (key.digest.as_bytes(), key.model, key.rendering));
    let (digest, model, rendering) = match next {
        Some((digest, model, rendering)) => (Some(digest), Some(model), Some(rendering)),
        None => (None, None, None),
    };
    connection
        .prepare_cached(&KEEP)?
        .execute(params![path, digest, model, rendering])
        .map(drop)
}

/// The columns of the answer that there is for a content, if there is one: if one of its files shows it, all do, or
/// it is in `other_answer`.
fn find_answer(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Vec<Value>>> {
    let key = params![key.digest.as_bytes(), key.model, key.rendering];
    let columns = answer_columns().len();
    connection
        .prepare_cached(&FIND)?
        .query_row(key, |row| {
            (0..columns).map(|column| row.get(column)).collect()
        })
        .optional()
}

/// The columns of `cutout` that a verdict writes, besides those of the identity and of the answer.
const FILE: [&str; 11] = [
    "path",
    "digest",
    "bytes",
    "modified",
    "width",
    "height",
    "reason",
    "message",
    "attempts",
    "first_seen",
    "updated",
];

/// The columns of `cutout` that a row is written with, in their order: those of the answer come last.
pub(crate) fn row_columns() -> Vec<String> {
    let mut columns: Vec<String> = FILE.map(str::to_owned).into();
    columns.extend(IDENTITY.map(str::to_owned));
    columns.extend(answer_columns());
    columns
}

static UPSERT: LazyLock<String> = LazyLock::new(|| {
    let columns = row_columns();
    let places: Vec<String> = (1..=columns.len())
        .map(|number| format!("?{number}"))
        .collect();
    let changes = columns
        .iter()
        .filter(|column| !matches!(&***column, "path" | "first_seen"));
    let changes: Vec<String> = changes
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    format!(
        "INSERT INTO cutout ({}) VALUES ({})
         ON CONFLICT (path) DO UPDATE SET {}, move_to = NULL, retry = NULL",
        columns.join(", "),
        places.join(", "),
        changes.join(", ")
    )
});

static KEEP: LazyLock<String> = LazyLock::new(|| {
    keep_where(
        "path = ?1 AND label IS NOT NULL AND NOT (digest IS ?2 AND model IS ?3 AND rendering IS ?4)",
    )
});

/// Keeps the answer of one other file of the content. It counts as kept if it was there already.
static SHARE: LazyLock<String> = LazyLock::new(|| {
    let columns = answer_columns().join(", ");
    format!(
        "INSERT INTO other_answer (digest, {columns})
         SELECT digest, {columns}
         FROM (SELECT digest, {columns} FROM cutout
               WHERE substr(digest, 1, 8) = substr(?2, 1, 8) AND digest = ?2 AND label IS NOT NULL AND path <> ?1
               LIMIT 1)
         WHERE model <> ?3 OR rendering <> ?4
         ON CONFLICT DO UPDATE SET label = excluded.label"
    )
});

static FIND: LazyLock<String> = LazyLock::new(|| {
    let columns = answer_columns().join(", ");
    format!(
        "SELECT {columns}
         FROM (SELECT {columns} FROM cutout
               WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 AND label IS NOT NULL LIMIT 1)
         WHERE model = ?2 AND rendering = ?3
         UNION ALL
         SELECT {columns} FROM other_answer WHERE digest = ?1 AND model = ?2 AND rendering = ?3
         LIMIT 1"
    )
});

/// A statement that keeps the answers that some rows of `cutout` show.
fn keep_where(condition: &str) -> String {
    let columns = answer_columns().join(", ");
    format!(
        "INSERT OR IGNORE INTO other_answer (digest, {columns})
         SELECT digest, {columns} FROM cutout WHERE {condition}"
    )
}

/// The values of [`FILE`] and of [`IDENTITY`].
fn file_values(entry: &Entry, now: Timestamp) -> Vec<Value> {
    let (width, height) = entry.dimensions.unzip();
    let (reason, message) = entry.verdict.reason();
    let mut values = vec![
        path_text(&entry.path).into(),
        entry.digest.map(|digest| digest.as_bytes().to_vec()).into(),
        sql_bytes(entry.stamp.bytes).into(),
        time::exact(entry.stamp.modified),
        width.into(),
        height.into(),
        reason.map(str::to_owned).into(),
        message.map(str::to_owned).into(),
        entry.attempts.into(),
        time::milliseconds(entry.first_seen).into(),
        time::milliseconds(now).into(),
    ];
    values.extend(identity_values(&entry.identity));
    values
}

/// The values of the columns of a new answer.
fn answer_values(entry: &Entry, answer: &Probabilities, key: &Key, now: Timestamp) -> Vec<Value> {
    let shown = entry.shown.as_ref();
    let place = |coordinate: fn(&Shown) -> f64| shown.map(|shown| length(coordinate(shown))).into();
    let mut values: Vec<Value> = vec![
        answer.label().name().to_owned().into(),
        shortest(answer.confidence()).into(),
    ];
    values.extend(answer.as_written().map(Value::from));
    values.extend([
        shortest(answer.entropy()).into(),
        key.model.into(),
        key.rendering.to_owned().into(),
        time::milliseconds(now).into(),
        shown
            .map(|shown| shown.frame.framing.as_str().to_owned())
            .into(),
        place(|shown| shown.frame.x),
        place(|shown| shown.frame.y),
        place(|shown| shown.frame.side),
        shown.map(|shown| shown.flags.to_string()).into(),
        entry.stretch.clone().into(),
        env!("CARGO_PKG_VERSION").to_owned().into(),
        entry.novelty.map(shortest).into(),
        entry.prediction_set.map(|set| set.to_string()).into(),
        entry.camera.map(shortest).into(),
    ]);
    values
}

/// What lies between the parts of [`Entry::rendering`].
pub(crate) const SEPARATOR: &str = "; ";

/// [`Entry::rendering`] of an image that is framed like this, in whose folder FITS images are shown like that.
pub fn rendering_key(plan: Plan, fits: Option<&Rendering>) -> String {
    match fits.and_then(Rendering::key) {
        Some(rendering) => format!("{}{SEPARATOR}{rendering}", plan.key()),
        None => plan.key(),
    }
}

/// A length in pixels to a hundredth: more digits say nothing.
pub fn length(pixels: f64) -> f64 {
    (pixels * 100.0).round() / 100.0
}

/// A size as SQLite stores it. No file system has files beyond 2^63 bytes.
pub(crate) fn sql_bytes(bytes: u64) -> i64 {
    i64::try_from(bytes).expect("no file has 2^63 bytes or more")
}

/// A number of a row that is never negative, unless another program wrote the row.
pub(crate) fn unsigned(row: &Row, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

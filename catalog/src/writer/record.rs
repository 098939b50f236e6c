//! What became of a file, and how that is written down.

use std::path::PathBuf;

use blake3::Hash;
use galmorph_cutout::{Probabilities, RejectReason, Shown};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::schema::probability_columns;
use crate::{ModelInUse, Stamp, time};
use galmorph_output::path_text;

/// A file and what became of it: one row of `cutout`, and perhaps one of `classification`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The file's path.
    pub path: PathBuf,
    /// Its size and time when it was read.
    pub stamp: Stamp,
    /// The digest of its content; `None` for a file that was too large to read.
    pub digest: Option<Hash>,
    /// Width and height in pixels, of an image that could be decoded.
    pub dimensions: Option<(u32, u32)>,
    /// How it is to be shown to the network: the key of a plan, and behind a [`SEPARATOR`] how FITS images are
    /// rendered, unless that is chosen by the file; `None` for a file that was rejected before that
    /// was known. Of one content and one model, there is one answer for each.
    pub rendering: Option<String>,
    /// How it was shown, if the network saw it.
    pub shown: Option<Shown>,
    /// The stretch that made a picture of it, if it is a FITS image that the network saw.
    pub stretch: Option<String>,
    /// Which object it shows.
    pub object_id: String,
    /// How often it was tried, this time included.
    pub attempts: u32,
    /// When it was found.
    pub first_seen: Timestamp,
    /// What became of it.
    pub verdict: Verdict,
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

    fn state(&self) -> &'static str {
        match self {
            Self::Classified(_) | Self::Known => "classified",
            Self::Rejected { .. } => "rejected",
        }
    }

    fn reason(&self) -> Option<String> {
        match self {
            Self::Rejected { reason, message } => Some(format!("{reason}: {message}")),
            _ => None,
        }
    }
}

/// The row of the model in use, made when this catalog meets it for the first time. Later starts only
/// read, so that they needn't wait while the catalog is locked.
pub(super) fn model_id(connection: &Connection, model: &ModelInUse) -> rusqlite::Result<i64> {
    let digest = model.digest.to_hex();
    let digest = digest.as_str();
    let find = || {
        let statement = "SELECT id FROM model WHERE digest = ?1 AND card = ?2";
        connection.query_row(statement, params![digest, model.card], |row| row.get(0))
    };
    if let Some(id) = find().optional()? {
        return Ok(id);
    }
    connection.execute(
        "INSERT INTO model (name, digest, card, first_used) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (digest, card) DO NOTHING",
        params![model.name, digest, model.card, time::now()],
    )?;
    find()
}

/// Writes one entry down.
pub(super) fn write(transaction: &Transaction, model: i64, entry: &Entry) -> rusqlite::Result<()> {
    let now = time::now();
    let digest = entry.digest.map(|digest| digest.to_hex());
    if let (Verdict::Classified(answer), Some(digest), Some(rendering)) =
        (&entry.verdict, &digest, &entry.rendering)
    {
        let key = (&**digest, model, &**rendering);
        let shown = (entry.shown.as_ref(), entry.stretch.as_deref());
        write_answer(transaction, key, answer, shown, &now)?;
    }
    let (width, height) = entry.dimensions.unzip();
    transaction
        .prepare_cached(
            "INSERT INTO cutout (path, digest, bytes, modified, width, height, object_id, state, reason,
                                 attempts, first_seen, updated, rendering)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (path) DO UPDATE SET
                 digest = excluded.digest, bytes = excluded.bytes, modified = excluded.modified,
                 width = excluded.width, height = excluded.height, object_id = excluded.object_id,
                 state = excluded.state, reason = excluded.reason, attempts = excluded.attempts,
                 updated = excluded.updated, rendering = excluded.rendering,
                 move_to = NULL, retry = NULL",
        )?
        .execute(params![
            path_text(&entry.path),
            digest.as_deref(),
            sql_bytes(entry.stamp.bytes),
            time::exact(entry.stamp.modified),
            width,
            height,
            entry.object_id,
            entry.verdict.state(),
            entry.verdict.reason(),
            entry.attempts,
            time::to_millisecond(entry.first_seen),
            now,
            entry.rendering,
        ])?;
    Ok(())
}

fn write_answer(
    transaction: &Transaction,
    (digest, model, rendering): (&str, i64, &str),
    answer: &Probabilities,
    (shown, stretch): (Option<&Shown>, Option<&str>),
    now: &str,
) -> rusqlite::Result<()> {
    let columns = probability_columns().join(", ");
    let [round, in_between, cigar, edge_on, spiral] = answer.values().map(shortest);
    transaction
        .prepare_cached(&format!(
            "INSERT INTO classification
                 (digest, model, label, confidence, entropy, classified_at, {columns},
                  rendering, framing, frame_x, frame_y, frame_side, flags, stretch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
             ON CONFLICT (digest, model, rendering) DO NOTHING"
        ))?
        .execute(params![
            digest,
            model,
            answer.label().name(),
            shortest(answer.confidence()),
            shortest(answer.entropy()),
            now,
            round,
            in_between,
            cigar,
            edge_on,
            spiral,
            rendering,
            shown.map(|shown| shown.frame.framing.as_str()),
            shown.map(|shown| length(shown.frame.x)),
            shown.map(|shown| length(shown.frame.y)),
            shown.map(|shown| length(shown.frame.side)),
            shown.map(|shown| shown.flags.to_string()),
            stretch,
        ])?;
    Ok(())
}

/// What lies between the parts of [`Entry::rendering`].
pub const SEPARATOR: &str = "; ";

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

/// The double that reads as the float does: 0.3, where a cast would give 0.30000001192092896.
pub fn shortest(value: f32) -> f64 {
    value
        .to_string()
        .parse()
        .expect("what Rust prints for a float is a number")
}

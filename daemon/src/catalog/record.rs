//! What became of a file, and how that is written down.

use galmorph_cutout::{ModelCard, Probabilities, RejectReason};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::schema::probability_columns;
use crate::clock;

/// A file and what became of it: one row of `cutout`, and perhaps one of `classification`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The file's path, as text.
    pub(crate) path: String,
    /// The BLAKE3 digest of its content in lower-case hexadecimal; none if it was too large to read.
    pub(crate) digest: Option<String>,
    /// Its size.
    pub(crate) bytes: u64,
    /// When it was last modified, as [`clock::exact`] writes it.
    pub(crate) modified: String,
    /// Width and height in pixels, of an image that could be decoded.
    pub(crate) dimensions: Option<(u32, u32)>,
    /// Which object it shows.
    pub(crate) object_id: String,
    /// How often it was tried, this time included.
    pub(crate) attempts: u32,
    /// When it was found.
    pub(crate) first_seen: String,
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// Where it is about to be moved, as text.
    pub(crate) move_to: Option<String>,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The network's answer.
    Classified(Probabilities),
    /// The catalog has the network's answer for the same content.
    Known,
    /// It is not one that we classify.
    Rejected {
        /// The kind of fault.
        kind: RejectReason,
        /// The fault, for people.
        message: String,
    },
}

impl Verdict {
    /// A rejection; a message of several lines becomes one.
    pub(crate) fn rejected(kind: RejectReason, message: &str) -> Self {
        let words: Vec<&str> = message.split_whitespace().collect();
        Self::Rejected {
            kind,
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
            Self::Rejected { kind, message } => Some(format!("{kind}: {message}")),
            _ => None,
        }
    }
}

/// The row of the model in use, made when this catalog meets it for the first time. Later starts only
/// read, so that they needn't wait for whoever has the catalog locked.
pub(super) fn model_id(
    connection: &Connection,
    digest: &str,
    card: &ModelCard,
    json: &str,
) -> rusqlite::Result<i64> {
    let find = || {
        let statement = "SELECT id FROM model WHERE digest = ?1 AND card = ?2";
        connection.query_row(statement, params![digest, json], |row| row.get(0))
    };
    if let Some(id) = find().optional()? {
        return Ok(id);
    }
    connection.execute(
        "INSERT INTO model (name, digest, card, first_used) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (digest, card) DO NOTHING",
        params![card.name, digest, json, clock::now()],
    )?;
    find()
}

/// Writes one entry down.
pub(super) fn write(transaction: &Transaction, model: i64, entry: &Entry) -> rusqlite::Result<()> {
    let now = clock::now();
    if let (Verdict::Classified(answer), Some(digest)) = (&entry.verdict, &entry.digest) {
        write_answer(transaction, model, digest, answer, &now)?;
    }
    let (width, height) = entry.dimensions.unzip();
    transaction
        .prepare_cached(
            "INSERT INTO cutout (path, digest, bytes, modified, width, height, object_id, state, reason,
                                 attempts, first_seen, updated, move_to)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (path) DO UPDATE SET
                 digest = excluded.digest, bytes = excluded.bytes, modified = excluded.modified,
                 width = excluded.width, height = excluded.height, object_id = excluded.object_id,
                 state = excluded.state, reason = excluded.reason, attempts = excluded.attempts,
                 updated = excluded.updated, move_to = excluded.move_to, retry = NULL",
        )?
        .execute(params![
            entry.path,
            entry.digest,
            i64::try_from(entry.bytes).unwrap_or(i64::MAX),
            entry.modified,
            width,
            height,
            entry.object_id,
            entry.verdict.state(),
            entry.verdict.reason(),
            entry.attempts,
            entry.first_seen,
            now,
            entry.move_to,
        ])?;
    Ok(())
}

fn write_answer(
    transaction: &Transaction,
    model: i64,
    digest: &str,
    answer: &Probabilities,
    now: &str,
) -> rusqlite::Result<()> {
    let columns = probability_columns().join(", ");
    let [round, in_between, cigar, edge_on, spiral] = answer.values().map(shortest);
    transaction
        .prepare_cached(&format!(
            "INSERT INTO classification
                 (digest, model, label, confidence, entropy, classified_at, {columns})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (digest, model) DO NOTHING"
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
            spiral
        ])?;
    Ok(())
}

/// The double that reads as the float does: 0.3, where a cast would give 0.30000001192092896.
pub(crate) fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

//! What people say of images.
//!
//! Like [`retry`](crate::retry()), this is written by another program than the daemon: one row in one short
//! transaction. Nothing is overwritten. Of a reviewer, the newest row for a content counts, and a row without a label
//! takes the word back. A word is about the content, so it holds for every file of it, and stays when a file is moved.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use blake3::Hash;
use galmorph_cutout::Morphology;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use crate::connect::{
    BUSY_TIMEOUT, check_version, no_catalog, require_current, require_one_name, require_regular,
};
use crate::error::{fault, opening_fault};
use crate::{CatalogError, Reader, time};

/// The name of a galaxy that is of none of the classes.
const NONE: &str = "none";

/// What a person says that an image shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// A class.
    Class(Morphology),
    /// None of the classes.
    NoneOfThese,
}

impl Judgement {
    /// The name in the catalog.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class(class) => class.name(),
            Self::NoneOfThese => NONE,
        }
    }

    /// The class, if it is one.
    pub const fn class(self) -> Option<Morphology> {
        match self {
            Self::Class(class) => Some(class),
            Self::NoneOfThese => None,
        }
    }
}

impl FromStr for Judgement {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            NONE => Ok(Self::NoneOfThese),
            name => name.parse().map(Self::Class).map_err(|_| ()),
        }
    }
}

/// A word to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReview {
    /// The digest of the content that it is about.
    pub digest: Hash,
    /// Who says it.
    pub reviewer: String,
    /// What is said; `None` takes the last word back.
    pub judgement: Option<Judgement>,
    /// The queue in which the image was shown, if it was one.
    pub queue: Option<String>,
    /// What else is to be said.
    pub note: Option<String>,
}

/// A word that counts: the newest of a reviewer for a content.
#[derive(Debug, Clone, PartialEq)]
pub struct Reviewed {
    /// Who said it.
    pub reviewer: String,
    /// What was said; `None` if it was taken back.
    pub judgement: Option<Judgement>,
    /// What else was said.
    pub note: Option<String>,
    /// When: ISO 8601, UTC.
    pub at: String,
}

/// Two reviewers of the same contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Their names, in the order of the alphabet.
    pub reviewers: [String; 2],
    /// How many contents got these two words, the first reviewer's first.
    pub counts: BTreeMap<(Judgement, Judgement), u64>,
}

/// Writes a word down. Returns what the reviewer had said of this content before, if that still counts: to undo is to
/// say that again.
pub fn review(catalog: &Path, new: &NewReview) -> Result<Option<Judgement>, CatalogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opening = |error| opening_fault(catalog, error);
    if !catalog.exists() {
        return Err(no_catalog(catalog));
    }
    require_regular(catalog)?;
    require_one_name(catalog)?;
    let mut connection = Connection::open_with_flags(catalog, flags).map_err(opening)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(opening)?;
    require_current(check_version(&connection, catalog)?, catalog)?;
    write(&mut connection, new).map_err(|error| fault(catalog, "write to", error))
}

fn write(connection: &mut Connection, new: &NewReview) -> rusqlite::Result<Option<Judgement>> {
    // A commit is a fact here as well.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before: Option<Option<String>> = transaction
        .query_row(
            "SELECT label FROM review WHERE digest = ?1 AND reviewer = ?2 ORDER BY id DESC LIMIT 1",
            params![new.digest.as_bytes(), new.reviewer],
            |row| row.get(0),
        )
        .optional()?;
    transaction.execute(
        "INSERT INTO review (digest, reviewer, label, queue, note, reviewed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            new.digest.as_bytes(),
            new.reviewer,
            new.judgement.map(Judgement::name),
            new.queue,
            new.note,
            time::milliseconds(Timestamp::now())
        ],
    )?;
    transaction.commit()?;
    Ok(before.flatten().and_then(|label| label.parse().ok()))
}

/// The newest rows of each reviewer for each content.
const NEWEST: &str = "(SELECT * FROM review AS one
     WHERE one.id = (SELECT max(id) FROM review AS newest
                     WHERE newest.digest = one.digest AND newest.reviewer = one.reviewer))";

impl Reader {
    /// What people say of a content, one word a person, the newest first.
    pub fn reviews(&self, digest: &Hash) -> Result<Vec<Reviewed>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT reviewer, label, note, strftime('%Y-%m-%dT%H:%M:%fZ', reviewed / 1000.0, 'unixepoch'), max(id)
                 FROM review WHERE digest = ?1 GROUP BY reviewer ORDER BY max(id) DESC",
            )?;
            statement
                .query_map([digest.as_bytes()], |row| {
                    let label: Option<String> = row.get(1)?;
                    Ok(Reviewed {
                        reviewer: row.get(0)?,
                        judgement: label.and_then(|label| label.parse().ok()),
                        note: row.get(2)?,
                        at: row.get(3)?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// The reviewers, with how many contents each has a word for that counts.
    pub fn reviewers(&self) -> Result<Vec<(String, u64)>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT reviewer, count(*) FROM {NEWEST} WHERE label IS NOT NULL GROUP BY reviewer ORDER BY reviewer"
            ))?;
            statement
                .query_map([], |row| {
                    Ok((row.get(0)?, crate::writer::unsigned(row, 1)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// What a reviewer last said of each content that was ever shown to them in this queue, with its digest.
    pub fn words_in_queue(
        &self,
        reviewer: &str,
        queue: &str,
    ) -> Result<Vec<(Hash, Judgement)>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT digest, label FROM {NEWEST} AS said
                 WHERE reviewer = ?1 AND label IS NOT NULL
                     AND EXISTS (SELECT 1 FROM review AS shown WHERE shown.digest = said.digest
                                     AND shown.reviewer = said.reviewer AND shown.queue = ?2)"
            ))?;
            let found = statement.query_map([reviewer, queue], |row| {
                let (digest, label): (Vec<u8>, String) = (row.get(0)?, row.get(1)?);
                Ok((digest, label))
            })?;
            let mut words = Vec::new();
            for word in found {
                let (digest, label) = word?;
                if let (Ok(digest), Ok(judgement)) = (digest.try_into(), label.parse()) {
                    words.push((Hash::from_bytes(digest), judgement));
                }
            }
            Ok(words)
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// How far each two reviewers agree on what both have seen.
    pub fn agreement(&self) -> Result<Vec<Agreement>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(&format!(
                "WITH said AS MATERIALIZED (SELECT digest, reviewer, label FROM {NEWEST} WHERE label IS NOT NULL)
                 SELECT one.reviewer, other.reviewer, one.label, other.label, count(*)
                 FROM said AS one JOIN said AS other
                     ON one.digest = other.digest AND one.reviewer < other.reviewer
                 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2"
            ))?;
            let mut rows = statement.query([])?;
            let mut pairs: Vec<Agreement> = Vec::new();
            while let Some(row) = rows.next()? {
                let reviewers: [String; 2] = [row.get(0)?, row.get(1)?];
                let words: [String; 2] = [row.get(2)?, row.get(3)?];
                let count = crate::writer::unsigned(row, 4)?;
                if pairs.last().is_none_or(|last| last.reviewers != reviewers) {
                    let counts = BTreeMap::new();
                    pairs.push(Agreement { reviewers, counts });
                }
                let [one, other] = words.map(|word| word.parse::<Judgement>());
                if let (Some(last), Ok(one), Ok(other)) = (pairs.last_mut(), one, other) {
                    last.counts.insert((one, other), count);
                }
            }
            Ok(pairs)
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }
}

/// Labels to train by, and what is left out of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The galaxies on which all their reviewers agree: the path of a file of each, and the class.
    pub agreed: Vec<(String, Morphology)>,
    /// How many contents reviewers disagree on.
    pub disputed: u64,
    /// How many are of none of the classes.
    pub none: u64,
}

/// The classes that all reviewers of a content agree on, in the order of the contents' first review. A content that no
/// file has any more is left out.
pub fn reviewed_labels(reader: &Reader) -> Result<Labels, CatalogError> {
    let work = || {
        let mut statement = reader.connection.prepare(&format!(
            "SELECT (SELECT path FROM cutout
                     WHERE substr(cutout.digest, 1, 8) = substr(said.digest, 1, 8) AND cutout.digest = said.digest
                         AND cutout.label IS NOT NULL
                     ORDER BY cutout.id LIMIT 1) AS path,
                 min(said.label), max(said.label)
             FROM {NEWEST} AS said WHERE said.label IS NOT NULL
             GROUP BY said.digest ORDER BY min(said.id)"
        ))?;
        let mut labels = Labels::default();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let path: Option<String> = row.get(0)?;
            let (one, other): (String, String) = (row.get(1)?, row.get(2)?);
            let Some(path) = path else { continue };
            match one.parse() {
                _ if one != other => labels.disputed += 1,
                Ok(Judgement::Class(class)) => labels.agreed.push((path, class)),
                _ => labels.none += 1,
            }
        }
        Ok(labels)
    };
    work().map_err(|error| fault(&reader.path, "read", error))
}

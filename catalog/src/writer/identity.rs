//! Which object each file shows, after more became known of it: rows are brought up to date, and nothing is classified.

use std::path::{Path, PathBuf};

use galmorph_cutout::{Identity, Position, PositionSource};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Row, Transaction, params};

use super::Writer;
use crate::{CatalogError, healpix, time};
use galmorph_output::{path_text, text_path};

/// How many rows are looked at in one step.
const STEP: u32 = 256;

/// What the row of a file says of its object.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// The file.
    pub path: PathBuf,
    /// The object.
    pub identity: Identity,
    /// Whether it was rejected.
    pub is_rejected: bool,
    /// Whether it is a FITS image that the network saw.
    pub is_fits: bool,
}

/// What a row is to say of its object.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// The file.
    pub path: PathBuf,
    /// The object.
    pub identity: Identity,
    /// Whether the file is to be read again: what became known changes more than the row, or its content may say
    /// what is no longer known otherwise.
    pub read_again: bool,
}

const COLUMNS: &str =
    "path, object_id, ra, dec, position_from, radius, label IS NULL, stretch IS NOT NULL";

impl Writer {
    /// The next rows of files below `folder`, in the order of their paths, from the one after `last` on.
    pub fn described_below(
        &self,
        folder: &Path,
        last: Option<&Path>,
    ) -> Result<Vec<Described>, CatalogError> {
        let folder = path_text(folder);
        let folder = folder.trim_end_matches('/');
        let first = last.map_or_else(|| format!("{folder}/"), path_text);
        // '0' comes after '/'.
        let end = format!("{folder}0");
        let statement = format!(
            "SELECT {COLUMNS} FROM cutout WHERE path > ?1 AND path < ?2 ORDER BY path LIMIT {STEP}"
        );
        self.list(&statement, params![first, end], described)
    }

    /// What the row of a file says, if it has one.
    pub fn described(&self, path: &Path) -> Result<Option<Described>, CatalogError> {
        let statement = format!("SELECT {COLUMNS} FROM cutout WHERE path = ?1");
        let found = self.list(&statement, [path_text(path)], described)?;
        Ok(found.into_iter().next())
    }

    /// Has rows say something else of their objects.
    pub fn revise(&mut self, revisions: &[Revision]) -> Result<(), CatalogError> {
        let statement = "UPDATE cutout SET object_id = ?2, ra = ?3, dec = ?4, position_from = ?5,
                 radius = ?6, healpix = ?7, retry = iif(?8, ?9, retry)
             WHERE path = ?1";
        let now = time::milliseconds(Timestamp::now());
        self.update(revisions, |transaction: &Transaction, revision| {
            let [id, ra, dec, from, radius, healpix] = identity_values(&revision.identity);
            let path = path_text(&revision.path);
            let again = revision.read_again;
            let values = params![path, id, ra, dec, from, radius, healpix, again, now];
            transaction.prepare_cached(statement)?.execute(values)
        })
    }
}

fn described(row: &Row) -> rusqlite::Result<Described> {
    let path: String = row.get(0)?;
    let place: (Option<f64>, Option<f64>) = (row.get(2)?, row.get(3)?);
    let from: Option<String> = row.get(4)?;
    let source = from.as_deref().and_then(PositionSource::of_name);
    let position = || {
        let (ra, dec) = place.0.zip(place.1)?;
        Some((Position::new(ra, dec)?, source?))
    };
    Ok(Described {
        path: text_path(&path),
        identity: Identity {
            object_id: row.get(1)?,
            position: position(),
            radius: row.get(5)?,
        },
        is_rejected: row.get(6)?,
        is_fits: row.get(7)?,
    })
}

/// The columns of a row that say which object it is of.
pub(super) const IDENTITY: [&str; 6] = [
    "object_id",
    "ra",
    "dec",
    "position_from",
    "radius",
    "healpix",
];

/// Their values.
pub(super) fn identity_values(identity: &Identity) -> [Value; 6] {
    let (position, source) = identity.position.unzip();
    [
        identity.object_id.clone().into(),
        position.map(Position::ra).into(),
        position.map(Position::dec).into(),
        source.map(|source| source.as_str().to_owned()).into(),
        identity.radius.into(),
        position
            .map(|position| healpix::cell(position.ra(), position.dec()))
            .into(),
    ]
}

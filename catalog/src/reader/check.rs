//! Whether a catalog is sound: what SQLite can say of its pages, and what this program promises of its
//! rows. It only reads.

use std::path::Path;

use galmorph_cutout::{Morphology, RejectReason};
use rusqlite::Connection;

use super::Reader;
use crate::columns::probability_columns;
use crate::error::fault;
use crate::{CatalogError, shape};
use galmorph_output::{text_path, visible};

/// How many faults of one sort are told.
const TOLD: usize = 10;

/// What is wrong with the pages and indexes of a database, and with the references between its rows.
pub(super) fn damage(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut integrity = connection.prepare("PRAGMA integrity_check")?;
    for line in integrity.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            faults.push(format!("integrity: {}", line.replace('\n', ", ")));
        }
    }
    let mut references = connection.prepare("PRAGMA foreign_key_check")?;
    let rows = references.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?))
    })?;
    for row in rows.take(TOLD) {
        let (table, parent) = row?;
        faults.push(format!("a row of {table} refers to no row of {parent}"));
    }
    Ok(faults)
}

/// What must be so of every row: what it says of those where it is not, and how those are found.
fn invariants() -> Vec<(&'static str, String)> {
    let reasons: Vec<String> = (RejectReason::ALL.iter())
        .map(|reason| format!("'{reason}'"))
        .collect();
    let reasons = reasons.join(", ");
    let columns = probability_columns();
    let (sum, list) = (columns.join(" + "), columns.join(", "));
    let label_is_largest = Morphology::ALL
        .map(|class| {
            format!(
                "label = '{class}' AND confidence <> p_{class}",
                class = class.name()
            )
        })
        .join(" OR ");
    let of_answers = |condition: &str| {
        format!(
            "SELECT path FROM cutout WHERE label IS NOT NULL AND ({condition})
             UNION ALL SELECT lower(hex(digest)) FROM other_answer WHERE {condition}"
        )
    };
    vec![
        (
            "was rejected for no known reason",
            format!(
                "SELECT path FROM cutout WHERE reason IS NOT NULL AND reason NOT IN ({reasons})"
            ),
        ),
        (
            "has a position that is not whole",
            "SELECT path FROM cutout
             WHERE (ra IS NULL) <> (dec IS NULL) OR (ra IS NULL) <> (healpix IS NULL)"
                .into(),
        ),
        (
            "has a position outside of the sphere",
            "SELECT path FROM cutout WHERE NOT (ra >= 0 AND ra < 360 AND dec BETWEEN -90 AND 90)"
                .into(),
        ),
        (
            "has an answer whose probabilities do not sum to 1",
            of_answers(&format!("NOT abs({sum} - 1) < 1e-3")),
        ),
        (
            "has an answer whose label is not the most probable class",
            of_answers(&format!("confidence <> max({list}) OR {label_is_largest}")),
        ),
    ]
}

impl Reader {
    /// Everything that is wrong with the catalog itself, a line each.
    pub fn faults(&self) -> Result<Vec<String>, CatalogError> {
        let work = || {
            let mut faults = damage(&self.connection)?;
            if faults.is_empty() {
                faults = shape::faults(&self.connection)?;
            }
            if !faults.is_empty() {
                // What rows say is worth nothing then, or can't be asked.
                return Ok(faults);
            }
            for (fault, statement) in invariants() {
                let mut statement = self.connection.prepare(&statement)?;
                let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
                for row in rows.take(TOLD) {
                    faults.push(format!("'{}' {fault}", visible(&row?)));
                }
            }
            Ok(faults)
        };
        work().map_err(|error| fault(&self.path, "check", error))
    }

    /// Gives the path of every row to `each`, in the order of the paths.
    pub fn each_path(&self, mut each: impl FnMut(&Path)) -> Result<(), CatalogError> {
        let mut work = || {
            let mut statement = self
                .connection
                .prepare("SELECT path FROM cutout ORDER BY path")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let path: String = row.get(0)?;
                each(&text_path(&path));
            }
            Ok(())
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }
}

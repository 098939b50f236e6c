//! Counts over a whole catalog, by what its indexes hold.

use galmorph_cutout::{Flag, Morphology, Probabilities};
use rusqlite::params;

use super::Reader;
use super::freshness::count;
use crate::columns::{CLASSIFIED_AT, probability_columns};
use crate::error::fault;
use crate::writer::unsigned;
use crate::{ByReason, CatalogError};

/// What a catalog holds, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// Classified files by the class that their rows show, in the order of the classes' ids.
    pub by_class: [u64; Morphology::COUNT],
    /// Rejected files by the reason.
    pub by_reason: ByReason,
    /// Rejected files that are to be tried again.
    pub queued: u64,
    /// Images with each flag, in the order of [`Flag::ALL`].
    pub by_flag: Vec<(Flag, u64)>,
    /// When the newest answer was given: ISO 8601, UTC.
    pub newest: Option<String>,
}

/// The answers of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswersOfDay {
    /// The day, UTC, as `2026-11-27`.
    pub day: String,
    /// Answers by class, in the order of the classes' ids.
    pub by_class: [u64; Morphology::COUNT],
}

impl Reader {
    /// Counts what the catalog holds.
    pub fn overview(&self) -> Result<Overview, CatalogError> {
        let work = || {
            let mut overview = Overview::default();
            let mut statement = self.connection.prepare_cached(
                "SELECT label, count(*) FROM cutout WHERE label IS NOT NULL GROUP BY label",
            )?;
            let counts =
                statement.query_map([], |row| Ok((row.get::<_, String>(0)?, unsigned(row, 1)?)))?;
            for found in counts {
                let (label, count) = found?;
                if let Ok(class) = label.parse::<Morphology>() {
                    overview.by_class[class.id()] = count;
                }
            }
            let mut statement = self.connection.prepare_cached(
                "SELECT reason, count(*) FROM cutout WHERE reason IS NOT NULL GROUP BY reason",
            )?;
            overview.by_reason = statement
                .query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?
                .collect::<rusqlite::Result<ByReason>>()?;
            let queued = "SELECT count(*) FROM cutout WHERE retry IS NOT NULL";
            overview.queued = count(&self.connection, queued, [])?;
            let mut statement = self.connection.prepare_cached(
                "SELECT flags, count(*) FROM cutout WHERE label IS NOT NULL AND flags > '' GROUP BY flags",
            )?;
            let flags = statement
                .query_map([], |row| Ok((row.get::<_, String>(0)?, unsigned(row, 1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let with = |flag: &Flag| {
                let has = |flags: &str| flags.split(',').any(|one| one == flag.as_str());
                flags
                    .iter()
                    .filter(|(all, _)| has(all))
                    .map(|(_, count)| count)
                    .sum()
            };
            overview.by_flag = Flag::ALL.iter().map(|flag| (*flag, with(flag))).collect();
            let newest = format!("SELECT max({CLASSIFIED_AT}) FROM cutout WHERE label IS NOT NULL");
            let newest =
                (self.connection).query_row(&newest, [], |row| row.get::<_, Option<String>>(0))?;
            overview.newest = newest.map(crate::time::with_zone);
            Ok(overview)
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// The answers of each day from `since` on (UTC, as `2026-11-27`), the earliest first; days without one are left
    /// out. This reads a row for each of the answers.
    pub fn by_day(&self, since: &str) -> Result<Vec<AnswersOfDay>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT substr({CLASSIFIED_AT}, 1, 10) AS day, label, count(*) FROM cutout
                 WHERE label IS NOT NULL AND {CLASSIFIED_AT} >= ?1 GROUP BY day, label ORDER BY day"
            ))?;
            let mut days: Vec<AnswersOfDay> = Vec::new();
            let mut rows = statement.query([since])?;
            while let Some(row) = rows.next()? {
                let (day, label): (String, String) = (row.get(0)?, row.get(1)?);
                if days.last().is_none_or(|last| last.day != day) {
                    let by_class = Default::default();
                    days.push(AnswersOfDay { day, by_class });
                }
                if let (Some(last), Ok(class)) = (days.last_mut(), label.parse::<Morphology>()) {
                    last.by_class[class.id()] = unsigned(row, 2)?;
                }
            }
            Ok(days)
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// How many rows have an answer from `since` on; at most `most` are counted.
    pub fn count_since(&self, since: &str, most: u64) -> Result<u64, CatalogError> {
        let statement = format!(
            "SELECT count(*) FROM (SELECT 1 FROM cutout WHERE label IS NOT NULL AND {CLASSIFIED_AT} >= ?1 LIMIT ?2)"
        );
        count(&self.connection, &statement, params![since, most as i64])
            .map_err(|error| fault(&self.path, "read", error))
    }

    /// The probabilities of the rows of these numbers, of those that are classified.
    pub fn probabilities(&self, ids: &[i64]) -> Result<Vec<Probabilities>, CatalogError> {
        let work = || {
            let columns = probability_columns().join(", ");
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT {columns} FROM cutout WHERE id = ?1 AND label IS NOT NULL"
            ))?;
            let mut found = Vec::new();
            for id in ids {
                let mut rows = statement.query([id])?;
                if let Some(row) = rows.next()? {
                    let mut values = [0.0; Morphology::COUNT];
                    for (at, value) in values.iter_mut().enumerate() {
                        *value = row.get::<_, f64>(at)? as f32;
                    }
                    found.push(Probabilities::from_values(values));
                }
            }
            Ok(found)
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// Whether the row of this number is of a classified file.
    pub fn is_classified(&self, id: i64) -> Result<bool, CatalogError> {
        let statement = "SELECT 1 FROM cutout WHERE id = ?1 AND label IS NOT NULL";
        self.exists(statement, [id])
    }
}

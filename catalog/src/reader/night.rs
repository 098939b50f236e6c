//! Nights, and whether their images look like another camera's than the training images.

use rusqlite::OptionalExtension as _;

use super::Reader;
use crate::CatalogError;
use crate::columns::CLASSIFIED_AT;
use crate::error::fault;
use crate::writer::unsigned;

/// How many nights before the newest one are looked at, if they have fewer answers than this together: a row is read for each.
const SPANS: [(u32, u64); 3] = [(6, 300_000), (1, 300_000), (0, 1_000_000)];

/// The answers of a model in a night: a row of the view `night`.
#[derive(Debug, Clone, PartialEq)]
pub struct Night {
    /// The date at its beginning, UTC, as `2026-11-27`. It lasts from noon to noon.
    pub date: String,
    /// The model's name.
    pub model: String,
    /// How many files show an answer of that night.
    pub galaxies: u64,
    /// How many of these answers are sure enough, and have a rank.
    pub counted: u64,
    /// The mean rank of those, 0 to 1: about 0.5 for images like the training images, and higher for others.
    pub camera: Option<f64>,
    /// Whether the mean rank is surely above the threshold of the model's card, as for another camera. `None` where too few are
    /// counted, or the card doesn't say.
    pub other_camera: Option<bool>,
}

impl Reader {
    /// The nights of the last week that has answers, the newest first. Where that week has more answers than can be read in a
    /// moment, it is the last two nights or the last one; none at all, if that has a million.
    pub fn last_nights(&self) -> Result<Vec<Night>, CatalogError> {
        for (before, most) in SPANS {
            let Some(first) = self.night_before_the_newest(before)? else {
                break;
            };
            if self.count_since(&format!("{first} 12"), most)? < most {
                return self.nights_since(&first);
            }
        }
        Ok(Vec::new())
    }

    fn nights_since(&self, first: &str) -> Result<Vec<Night>, CatalogError> {
        let work = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT night, model, galaxies, counted, camera, other_camera FROM night
                 WHERE night >= ?1 ORDER BY night DESC, model",
            )?;
            let nights = statement.query_map([first], |row| {
                Ok(Night {
                    date: row.get(0)?,
                    model: row.get(1)?,
                    galaxies: unsigned(row, 2)?,
                    counted: unsigned(row, 3)?,
                    camera: row.get(4)?,
                    other_camera: row.get(5)?,
                })
            })?;
            nights.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| fault(&self.path, "read", error))
    }

    /// The date of the night so many days before that of the newest answer; `None` in a catalog without an answer. An
    /// answer of a clock that was ahead by more than a day is passed over.
    fn night_before_the_newest(&self, days: u32) -> Result<Option<String>, CatalogError> {
        let statement = format!(
            "SELECT date({CLASSIFIED_AT}, '-12 hours', '-' || ?1 || ' days') FROM cutout
             WHERE label IS NOT NULL AND {CLASSIFIED_AT} < datetime('now', '+1 day') ORDER BY {CLASSIFIED_AT} DESC LIMIT 1"
        );
        (self.connection)
            .query_row(&statement, [days], |row| row.get(0))
            .optional()
            .map_err(|error| fault(&self.path, "read", error))
    }
}

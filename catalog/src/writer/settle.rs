//! Going back to a model that was in use before.
//!
//! Its answers are in `other_answer`, and the rows of `cutout` show those of another model. To readers the change
//! is one step: with the start of the daemon, the view `catalog` looks for answers of the model in use
//! first. That is right, and slow. Then the answers are brought to the rows, some at a time, between other work. When
//! all are there, the view is the fast one again.

use rusqlite::{Connection, params};

use super::Writer;
use crate::CatalogError;
use crate::schema::{answer_columns, is_settling, make_views};

/// How many answers are brought over in one transaction.
const STEP: u32 = 256;

/// Begins to settle if there are answers of a model that no row shows, and makes the views that go with it. To be called
/// in the transaction in which the model in use changes.
pub(crate) fn begin(connection: &Connection, model: i64) -> rusqlite::Result<()> {
    let has_some = "SELECT EXISTS (SELECT 1 FROM other_answer WHERE model = ?1)";
    let settling: bool = connection.query_row(has_some, [model], |row| row.get(0))?;
    if settling != is_settling(connection)? {
        connection.execute("UPDATE watch SET settling = ?1", [settling])?;
        connection.execute_batch(&make_views(settling))?;
    }
    Ok(())
}

/// How far the settling is: the key of the last answer that was looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    digest: Vec<u8>,
    model: i64,
    rendering: String,
}

impl Writer {
    /// Brings some more rows to show the answers of the model in use. Returns whether there is more to do.
    pub fn settle(&mut self) -> Result<bool, CatalogError> {
        let Some(place) = self.settling.clone() else {
            return Ok(false);
        };
        let model = self.model;
        self.settling = self.transact("write to", |transaction| {
            let next = step(transaction, model, &place)?;
            if next.is_none() {
                transaction.execute("UPDATE watch SET settling = 0", [])?;
                transaction.execute_batch(&make_views(false))?;
            }
            Ok(next)
        })?;
        Ok(self.settling.is_some())
    }
}

/// Brings the answers behind a place to their rows. Returns where the next step begins; `None` if there is none.
fn step(connection: &Connection, model: i64, place: &Place) -> rusqlite::Result<Option<Place>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT digest, model, rendering FROM other_answer
         WHERE (digest, model, rendering) > (?1, ?2, ?3) AND model = ?4
         ORDER BY digest, model, rendering LIMIT {STEP}"
    ))?;
    let answers: Vec<Place> = statement
        .query_map(
            params![place.digest, place.model, place.rendering, model],
            |row| {
                Ok(Place {
                    digest: row.get(0)?,
                    model: row.get(1)?,
                    rendering: row.get(2)?,
                })
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    let columns = answer_columns().join(", ");
    let rows = "substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 AND rendering = ?3
                AND label IS NOT NULL AND model <> ?2";
    let keep = format!(
        "INSERT OR IGNORE INTO other_answer (digest, {columns}) SELECT digest, {columns} FROM cutout WHERE {rows}"
    );
    let show = format!(
        "UPDATE cutout SET ({columns}) =
             (SELECT {columns} FROM other_answer AS other
              WHERE other.digest = ?1 AND other.model = ?2 AND other.rendering = ?3)
         WHERE {rows}"
    );
    // Unless a file of the same content shows another answer.
    let forget = "DELETE FROM other_answer WHERE digest = ?1 AND model = ?2 AND rendering = ?3
             AND NOT EXISTS
                 (SELECT 1 FROM cutout
                  WHERE substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 AND label IS NOT NULL
                      AND (model <> ?2 OR rendering <> ?3))";
    for answer in &answers {
        let key = params![answer.digest, answer.model, answer.rendering];
        connection.prepare_cached(&keep)?.execute(key)?;
        if connection.prepare_cached(&show)?.execute(key)? > 0 {
            connection.prepare_cached(forget)?.execute(key)?;
        }
    }
    let is_full = answers.len() == STEP as usize;
    Ok(answers.into_iter().next_back().filter(|_| is_full))
}

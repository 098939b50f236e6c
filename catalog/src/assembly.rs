//! A catalog that is put together at once, and then never written to again: a part of an archive, or the catalogs of
//! several machines in one.
//!
//! No other program sees it before it is finished, so it needs no log and no lock. It holds no clock either: the caller
//! says what time it is. The same rows in the same order make the same bytes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use crate::error::{fault, opening_fault};
use crate::model::{ModelInUse, NewModel, enter_model, model_row};
use crate::schema::{self, answer_columns};
use crate::writer::{row_columns, take_row, write};
use crate::{CatalogError, Entry, Reader, time};
use galmorph_output::{path_text, readable};

/// Pages of the catalog that are kept in memory, in KiB.
const CACHE: i64 = 128 << 10;

/// Rows in one transaction.
const STEP: u64 = 1 << 16;

/// What becomes of two rows of one path that are of different contents or say different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collision {
    /// It is an error.
    Refuse,
    /// The row that was written last stays, by the clocks of the machines that wrote them.
    Newest,
}

/// What was taken from a catalog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Rows of files in it.
    pub files: u64,
    /// How many of them were there already.
    pub again: u64,
}

/// A catalog in the making.
#[derive(Debug)]
pub struct Assembly {
    connection: Connection,
    path: PathBuf,
}

impl Assembly {
    /// Begins a catalog in a file that is empty or not there.
    pub fn begin(path: &Path) -> Result<Self, CatalogError> {
        let begun = || {
            let connection = Connection::open(path)?;
            // Whoever makes it throws it away where it is not finished.
            connection.execute_batch(&format!(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
                 PRAGMA cache_size = -{CACHE}; PRAGMA foreign_keys = ON;"
            ))?;
            schema::create(&connection)?;
            connection.execute_batch("BEGIN")?;
            Ok(connection)
        };
        Ok(Self {
            connection: begun().map_err(|error| opening_fault(path, error))?,
            path: path.to_owned(),
        })
    }

    /// The number of a model, which was first used at this time.
    pub fn model(&self, model: &ModelInUse, first_used: Timestamp) -> Result<i64, CatalogError> {
        let first_used = time::to_millisecond(first_used);
        self.done(model_row(&self.connection, model, &first_used))
    }

    /// Records what became of a file, as of this time.
    pub fn record(&self, model: i64, entry: &Entry, now: Timestamp) -> Result<(), CatalogError> {
        self.done(write(&self.connection, model, entry, now))
    }

    /// Notes a file that could not be read. It has no row of its own: it may be read yet.
    pub fn note_unread(&self, path: &str, why: &str) -> Result<(), CatalogError> {
        let note = || {
            self.connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS unread (path TEXT PRIMARY KEY, fault TEXT NOT NULL) WITHOUT ROWID",
            )?;
            let statement = "INSERT INTO unread (path, fault) VALUES (?1, ?2)";
            self.connection
                .prepare_cached(statement)?
                .execute([path, why])
        };
        self.done(note()).map(drop)
    }

    /// Takes over the rows, the answers and the reviews of another catalog. Where `site` says which machine it comes
    /// from, its paths become `site:/path`.
    pub fn take(
        &self,
        source: &Reader,
        site: Option<&str>,
        collision: Collision,
    ) -> Result<Taken, CatalogError> {
        let mut models = HashMap::new();
        for model in source.models()? {
            let new = NewModel {
                name: &model.name,
                digest: &model.digest,
                card: &model.card,
                first_used: &model.first_used,
                arithmetic: model.arithmetic.as_deref(),
            };
            let id = self.done(enter_model(&self.connection, &new))?;
            models.insert(model.id, id);
        }
        let number = |model: &mut Value| match model {
            Value::Integer(id) => match models.get(id) {
                Some(new) => {
                    *id = *new;
                    Ok(())
                }
                None => Err(self.refusal(&format!(
                    "'{}' has an answer of a model that it doesn't list",
                    readable(&source.path)
                ))),
            },
            _ => Ok(()),
        };
        let mut taken = Taken::default();
        let columns = row_columns();
        let at = |name: &str| {
            let mut columns = columns.iter();
            columns
                .position(|column| column == name)
                .expect("a row has this column")
        };
        let (path_at, model_at, digest_at) = (at("path"), at("model"), at("digest"));
        let (reason_at, updated_at) = (at("reason"), at("updated"));
        let every = format!("SELECT {} FROM cutout ORDER BY path", columns.join(", "));
        source.each_row(&every, |mut values| {
            taken.files += 1;
            number(&mut values[model_at])?;
            if let (Some(site), Value::Text(path)) = (site, &mut values[path_at]) {
                *path = format!("{site}:{path}");
            }
            if let Some(there) = self.standing(&values[path_at])? {
                taken.again += 1;
                let is_the_same = there.digest == values[digest_at]
                    && there.is_rejected == (values[reason_at] != Value::Null);
                if !is_the_same && collision == Collision::Refuse {
                    let Value::Text(path) = &values[path_at] else {
                        unreachable!("a path is text, and not NULL")
                    };
                    return Err(self.refusal(&format!(
                        "'{}' has another row of '{}' than a catalog before it (say which machine each comes from, or take the newest)",
                        readable(&source.path),
                        galmorph_output::visible(path)
                    )));
                }
                if matches!(values[updated_at], Value::Integer(updated) if updated <= there.updated) {
                    // Its answer is kept all the same.
                    return self.done(take_answer(&self.connection, &columns, &values));
                }
            }
            self.done(take_row(&self.connection, values))?;
            if taken.files.is_multiple_of(STEP) {
                self.done(self.connection.execute_batch("COMMIT; BEGIN"))?;
            }
            Ok(())
        })?;
        let mut answer = vec!["digest".to_owned()];
        answer.extend(answer_columns());
        let model_at = 1 + answer_columns()
            .iter()
            .position(|column| column == "model")
            .expect("an answer has a model");
        let every = format!(
            "SELECT {} FROM other_answer ORDER BY digest, model, rendering",
            answer.join(", ")
        );
        source.each_row(&every, |mut values| {
            number(&mut values[model_at])?;
            self.done(take_answer(&self.connection, &answer, &values))
        })?;
        self.take_reviews(source)?;
        Ok(taken)
    }

    fn take_reviews(&self, source: &Reader) -> Result<(), CatalogError> {
        let statement = "INSERT INTO review (digest, reviewer, label, queue, note, reviewed)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6
             WHERE NOT EXISTS (SELECT 1 FROM review WHERE digest = ?1 AND reviewer = ?2 AND reviewed = ?6
                                   AND label IS ?3 AND queue IS ?4 AND note IS ?5)";
        let mut last = 0;
        loop {
            let some = source.reviews_after(last, 1000)?;
            let Some(end) = some.last() else {
                return Ok(());
            };
            last = end.id;
            for review in &some {
                let values = params![
                    review.digest,
                    review.reviewer,
                    review.label,
                    review.queue,
                    review.note,
                    review.reviewed
                ];
                let insert = || (self.connection).prepare_cached(statement)?.execute(values);
                self.done(insert())?;
            }
        }
    }

    /// What is there of this path.
    fn standing(&self, path: &Value) -> Result<Option<There>, CatalogError> {
        let statement = "SELECT digest, reason IS NOT NULL, updated FROM cutout WHERE path = ?1";
        let find = || {
            let mut statement = self.connection.prepare_cached(statement)?;
            let found = statement.query_row([path], |row| {
                Ok(There {
                    digest: row.get(0)?,
                    is_rejected: row.get(1)?,
                    updated: row.get(2)?,
                })
            });
            found.optional()
        };
        self.done(find())
    }

    /// Writes out what is still in memory. The file is whole then, and not yet on the disk for certain.
    pub fn finish(self) -> Result<(), CatalogError> {
        // The newest review counts, and the newest is the one with the highest id.
        let order = "CREATE TEMP TABLE said AS SELECT * FROM review ORDER BY reviewed, id;
             DELETE FROM review;
             INSERT INTO review (digest, reviewer, label, queue, note, reviewed)
                 SELECT digest, reviewer, label, queue, note, reviewed FROM said ORDER BY rowid;
             DROP TABLE said;";
        let reviews: i64 =
            self.done(
                (self.connection).query_row("SELECT count(*) FROM review", [], |row| row.get(0)),
            )?;
        if reviews > 0 {
            self.done(self.connection.execute_batch(order))?;
        }
        self.done(self.connection.execute_batch("COMMIT"))?;
        let Self { connection, path } = self;
        connection
            .close()
            .map_err(|(_, error)| fault(&path, "write to", error))
    }

    fn done<T>(&self, outcome: rusqlite::Result<T>) -> Result<T, CatalogError> {
        outcome.map_err(|error| fault(&self.path, "write to", error))
    }

    fn refusal(&self, what: &str) -> CatalogError {
        let message = format!("cannot make catalog '{}': {what}", path_text(&self.path));
        CatalogError::Unusable(message.into())
    }
}

/// The row of a path.
struct There {
    digest: Value,
    is_rejected: bool,
    updated: i64,
}

/// Keeps an answer that not all files of its content show, unless there is one of its key: then that one is kept. `columns`
/// are those of `values`: the digest and those of an answer are among them.
fn take_answer(
    connection: &Connection,
    columns: &[String],
    values: &[Value],
) -> rusqlite::Result<()> {
    let of = |name: &str| {
        let at = columns.iter().position(|column| column == name);
        &values[at.expect("these rows have this column")]
    };
    if *of("label") == Value::Null {
        return Ok(());
    }
    let rows = "substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1 AND label IS NOT NULL";
    let is_its_own = "model = ?2 AND rendering = ?3";
    let key = [of("digest"), of("model"), of("rendering")];
    let shown = format!(
        "SELECT EXISTS (SELECT 1 FROM cutout WHERE {rows} AND {is_its_own})
         AND NOT EXISTS (SELECT 1 FROM cutout WHERE {rows} AND NOT ({is_its_own}))"
    );
    let is_shown: bool = connection
        .prepare_cached(&shown)?
        .query_row(key, |row| row.get(0))?;
    if is_shown {
        return Ok(());
    }
    let mut names = vec!["digest".to_owned()];
    names.extend(answer_columns());
    let list = names.join(", ");
    let known = format!(
        "INSERT OR IGNORE INTO other_answer ({list})
         SELECT {list} FROM cutout WHERE {rows} AND {is_its_own} LIMIT 1"
    );
    connection.prepare_cached(&known)?.execute(key)?;
    let places: Vec<String> = (1..=names.len())
        .map(|number| format!("?{number}"))
        .collect();
    let given = format!(
        "INSERT OR IGNORE INTO other_answer ({list}) VALUES ({})",
        places.join(", ")
    );
    let chosen = names.iter().map(|name| of(name));
    connection
        .prepare_cached(&given)?
        .execute(params_from_iter(chosen))
        .map(drop)
}

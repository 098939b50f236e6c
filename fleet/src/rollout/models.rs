//! Which models have answered how many files of a site.

use std::fmt;

use postgres::{Client, IsolationLevel};

use crate::Failure;
use crate::server::{belongs, failure, require_current};

/// A model, as far as a site knows it.
#[derive(Debug)]
struct Known {
    number: i32,
    name: String,
    /// The beginning of its file's digest.
    digest: String,
    arithmetic: Option<String>,
    /// Files that show its answer.
    shown: i64,
    /// Files that show another one, and have its answer beside, in their rendering.
    beside: i64,
    is_in_use: bool,
}

/// The models that have answered, or have begun to work, anywhere.
#[derive(Debug)]
pub(crate) struct Models {
    site: String,
    /// Files with an answer.
    answered: i64,
    known: Vec<Known>,
}

pub(crate) fn models(client: &mut Client, site: &str) -> Result<Models, Failure> {
    require_current(client)?;
    let read = |client: &mut Client| -> Result<Models, postgres::Error> {
        // All numbers are of one moment.
        let transaction = client.build_transaction().read_only(true);
        let transaction = transaction.isolation_level(IsolationLevel::RepeatableRead);
        let mut transaction = transaction.start()?;
        let count = "SELECT count(*) FROM cutout WHERE site = $1 AND label IS NOT NULL";
        let answered = transaction.query_one(count, &[&site])?.get(0);
        let find = format!(
            "SELECT id, name, left(digest, 12), arithmetic,
                 (SELECT count(*) FROM cutout WHERE site = $1 AND label IS NOT NULL AND cutout.model = model.id),
                 (SELECT count(*) FROM cutout WHERE site = $1 AND label IS NOT NULL AND cutout.model <> model.id
                     AND EXISTS (SELECT 1 FROM other_answer AS one WHERE {})),
                 EXISTS (SELECT 1 FROM model_in_use AS used WHERE used.site = $1 AND used.model = model.id)
             FROM model ORDER BY id",
            belongs("model.id")
        );
        let rows = transaction.query(&find, &[&site])?;
        let model = |row: &postgres::Row| Known {
            number: row.get(0),
            name: row.get(1),
            digest: row.get(2),
            arithmetic: row.get(3),
            shown: row.get(4),
            beside: row.get(5),
            is_in_use: row.get(6),
        };
        Ok(Models {
            site: site.to_owned(),
            answered,
            known: rows.iter().map(model).collect(),
        })
    };
    read(client).map_err(|error| failure("the database", &error))
}

impl fmt::Display for Models {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} files of '{}' are answered",
            self.answered, self.site
        )?;
        for model in &self.known {
            let missing = self.answered - model.shown - model.beside;
            write!(
                formatter,
                "\nmodel {}: {} {} {}{}: {} show it, {} have it beside, {missing} lack it",
                model.number,
                model.name,
                model.arithmetic.as_deref().unwrap_or("f32"),
                model.digest,
                if model.is_in_use { ", in use" } else { "" },
                model.shown,
                model.beside,
            )?;
        }
        Ok(())
    }
}

//! How far a stream is: what was fed is answered, rejected, or on the stream, and whatever is not is named as a number.
//!
//! | file | |
//! |---|---|
//! | `text` | for people |
//! | `prometheus` | for Prometheus |

mod prometheus;
mod text;

use std::collections::BTreeMap;

use galmorph_catalog::time::to_millisecond;
use jiff::Timestamp;
use postgres::Client;
use serde::Serialize;

use crate::Failure;
use crate::server::{Fault, Server, belongs, path_key};
use crate::stream::Stream;

/// A worker that was not heard of for so long does not work, in seconds. One with nothing to do says something each ten.
const SILENT: f64 = 60.0;

/// Paths that PostgreSQL is asked about at once.
const CHUNK: usize = 10_000;

/// A site at a moment.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) site: String,
    pub(crate) at: String,
    /// Files that the feeders found when they last looked; `null` where nobody has fed yet.
    pub(crate) fed: Option<i64>,
    pub(crate) answered: i64,
    pub(crate) rejected: i64,
    /// The answered ones that show another model than the one in use, which has not answered them.
    pub(crate) lacking: i64,
    /// The answered ones whose row shows another model than the one in use, though its answer lies beside: it came for another file
    /// of the same content, or a switch is bringing it.
    pub(crate) beside: i64,
    /// The rejected ones by reason.
    pub(crate) reasons: BTreeMap<String, i64>,
    /// Items on the stream that no worker has yet.
    pub(crate) waiting: i64,
    /// Items that workers hold.
    pub(crate) held: i64,
    /// Those of them that a worker before them did not come to an end with.
    pub(crate) delivered_again: i64,
    /// Items on the stream whose file has a row already: it has changed since, or is about to be acknowledged.
    pub(crate) on_stream_with_row: i64,
    /// `fed` without what is answered, rejected or on the stream. Below 0: files with a row that are gone from the folders.
    pub(crate) unaccounted: Option<i64>,
    pub(crate) feeders: Vec<Feeder>,
    pub(crate) machines: Vec<Machine>,
    /// The catalogs that machines ship here, those of other sites too.
    pub(crate) catalogs: Vec<ShippedCatalog>,
}

/// A machine's catalog that is shipped. How far behind it is, its machine knows alone.
#[derive(Debug, Serialize)]
pub(crate) struct ShippedCatalog {
    pub(crate) site: String,
    /// What tells several catalogs of one site apart.
    pub(crate) name: String,
    /// The version of the program that ships it.
    pub(crate) program: Option<String>,
    /// Since its last rows came; `null` before the first ones.
    pub(crate) seconds_ago: Option<f64>,
}

/// Who feeds.
#[derive(Debug, Serialize)]
pub(crate) struct Feeder {
    pub(crate) source: String,
    pub(crate) machine: String,
    pub(crate) program: String,
    pub(crate) files: i64,
    pub(crate) added: i64,
    pub(crate) seconds_ago: f64,
}

/// The workers of a machine.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) name: String,
    /// Processes that work.
    pub(crate) workers: i64,
    /// Processes that ended without a word, and were not heard of since.
    pub(crate) silent: i64,
    pub(crate) images_a_second: f64,
    /// Items that its processes hold, the silent ones too.
    pub(crate) held: i64,
    pub(crate) answered: i64,
    pub(crate) rejected: i64,
    pub(crate) known: i64,
    pub(crate) given_up: i64,
    pub(crate) seconds_ago: f64,
    /// The versions of those that work.
    pub(crate) programs: Vec<String>,
    /// Their models: name, arithmetic and the beginning of the digest.
    pub(crate) models: Vec<String>,
}

impl Report {
    /// Whether something is neither answered nor rejected nor on the stream.
    pub(crate) fn is_short(&self) -> bool {
        self.unaccounted.is_some_and(|unaccounted| unaccounted > 0)
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is a tree of plain values")
    }
}

/// Counts.
pub(crate) fn report(
    server: &Server,
    stream: &mut dyn Stream,
    site: &str,
) -> Result<Report, Failure> {
    // The stream before the rows: what is done meanwhile is counted twice for a moment, and nothing is missed.
    let numbers = stream.numbers()?;
    let mut keys = Vec::new();
    stream.each(&mut |item| keys.push(path_key(&item.path)))?;
    let mut client = server.connect_now()?;
    crate::server::require_current(&mut client)?;
    let mut read = || -> Result<Report, Fault> {
        let (answered, reasons) = rows(&mut client, site)?;
        let rejected = reasons.values().sum();
        let (lacking, beside) = behind(&mut client, site)?;
        let with_row = with_row(&mut client, site, &keys)?;
        let feeders = feeders(&mut client, site)?;
        let fed =
            (!feeders.is_empty()).then(|| feeders.iter().map(|feeder| feeder.files).sum::<i64>());
        let mut machines = machines(&mut client, site)?;
        let of_machine = "SELECT machine FROM worker WHERE site = $1 AND name = $2";
        for consumer in &numbers.consumers {
            if consumer.holds == 0 {
                continue;
            }
            let found = client.query_opt(of_machine, &[&site, &consumer.name])?;
            let name: Option<String> = found.map(|row| row.get(0));
            let mut all = machines.iter_mut();
            if let Some(machine) = all.find(|machine| Some(&machine.name) == name.as_ref()) {
                machine.held += consumer.holds as i64;
            }
        }
        let on_stream = keys.len() as i64;
        let held = numbers.held as i64;
        Ok(Report {
            site: site.to_owned(),
            at: to_millisecond(Timestamp::now()),
            fed,
            answered,
            rejected,
            lacking,
            beside,
            reasons,
            waiting: (on_stream - held).max(0),
            held,
            delivered_again: numbers.delivered_again as i64,
            on_stream_with_row: with_row,
            unaccounted: fed.map(|fed| fed - answered - rejected - (on_stream - with_row)),
            feeders,
            machines,
            catalogs: catalogs(&mut client)?,
        })
    };
    read().map_err(Failure::from)
}

fn rows(client: &mut Client, site: &str) -> Result<(i64, BTreeMap<String, i64>), postgres::Error> {
    let count = "SELECT reason, count(*) FROM cutout WHERE site = $1 GROUP BY reason";
    let (mut answered, mut reasons) = (0, BTreeMap::new());
    for row in client.query(count, &[&site])? {
        match row.get::<_, Option<String>>(0) {
            None => answered = row.get(1),
            Some(reason) => drop(reasons.insert(reason, row.get(1))),
        }
    }
    Ok((answered, reasons))
}

/// How many files show another model than the one in use: those that lack its answer, and those that have it beside. They are counted
/// by each of the other models, of which few rows are left. (With both numbers of one look, the server would ask for each row's answer
/// alone: four times as long for a million.)
fn behind(client: &mut Client, site: &str) -> Result<(i64, i64), postgres::Error> {
    let rows = "FROM cutout WHERE cutout.site = used.site AND cutout.model = other.id AND cutout.label IS NOT NULL";
    let count = format!(
        "SELECT coalesce(sum(shown.files), 0)::bigint, coalesce(sum(lack.files), 0)::bigint
         FROM model_in_use AS used JOIN model AS other ON other.id <> used.model
         CROSS JOIN LATERAL (SELECT count(*) AS files {rows}) AS shown
         CROSS JOIN LATERAL (
             SELECT count(*) AS files {rows}
                 AND NOT EXISTS (SELECT 1 FROM other_answer AS one WHERE {})) AS lack
         WHERE used.site = $1",
        belongs("used.model")
    );
    let row = client.query_one(&count, &[&site])?;
    let (shown, lacking): (i64, i64) = (row.get(0), row.get(1));
    Ok((lacking, shown - lacking))
}

/// How many of these paths have a row.
fn with_row(client: &mut Client, site: &str, keys: &[Vec<u8>]) -> Result<i64, postgres::Error> {
    let mut found = 0;
    let count = "SELECT count(*) FROM cutout WHERE site = $1 AND path_key = ANY ($2)";
    for chunk in keys.chunks(CHUNK) {
        found += client.query_one(count, &[&site, &chunk])?.get::<_, i64>(0);
    }
    Ok(found)
}

fn feeders(client: &mut Client, site: &str) -> Result<Vec<Feeder>, postgres::Error> {
    let find =
        "SELECT source, machine, program, files, added, extract(epoch FROM now() - looked)::float8
         FROM feeder WHERE site = $1 ORDER BY source";
    let rows = client.query(find, &[&site])?;
    let feeder = |row: &postgres::Row| Feeder {
        source: row.get(0),
        machine: row.get(1),
        program: row.get(2),
        files: row.get(3),
        added: row.get(4),
        seconds_ago: row.get(5),
    };
    Ok(rows.iter().map(feeder).collect())
}

fn catalogs(client: &mut Client) -> Result<Vec<ShippedCatalog>, postgres::Error> {
    let find = "SELECT site, name, program, extract(epoch FROM now() - shipped)::float8
         FROM source WHERE name <> 'stream' ORDER BY site, name";
    let rows = client.query(find, &[])?;
    let catalog = |row: &postgres::Row| ShippedCatalog {
        site: row.get(0),
        name: row.get(1),
        program: row.get(2),
        seconds_ago: row.get(3),
    };
    Ok(rows.iter().map(catalog).collect())
}

fn machines(client: &mut Client, site: &str) -> Result<Vec<Machine>, postgres::Error> {
    let find = "SELECT machine,
             count(*) FILTER (WHERE works), count(*) FILTER (WHERE ended IS NULL AND NOT works),
             coalesce(sum(images_a_second) FILTER (WHERE works), 0),
             sum(answered)::bigint, sum(rejected)::bigint, sum(known)::bigint, sum(given_up)::bigint, min(age),
             coalesce(array_agg(DISTINCT program) FILTER (WHERE works), '{}'),
             coalesce(array_agg(DISTINCT concat_ws(' ', model.name, model.arithmetic, left(model.digest, 12))) FILTER (WHERE works), '{}')
         FROM (SELECT *, age < $2 AND ended IS NULL AS works
               FROM (SELECT *, extract(epoch FROM now() - seen)::float8 AS age FROM worker WHERE site = $1) AS aged) AS worker
         LEFT JOIN model ON model.id = worker.model
         GROUP BY machine ORDER BY machine";
    let rows = client.query(find, &[&site, &SILENT])?;
    let machine = |row: &postgres::Row| Machine {
        name: row.get(0),
        workers: row.get(1),
        silent: row.get(2),
        images_a_second: row.get(3),
        held: 0,
        answered: row.get(4),
        rejected: row.get(5),
        known: row.get(6),
        given_up: row.get(7),
        seconds_ago: row.get(8),
        programs: row.get(9),
        models: row.get(10),
    };
    Ok(rows.iter().map(machine).collect())
}

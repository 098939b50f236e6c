//! From one model to another, on all machines at once.
//!
//! 1. Workers with the new model start *beside*: they take files of a stream of that model's own, and keep their answers in
//!    `other_answer`. The others go on, and what the views show doesn't change.
//! 2. That stream is fed with the files that the model has not answered.
//! 3. When it has answered all, one command has the views show its answers. The earlier ones are kept, and the same command goes back
//!    to them.
//!
//! A worker whose model isn't the one in use replaces none of its answers. So workers may change to the new model one after the
//! other, before or after the switch. A site has a model in use from its first answer on.
//!
//! A model has answered a file if it has answered its content in its rendering, which follows from the settings of the workers, the
//! size of the image and the object's radius. So the workers beside must have the framing of the others.
//!
//! | file | |
//! |---|---|
//! | `models` | which models have answered how many files |
//! | `switch` | the views, and then the rows, show another model |

mod models;
mod switch;

use std::time::Duration;

use galmorph_cutout::Position;
use postgres::Client;

use crate::Failure;
use crate::plan::{Item, described};
use crate::server::{belongs, failure, require_current};
use crate::site;
use crate::stop::Stop;
use crate::stream::Address;
pub(crate) use models::models;
pub(crate) use switch::switch;

/// Files that are looked at in one transaction.
const PAGE: i64 = 500;

/// How long to wait for a stream that is full.
const FULL: Duration = Duration::from_secs(1);

/// The name of a model's own stream at a site.
pub(crate) fn lane(site: &str, key: &[u8; 32]) -> String {
    let start = key[..4].iter().map(|byte| format!("{byte:02x}"));
    format!("{site}:{}", start.collect::<String>())
}

/// Adds the files that a model has not answered to its stream; of the model in use, those that don't show its answer, which may be
/// there for another file. Those that are rejected stay so. To add a file twice costs a look.
pub(crate) fn feed(
    client: &mut Client,
    stream: Address,
    site: &str,
    model: i32,
    longest: u64,
    stop: &Stop,
) -> Result<u64, Failure> {
    require_current(client)?;
    let key: [u8; 32] = key(client, model)?;
    let name = site::process(&site::machine()?);
    let mut stream = stream.open(&lane(site, &key), &name, Duration::ZERO)?;
    let find = format!(
        "SELECT path_key, path, ra, dec, radius FROM cutout
         WHERE site = $1 AND path_key > $2 AND label IS NOT NULL AND model <> $3
             AND (EXISTS (SELECT 1 FROM model_in_use AS used WHERE used.site = $1 AND used.model = $3)
                 OR NOT EXISTS (SELECT 1 FROM other_answer AS one WHERE {}))
         ORDER BY path_key LIMIT $4",
        belongs("$3")
    );
    let (mut after, mut added) = (Vec::<u8>::new(), 0);
    loop {
        if stop.requested() {
            return Err(Failure::Transient(format!(
                "interrupted: {added} added, and not all (the same command goes on)"
            )));
        }
        if stop.persist(|| {}, || stream.length())? >= longest {
            stop.sleep(FULL, || {});
            continue;
        }
        let rows = client
            .query(&find, &[&site, &after, &model, &PAGE])
            .map_err(|error| failure("the database", &error))?;
        let Some(last) = rows.last() else {
            return Ok(added);
        };
        after = last.get(0);
        let items: Vec<Item> = rows.iter().map(item).collect();
        stop.persist(|| {}, || stream.add(&items))?;
        added += items.len() as u64;
    }
}

fn item(row: &postgres::Row) -> Item {
    let position = match (row.get(2), row.get(3)) {
        (Some(ra), Some(dec)) => Position::new(ra, dec),
        _ => None,
    };
    Item::new(row.get(1), described(position, row.get(4), None))
}

/// What a model is known by.
fn key(client: &mut Client, model: i32) -> Result<[u8; 32], Failure> {
    let found = client
        .query_opt("SELECT key FROM model WHERE id = $1", &[&model])
        .map_err(|error| failure("the database", &error))?;
    let key = found.and_then(|row| row.get::<_, Vec<u8>>(0).try_into().ok());
    key.ok_or_else(|| {
        Failure::Usage(format!(
            "there is no model {model} (start a worker with it once: galmorph-fleet work --beside --model FILE)"
        ))
    })
}

//! The views, and then the rows, show the answers of another model.
//!
//! To readers the change is one step, as it is in a machine's catalog: in the transaction that takes the model into use, the view
//! `shown` begins to look for its answers first. That is right, and slow. Then the answers are brought to the rows, some at a time,
//! between the work of others. When all are there, the view is the fast one again. A switch that was interrupted is
//! gone on with by the same command.

use galmorph_catalog::other_answer_columns;
use postgres::{Client, Transaction};

use super::{PAGE, failure, key};
use crate::Failure;
use crate::server::{Server, lock_number, require_current};

/// A number that stands for the right to switch.
const LOCK: i64 = 0x676C_6D73;

/// The view when all answers are in their rows.
const FAST: &str = "CREATE OR REPLACE VIEW shown AS SELECT * FROM cutout";

/// Takes a model into use. Returns how many rows show another answer than before.
pub(crate) fn switch(server: &Server, site: &str, model: i32) -> Result<u64, Failure> {
    let mut client = server.connect_now()?;
    require_current(&mut client)?;
    key(&mut client, model)?;
    require_stream(&mut client, site)?;
    let work = |client: &mut Client| -> Result<Option<u64>, postgres::Error> {
        // For as long as this connection lasts.
        let locked = client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK])?;
        if !locked.get::<_, bool>(0) {
            return Ok(None);
        }
        let settling = settling_view(client)?;
        let mut transaction = client.transaction()?;
        transaction.execute(
            "INSERT INTO model_in_use (site, model, since) VALUES ($1, $2, now())
             ON CONFLICT (site) DO UPDATE SET (model, since) = ROW (excluded.model, excluded.since)",
            &[&site, &model],
        )?;
        transaction.batch_execute(&settling)?;
        transaction.commit()?;
        let (mut rows, mut after) = (0, Vec::new());
        loop {
            let mut transaction = client.transaction()?;
            let Some((brought, last)) = step(&mut transaction, site, model, &after)? else {
                break;
            };
            transaction.commit()?;
            rows += brought;
            after = last;
        }
        client.batch_execute(FAST)?;
        Ok(Some(rows))
    };
    work(&mut client)
        .map_err(|error| failure(&error))?
        .ok_or_else(|| Failure::Transient("somebody else switches models just now".to_owned()))
}

/// Refuses a site whose rows are a machine's: its daemon says which model is in use.
fn require_stream(client: &mut Client, site: &str) -> Result<(), Failure> {
    let find =
        "SELECT count(*) FILTER (WHERE name = 'stream'), count(*) FROM source WHERE site = $1";
    let row = client
        .query_one(find, &[&site])
        .map_err(|error| failure(&error))?;
    match (row.get(0), row.get(1)) {
        (1_i64, 1_i64) => Ok(()),
        _ => Err(Failure::Usage(format!(
            "'{site}' is no site of a stream alone: what is shipped shows the model that its machine has in use"
        ))),
    }
}

/// The columns of an answer.
fn answer_columns() -> Vec<String> {
    let columns = other_answer_columns().into_iter();
    columns.filter(|column| column != "digest").collect()
}

/// The view while answers are brought to the rows.
fn settling_view(client: &mut Client) -> Result<String, postgres::Error> {
    let find = "SELECT attname::text FROM pg_attribute
        WHERE attrelid = 'cutout'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let of_answer = answer_columns();
    let columns: Vec<String> = client
        .query(find, &[])?
        .iter()
        .map(|row| {
            let name: String = row.get(0);
            if of_answer.contains(&name) {
                format!(
                    "CASE WHEN other.digest IS NULL THEN cutout.{name} ELSE other.{name} END AS {name}"
                )
            } else {
                format!("cutout.{name}")
            }
        })
        .collect();
    Ok(format!(
        "CREATE OR REPLACE VIEW shown AS SELECT {} FROM cutout
         LEFT JOIN model_in_use AS used ON used.site = cutout.site
         LEFT JOIN LATERAL (
             SELECT one.* FROM other_answer AS one
             WHERE cutout.label IS NOT NULL AND cutout.model <> used.model
                 AND one.digest = cutout.digest AND one.model = used.model
             ORDER BY (one.rendering = cutout.rendering) DESC, one.classified DESC LIMIT 1) AS other ON true",
        columns.join(", ")
    ))
}

/// Brings the rows behind a key to show the model. Returns how many, and the last key; `None` if there are none.
fn step(
    transaction: &mut Transaction,
    site: &str,
    model: i32,
    after: &Vec<u8>,
) -> Result<Option<(u64, Vec<u8>)>, postgres::Error> {
    let find = "SELECT DISTINCT path_key FROM cutout
        WHERE site = $1 AND path_key > $2 AND label IS NOT NULL AND model <> $3 ORDER BY path_key LIMIT $4";
    let found = transaction.query(find, &[&site, after, &model, &PAGE])?;
    let keys: Vec<Vec<u8>> = found.iter().map(|row| row.get(0)).collect();
    let Some(last) = keys.last().cloned() else {
        return Ok(None);
    };
    // As the workers do, in their order.
    let locks: Vec<i64> = keys.iter().map(|key| lock_number(site, key)).collect();
    let lock = "SELECT count(pg_advisory_xact_lock(number)) FROM unnest($1::bigint[]) AS number";
    transaction.execute(lock, &[&locks])?;
    let has_answer = "cutout.site = $1 AND cutout.path_key = ANY ($2) AND cutout.label IS NOT NULL AND cutout.model <> $3
        AND EXISTS (SELECT 1 FROM other_answer AS one WHERE one.digest = cutout.digest AND one.model = $3)";
    let columns = answer_columns();
    let (answer, theirs) = (columns.join(", "), columns.join(", one."));
    transaction.execute(
        &format!(
            "INSERT INTO other_answer (digest, {answer}) SELECT digest, {answer} FROM cutout WHERE {has_answer}
             ORDER BY digest, model, rendering ON CONFLICT (digest, model, rendering) DO NOTHING"
        ),
        &[&site, &keys, &model],
    )?;
    let brought = transaction.execute(
        &format!(
            "UPDATE cutout SET ({answer}) = (
                 SELECT one.{theirs} FROM other_answer AS one
                 WHERE one.digest = cutout.digest AND one.model = $3
                 ORDER BY (one.rendering = cutout.rendering) DESC, one.classified DESC LIMIT 1)
             WHERE {has_answer}"
        ),
        &[&site, &keys, &model],
    )?;
    Ok(Some((brought, last)))
}

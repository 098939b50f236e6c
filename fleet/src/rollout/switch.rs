//! The views, and then the rows, show the answers of another model.
//!
//! To readers the change is one step, as it is in a machine's catalog: in the transaction that takes the model into use, the view
//! `shown` begins to look for its answers first. That is right, and slow. Then the answers are brought to the rows, some at a time,
//! between the work of others. When all are there, the view is the fast one again. A switch that was interrupted is
//! gone on with by the same command.
//!
//! **Nothing is shown and then taken back.** Answers may come beside while rows are brought. So the view becomes the fast one in a
//! transaction in which nobody writes, which brings the last rows itself, and only if no site has a row left
//! to bring: the view is that of all sites.

use std::time::Duration;

use postgres::error::SqlState;
use postgres::{Client, Transaction};

use super::{PAGE, key};
use crate::Failure;
use crate::server::{
    Bringing, Fault, Server, answer_columns, belongs, has_beside, keep_writers_out, lock_number,
    quoted, require_current,
};
use crate::stop::Stop;

/// A number that stands for the right to switch.
const LOCK: i64 = 0x676C_6D73;

/// The view when all answers are in their rows.
const FAST: &str = "CREATE OR REPLACE VIEW shown AS SELECT * FROM cutout";

/// The models that sites of streams have in use. What a machine ships shows the model that is in use there.
const IN_USE: &str = "(SELECT site, model FROM model_in_use WHERE NOT EXISTS (
        SELECT 1 FROM source WHERE source.site = model_in_use.site AND source.name <> 'stream'))";

/// How long the change of the view waits for those who read it, or write. Whoever comes meanwhile waits behind it, so it gives
/// way then, and tries again later.
const GIVES_WAY: &str = "SET LOCAL lock_timeout = '1s'";
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a site shows after a switch.
#[derive(Debug)]
pub(crate) struct Switched {
    /// Files that show the model.
    pub(crate) shown: i64,
    /// Files that show another one, since this one has not answered them.
    pub(crate) lacking: i64,
    /// Other sites whose switch is to be gone on with, and their models. The views are slow until then.
    pub(crate) others: Vec<(String, i32)>,
}

/// Takes a model into use.
pub(crate) fn switch(
    server: &Server,
    site: &str,
    model: i32,
    stop: &Stop,
) -> Result<Switched, Failure> {
    let mut client = server.connect_now()?;
    require_current(&mut client)?;
    key(&mut client, model)?;
    run(&mut client, site, model, stop).map_err(Failure::from)
}

fn run(client: &mut Client, site: &str, model: i32, stop: &Stop) -> Result<Switched, Fault> {
    require_stream(client, site)?;
    // For as long as this connection lasts.
    let locked = client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK])?;
    if !locked.get::<_, bool>(0) {
        return Err(Failure::Transient("somebody else switches models just now".to_owned()).into());
    }
    let settling = settling_view(client)?;
    alone(client, stop, |transaction| {
        transaction.execute(
            "INSERT INTO model_in_use (site, model, since) VALUES ($1, $2, now())
             ON CONFLICT (site) DO UPDATE SET (model, since) = ROW (excluded.model, excluded.since)",
            &[&site, &model],
        )?;
        Ok(transaction.batch_execute(&settling)?)
    })?;
    let bringing = Bringing::new();
    let others = loop {
        bring_all(client, &bringing, (site, model), stop)?;
        if stop.requested() {
            return Err(interrupted());
        }
        // Once before others have to wait for it: the server then knows which entries of its index are of rows that are gone.
        let mut transaction = client.transaction()?;
        left(&mut transaction, (site, model), PAGE)?;
        transaction.commit()?;
        let last = |transaction: &mut Transaction| end(transaction, &bringing, (site, model));
        if let Some(others) = alone(client, stop, last)? {
            break others;
        }
    };
    let count = format!(
        "SELECT count(*) FILTER (WHERE model = $2), count(*) FILTER (WHERE model <> $2 AND NOT EXISTS (
             SELECT 1 FROM other_answer AS one WHERE {}))
         FROM cutout WHERE site = $1 AND label IS NOT NULL",
        belongs("$2")
    );
    let row = client.query_one(&count, &[&site, &model])?;
    Ok(Switched {
        shown: row.get(0),
        lacking: row.get(1),
        others,
    })
}

fn interrupted() -> Fault {
    let what = "interrupted: the switch is not at its end (the same command goes on with it)";
    Failure::Transient(what.to_owned()).into()
}

/// Refuses a site whose rows are a machine's: its daemon says which model is in use.
fn require_stream(client: &mut Client, site: &str) -> Result<(), Fault> {
    let find =
        "SELECT count(*) FILTER (WHERE name = 'stream'), count(*) FROM source WHERE site = $1";
    let row = client.query_one(find, &[&site])?;
    match (row.get(0), row.get(1)) {
        (1_i64, 1_i64) => Ok(()),
        _ => Err(Failure::Usage(format!(
            "'{site}' is no site of a stream alone: what is shipped shows the model that its machine has in use"
        ))
        .into()),
    }
}

/// Does something in a transaction while nobody writes rows or answers. Tries until it is not in the way of others.
fn alone<T>(
    client: &mut Client,
    stop: &Stop,
    work: impl Fn(&mut Transaction) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let (mut said, mut pause) = (false, PAUSE);
    loop {
        let mut transaction = client.transaction()?;
        transaction.batch_execute(GIVES_WAY)?;
        let done = match keep_writers_out(&mut transaction) {
            Ok(()) => work(&mut transaction),
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(done) => {
                transaction.commit()?;
                return Ok(done);
            }
            Err(Fault::Server(error)) if is_in_the_way(&error) => {
                transaction.rollback()?;
                if !said {
                    log::info!(
                        "waiting for a long question to the views, or for a long transaction"
                    );
                    said = true;
                }
                stop.sleep(pause, || {});
                pause = (pause * 2).min(LONGEST_PAUSE);
                if stop.requested() {
                    return Err(interrupted());
                }
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// Whether others hold what is needed: it may be tried again.
fn is_in_the_way(error: &postgres::Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::LOCK_NOT_AVAILABLE) || code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
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
            let is_of_answer = of_answer.contains(&name);
            let name = quoted(&name);
            if is_of_answer {
                format!(
                    "CASE WHEN one.digest IS NULL THEN cutout.{name} ELSE one.{name} END AS {name}"
                )
            } else {
                format!("cutout.{name}")
            }
        })
        .collect();
    Ok(format!(
        "CREATE OR REPLACE VIEW shown AS SELECT {} FROM cutout
         LEFT JOIN {IN_USE} AS used ON used.site = cutout.site
         LEFT JOIN other_answer AS one ON cutout.label IS NOT NULL AND cutout.model <> used.model AND {}",
        columns.join(", "),
        belongs("used.model")
    ))
}

/// Brings the rows of a site, some in each transaction, in the order of their keys; or some of them, if it is asked to end.
fn bring_all(
    client: &mut Client,
    bringing: &Bringing,
    (site, model): (&str, i32),
    stop: &Stop,
) -> Result<(), Fault> {
    let mut after = Vec::<u8>::new();
    while !stop.requested() {
        let mut transaction = client.transaction()?;
        match bring_page(&mut transaction, bringing, (site, model), &after) {
            Ok(None) => break,
            Ok(Some(last)) => {
                transaction.commit()?;
                after = last;
            }
            // Workers keep answers in another order.
            Err(error) if error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Brings the next rows behind a key. Returns the last one's; `None` if there are no more.
fn bring_page(
    transaction: &mut Transaction,
    bringing: &Bringing,
    (site, model): (&str, i32),
    after: &Vec<u8>,
) -> Result<Option<Vec<u8>>, postgres::Error> {
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
    bring(transaction, bringing, (site, model), &keys)?;
    Ok(Some(last))
}

/// Brings some rows of a site.
fn bring(
    transaction: &mut Transaction,
    bringing: &Bringing,
    (site, model): (&str, i32),
    keys: &[Vec<u8>],
) -> Result<(), postgres::Error> {
    transaction.execute(&bringing.keep, &[&site, &keys, &model])?;
    transaction.execute(&bringing.show, &[&site, &keys, &model])?;
    Ok(())
}

/// Brings the last rows, and makes the view the fast one if no other site has any. Nobody writes meanwhile. Returns those
/// sites; or nothing, if there are too many rows for that.
fn end(
    transaction: &mut Transaction,
    bringing: &Bringing,
    (site, model): (&str, i32),
) -> Result<Option<Vec<(String, i32)>>, Fault> {
    let last = left(transaction, (site, model), PAGE)?;
    if last.len() as i64 == PAGE {
        return Ok(None);
    }
    bring(transaction, bringing, (site, model), &last)?;
    let find = format!("SELECT site, model FROM {IN_USE} AS used WHERE site <> $1 ORDER BY site");
    let mut others = Vec::new();
    for row in transaction.query(&find, &[&site])? {
        let (other, used): (String, i32) = (row.get(0), row.get(1));
        if !left(transaction, (&other, used), 1)?.is_empty() {
            others.push((other, used));
        }
    }
    if others.is_empty() {
        transaction.batch_execute(FAST)?;
    }
    Ok(Some(others))
}

/// The keys of rows of a site that show another model than its own, and have its answer beside; so many at most. It is asked once
/// for each other model, and by the index, whatever the server thinks of a table that has just changed.
fn left(
    transaction: &mut Transaction,
    (site, model): (&str, i32),
    most: i64,
) -> Result<Vec<Vec<u8>>, postgres::Error> {
    let find = format!(
        "SELECT path_key FROM model AS other CROSS JOIN LATERAL (
             SELECT path_key FROM cutout WHERE cutout.site = $1 AND cutout.model = other.id AND {} LIMIT $3) AS found
         WHERE other.id <> $2 LIMIT $3",
        has_beside("$2")
    );
    transaction
        .batch_execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")?;
    let found = transaction.query(&find, &[&site, &model, &most])?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

//! The views, and then the rows, show the answers of another model.
//!
//! To readers the change is one step, as it is in a machine's catalog: in the transaction that takes the model into use, the view
//! `shown` begins to look for its answers first. That is right, and slow. Then the answers are brought to the rows, some at a time,
//! between the work of others. When all are there, the view is the fast one again. A switch that was interrupted is
//! gone on with by the same command.
//!
//! **Nothing is shown and then taken back.** The view shows the answers that were there when the model was taken into use. That is
//! done while nobody writes. Whoever writes later knows the model in use, and brings its answers to the rows of its own
//! files. So when all rows have been looked at once, none is left that the slow view shows and the fast one doesn't, also while others
//! write. An answer that comes for another file of the same content is shown when it is brought to its row, as at any
//! other time. The view is that of all sites: it becomes the fast one only if no other switch was interrupted.

use std::time::Duration;

use postgres::error::SqlState;
use postgres::{Client, Transaction};

use super::{PAGE, key};
use crate::Failure;
use crate::server::{
    Bringing, Fault, LOCK_PATHS, Server, answer_columns, belongs, keep_writers_out, lock_paths,
    quoted, require_current,
};
use crate::stop::Stop;

/// A number that stands for the right to switch.
const LOCK: i64 = 0x676C_6D73;

/// The view when all answers are in their rows.
const FAST: &str = "CREATE OR REPLACE VIEW shown AS SELECT * FROM cutout";

/// The models that sites of streams have in use, and the transactions that took them into use. What a machine ships shows the model
/// that is in use there.
const IN_USE: &str = "(SELECT site, model, xmin AS taken FROM model_in_use WHERE NOT EXISTS (
        SELECT 1 FROM source WHERE source.site = model_in_use.site AND source.name <> 'stream'))";

/// Whether `one`, of `other_answer`, was there when the model was taken into use: whether its transaction is an earlier one. (The
/// server counts two billion of them before it begins anew. What is wrong after that is a site that is said to have a switch to go on
/// with.)
const WAS_THERE: &str = "age(one.xmin) >= age(used.taken)";

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
    /// Files that show another one. This one has not answered them, or only since.
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
    give_way(client, stop, |transaction| {
        take_into_use(transaction, &settling, (site, model))
    })?;
    bring_all(client, (site, model), stop)?;
    if stop.requested() {
        return Err(interrupted());
    }
    let others = unfinished(client, site)?;
    if others.is_empty() {
        give_way(client, stop, |transaction| transaction.batch_execute(FAST))?;
    }
    let count = "SELECT count(*) FILTER (WHERE model = $2), count(*) FILTER (WHERE model <> $2)
         FROM cutout WHERE site = $1 AND label IS NOT NULL";
    let row = client.query_one(count, &[&site, &model])?;
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

/// Has the view look for the answers of a model, while nobody writes rows or answers.
fn take_into_use(
    transaction: &mut Transaction,
    settling: &str,
    (site, model): (&str, i32),
) -> Result<(), postgres::Error> {
    // The view first: while a long question has it, whoever writes goes on.
    transaction.batch_execute(settling)?;
    keep_writers_out(transaction)?;
    // A number of its own, behind those of all who have written. That of the transaction is from before they were waited for.
    let mut behind_all = transaction.savepoint("behind_all")?;
    behind_all.execute(
        "INSERT INTO model_in_use (site, model, since) VALUES ($1, $2, now())
         ON CONFLICT (site) DO UPDATE SET (model, since) = ROW (excluded.model, excluded.since)",
        &[&site, &model],
    )?;
    behind_all.commit()
}

/// Does something that others may have to wait for, in a transaction. Tries until it is not in their way.
fn give_way(
    client: &mut Client,
    stop: &Stop,
    work: impl Fn(&mut Transaction) -> Result<(), postgres::Error>,
) -> Result<(), Fault> {
    let (mut said, mut pause) = (false, PAUSE);
    loop {
        let mut transaction = client.transaction()?;
        transaction.batch_execute(GIVES_WAY)?;
        match work(&mut transaction) {
            Ok(()) => return Ok(transaction.commit()?),
            Err(error) if is_in_the_way(&error) => {
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
            Err(error) => return Err(error.into()),
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
         LEFT JOIN other_answer AS one
             ON cutout.label IS NOT NULL AND cutout.model <> used.model AND {WAS_THERE} AND {}",
        columns.join(", "),
        belongs("used.model")
    ))
}

/// Brings the rows of a site, some in each transaction, in the order of their keys; or some of them, if it is asked to end.
fn bring_all(client: &mut Client, (site, model): (&str, i32), stop: &Stop) -> Result<(), Fault> {
    let bringing = Bringing::new();
    let mut after = Vec::<u8>::new();
    while !stop.requested() {
        let mut transaction = client.transaction()?;
        match bring_page(&mut transaction, &bringing, (site, model), &after) {
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
    // As the workers do.
    lock_paths(transaction, LOCK_PATHS, site, &keys)?;
    transaction.execute(&bringing.keep, &[&site, &keys, &model])?;
    transaction.execute(&bringing.show, &[&site, &keys, &model])?;
    Ok(Some(last))
}

/// The other sites that have rows for which the slow view is needed, and their models: their switches were interrupted. A site's rows
/// are found by the index, whatever the server thinks of a table that has just changed.
fn unfinished(client: &mut Client, site: &str) -> Result<Vec<(String, i32)>, postgres::Error> {
    let find = format!(
        "SELECT used.site, used.model FROM {IN_USE} AS used
         WHERE used.site <> $1 AND EXISTS (
             SELECT 1 FROM model AS other CROSS JOIN LATERAL (
                 SELECT 1 FROM cutout
                 WHERE cutout.site = used.site AND cutout.model = other.id AND cutout.label IS NOT NULL
                     AND coalesce((SELECT {WAS_THERE} FROM other_answer AS one WHERE {}), false)
                 LIMIT 1) AS found
             WHERE other.id <> used.model)
         ORDER BY used.site",
        belongs("used.model")
    );
    let mut transaction = client.transaction()?;
    transaction
        .batch_execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")?;
    let found = transaction.query(&find, &[&site])?;
    transaction.commit()?;
    Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
}

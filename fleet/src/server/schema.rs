//! The schema of the PostgreSQL catalog: numbered files, each applied once and in one transaction with the note that it was.
//!
//! The files are named as refinery and Flyway name theirs. Either could take over.

use postgres::{Client, GenericClient, Transaction};

use super::{failure, message};
use crate::Failure;

/// The files of `migrations/`, in their order: name and text.
const MIGRATIONS: [(&str, &str); 7] = [
    (
        "V1__catalog",
        include_str!("../../migrations/V1__catalog.sql"),
    ),
    (
        "V2__stream",
        include_str!("../../migrations/V2__stream.sql"),
    ),
    (
        "V3__model_in_use",
        include_str!("../../migrations/V3__model_in_use.sql"),
    ),
    (
        "V4__first_model",
        include_str!("../../migrations/V4__first_model.sql"),
    ),
    ("V5__cone", include_str!("../../migrations/V5__cone.sql")),
    (
        "V6__label_balanced",
        include_str!("../../migrations/V6__label_balanced.sql"),
    ),
    ("V7__night", include_str!("../../migrations/V7__night.sql")),
];

/// A number that stands for the right to change the schema.
const LOCK: i64 = 0x676C_6D72;

/// Makes or updates the schema. Returns the names of the files that were applied.
pub(crate) fn migrate(client: &mut Client) -> Result<Vec<&'static str>, Failure> {
    let fault = |error: &postgres::Error| {
        Failure::Unusable(format!("cannot change the schema: {}", message(error)))
    };
    let work = |client: &mut Client| -> Result<Vec<&'static str>, postgres::Error> {
        let mut transaction = client.transaction()?;
        // Two that do this at once wait for each other.
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])?;
        transaction.batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_version (
                 version integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())",
        )?;
        let done = version(&mut transaction)?;
        let schema: String = transaction
            .query_one("SELECT current_schema()", &[])?
            .get(0);
        let mut applied = Vec::new();
        for (number, (name, text)) in (1..).zip(MIGRATIONS) {
            if number > done {
                apply(
                    &mut transaction,
                    number,
                    name,
                    &text.replace("@SCHEMA@", &quoted(&schema)),
                )?;
                applied.push(name);
            }
        }
        transaction.commit()?;
        Ok(applied)
    };
    let applied = work(client).map_err(|error| fault(&error))?;
    require_current(client)?;
    Ok(applied)
}

fn apply(
    transaction: &mut Transaction,
    number: i32,
    name: &str,
    text: &str,
) -> Result<(), postgres::Error> {
    transaction.batch_execute(text)?;
    let note = "INSERT INTO schema_version (version, name) VALUES ($1, $2)";
    transaction.execute(note, &[&number, &name]).map(drop)
}

/// A name inside SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The last file that was applied; 0 for none.
fn version(client: &mut impl GenericClient) -> Result<i32, postgres::Error> {
    let there = "SELECT to_regclass('schema_version') IS NOT NULL";
    if !client.query_one(there, &[])?.get::<_, bool>(0) {
        return Ok(0);
    }
    let last = "SELECT coalesce(max(version), 0) FROM schema_version";
    Ok(client.query_one(last, &[])?.get(0))
}

/// Refuses a database whose schema is another one than this program's.
pub(crate) fn require_current(client: &mut Client) -> Result<(), Failure> {
    let found =
        version(client).map_err(|error| failure("cannot read the schema's version", &error))?;
    let own = MIGRATIONS.len() as i32;
    match found.cmp(&own) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(Failure::Unusable(format!(
            "the database has version {found} of the schema, and this program needs version {own} (run galmorph-fleet schema once)"
        ))),
        std::cmp::Ordering::Greater => Err(Failure::Unusable(format!(
            "the database has version {found} of the schema, and this program knows version {own} (update galmorph-fleet)"
        ))),
    }
}

/// The roles and what they may do. A role can log in if somebody gives it to a user: `GRANT galmorph_reader TO anna`.
const ROLES: &str = "
DO $$
DECLARE role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['galmorph_writer', 'galmorph_reader'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', current_schema(), role);
    END LOOP;
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO galmorph_writer', current_database());
END
$$;
GRANT INSERT, UPDATE, DELETE ON source, block, model, cutout, other_answer, review, worker, feeder TO galmorph_writer;
GRANT INSERT ON model_in_use TO galmorph_writer;
REVOKE EXECUTE ON FUNCTION make_month(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_month(date) TO galmorph_writer;
";

/// Makes the roles `galmorph_writer` and `galmorph_reader`, and gives them their rights.
pub(crate) fn roles(client: &mut Client) -> Result<(), Failure> {
    client
        .batch_execute(ROLES)
        .map_err(|error| Failure::Unusable(format!("cannot make the roles: {}", message(&error))))
}

/// Removes the months before the last `months` ones. The server's clock says which month it is. Returns the names of the
/// tables that are gone.
pub(crate) fn retain(client: &mut Client, months: u32) -> Result<Vec<String>, Failure> {
    require_current(client)?;
    let work = |client: &mut Client| -> Result<Vec<String>, postgres::Error> {
        let mut transaction = client.transaction()?;
        // Whoever ships looks at this before it writes, and never looks back.
        let keep = "UPDATE retention SET keep_from =
                greatest(keep_from, date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(months => $1::int))
            RETURNING to_char(keep_from AT TIME ZONE 'UTC', 'YYYY_MM')";
        let months = i32::try_from(months).expect("the command line takes no more than 12,000");
        let first: String = transaction.query_one(keep, &[&months])?.get(0);
        let old = "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
            WHERE inhparent = 'cutout'::regclass AND relname < 'cutout_' || $1 ORDER BY relname";
        let mut dropped = Vec::new();
        for row in transaction.query(old, &[&first])? {
            let name: String = row.get(0);
            transaction.batch_execute(&format!("DROP TABLE {name}"))?;
            dropped.push(name);
        }
        transaction.commit()?;
        Ok(dropped)
    };
    work(client).map_err(|error| failure("cannot remove old months", &error))
}

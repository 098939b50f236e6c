//! A machine's catalog in PostgreSQL: the same rows, whatever happens to the program, the server, the disk or the clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::similar_names,
    reason = "tests, and what they are made of"
)]

#[path = "../common/mod.rs"]
mod common;

mod cone;
mod faults;
mod label_balanced;
mod network;
mod night;
mod operation;
mod rows;

use common::machine::Machine;
use common::postgres::Server;
use common::{Program, program, terminate};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;

fn ship(server: &Server, catalog: &Path, site: &str) -> Program {
    let mut ship = program("ship");
    ship.arg("--catalog")
        .arg(catalog)
        .args(["--site", site, "--to", &server.address("owner")]);
    ship
}

/// The rows of a machine and those of the server, as text, by path. They differ in nothing.
fn assert_same(machine: &Machine, server: &Server, site: &str) {
    let columns = "path, object_id, ra, dec, position_from, radius, healpix, lower(hex(digest)), bytes, width, height, reason,
        attempts, first_seen, updated, label, confidence, p_round, p_in_between, p_cigar, p_edge_on, p_spiral, entropy,
        (SELECT name FROM model WHERE model.id = cutout.model), rendering, classified, framing, flags, program_version, camera";
    let here = Connection::open(machine.catalog()).unwrap();
    let mut statement = here
        .prepare(&format!("SELECT {columns} FROM cutout"))
        .unwrap();
    let width = statement.column_count();
    let mut expected = BTreeMap::new();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let cells: Vec<String> = (0..width)
            .map(
                |at| match row.get::<_, rusqlite::types::Value>(at).unwrap() {
                    rusqlite::types::Value::Null => "-".to_owned(),
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    rusqlite::types::Value::Real(number) => number.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    rusqlite::types::Value::Blob(_) => unreachable!("no column here is one"),
                },
            )
            .collect();
        expected.insert(cells[0].clone(), cells);
    }
    let there = columns
        .replace("lower(hex(digest))", "encode(digest, 'hex')")
        .replace("first_seen, updated", "(extract(epoch FROM first_seen) * 1000)::bigint, (extract(epoch FROM updated) * 1000)::bigint")
        .replace("classified,", "(extract(epoch FROM classified) * 1000)::bigint,");
    let mut found = BTreeMap::new();
    let query = format!("SELECT {there} FROM cutout WHERE site = $1");
    for row in server.client().query(&query, &[&site]).unwrap() {
        let cells: Vec<String> = (0..width)
            .map(|at| match *row.columns()[at].type_() {
                postgres::types::Type::FLOAT8 => row
                    .get::<_, Option<f64>>(at)
                    .map(|number| number.to_string()),
                postgres::types::Type::INT8 => row
                    .get::<_, Option<i64>>(at)
                    .map(|number| number.to_string()),
                _ => row.get::<_, Option<String>>(at),
            })
            .map(|cell| cell.unwrap_or_else(|| "-".to_owned()))
            .collect();
        assert!(
            found.insert(cells[0].clone(), cells).is_none(),
            "a path has two rows"
        );
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!(found, expected);
}

/// A server with the schema, and a machine with so many files; `None`, and a line, where PostgreSQL is not installed.
fn start(files: u32) -> Option<(Server, Machine)> {
    Some((Server::start()?.with_schema(), Machine::new(files)))
}

/// Ships a machine's catalog once, with what it says on standard error in a file.
fn ship_saying(server: &Server, machine: &Machine, site: &str) -> (Child, PathBuf) {
    let said = machine.folder.path().join("said");
    let mut ship = ship(server, &machine.catalog(), site);
    let child = ship.arg("--once").spawn_saying(&said);
    (child, said)
}

/// Ends a ship that would go on for ever.
fn finish(mut child: Child) {
    terminate(&child);
    child.wait().unwrap();
}

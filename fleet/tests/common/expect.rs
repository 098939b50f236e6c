//! What is expected of a stream, whichever one it is.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::postgres::Server;
use super::{Program, program};

/// Asserts that the rows of `images` in PostgreSQL are those of an archive's part. `folder` takes the plan.
pub fn rows_as_of_an_archive(server: &Server, images: &Path, folder: &Path) {
    let plan = folder.join("plan");
    program("plan")
        .arg(images)
        .args(["--shards", "1", "--out"])
        .arg(&plan)
        .succeeds();
    program("run").arg(&plan).arg("0").succeeds();
    let part = Connection::open(plan.join("parts/part-00000.sqlite")).unwrap();
    let mut query = part
        .prepare("SELECT path, label, reason, p_spiral, rendering, hex(digest) FROM cutout")
        .unwrap();
    let rows = query.query_map([], |row| {
        let rest: (
            Option<String>,
            Option<String>,
            Option<f64>,
            Option<String>,
            String,
        ) = (
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
            row.get(5)?,
        );
        Ok((row.get::<_, String>(0)?, rest))
    });
    let expected: BTreeMap<_, _> = rows.unwrap().map(Result::unwrap).collect();
    let query =
        "SELECT path, label, reason, p_spiral, rendering, upper(encode(digest, 'hex')) FROM cutout";
    let rows = server.client().query(query, &[]).unwrap();
    let found: BTreeMap<String, _> = rows
        .iter()
        .map(|row| {
            (
                row.get(0),
                (row.get(1), row.get(2), row.get(3), row.get(4), row.get(5)),
            )
        })
        .collect();
    assert_eq!(found, expected);
}

/// Runs workers of which each dies when it opens `poison`, until one comes to its end; and asserts that five died.
pub fn five_workers_die_of(poison: &Path, folder: &Path, work: impl Fn() -> Program) {
    let trace = folder.join("trace");
    let wrapper = [
        "strace",
        "-f",
        "-o",
        trace.to_str().unwrap(),
        "-e",
        "trace=openat",
        "-P",
        poison.to_str().unwrap(),
        "-e",
        "inject=openat:signal=SIGKILL",
    ];
    let mut killed = 0;
    while !work().under(&wrapper).success() {
        killed += 1;
        assert!(killed <= 5, "it is given up after five deliveries");
    }
    assert_eq!(killed, 5);
}

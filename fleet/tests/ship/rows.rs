//! What changes in a catalog is what PostgreSQL has.

use crate::common::machine::{Machine, entry, probabilities};
use crate::common::postgres::Server;
use crate::common::program;
use crate::{assert_same, finish, ship};
use galmorph_catalog::{Entry, Move, Verdict};
use galmorph_cutout::RejectReason;
use jiff::SignedDuration;
use rusqlite::Connection;
use std::path::PathBuf;

#[test]
fn what_is_shipped_is_what_the_machine_has_and_shipping_again_changes_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let machine = Machine::new(2500);
    let said = ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    assert!(said.starts_with("shipped 2500 files"), "{said}");
    assert_same(&machine, &server, "north");
    assert_eq!(server.count("catalog") + server.count("rejected"), 2500);
    let said = ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    assert!(said.starts_with("shipped 0 files"), "{said}");
    // The same files at another place are other files.
    ship(&server, &machine.catalog(), "south")
        .arg("--once")
        .succeeds();
    assert_same(&machine, &server, "south");
    assert_eq!(server.count("cutout"), 5000);
    // And the schema is made once.
    let said = program("schema")
        .args(["--to", &server.address("owner")])
        .succeeds();
    assert_eq!(said, "the schema is up to date\n");
}

#[test]
fn the_views_are_as_in_sqlite() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let machine = Machine::new(300).reopen("two");
    let mut machine = machine;
    // Half of the files have an answer of both models.
    machine.add(0..150);
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    assert_same(&machine, &server, "north");
    let here = Connection::open(machine.catalog()).unwrap();
    let names = |view: &str| -> Vec<String> {
        let mut statement = here
            .prepare("SELECT name FROM pragma_table_info(?1)")
            .unwrap();
        let names = statement.query_map([view], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let mut client = server.client();
    for view in ["catalog", "rejected", "probability"] {
        let statement = client.prepare(&format!("SELECT * FROM {view}")).unwrap();
        let mut there: Vec<&str> = statement
            .columns()
            .iter()
            .map(postgres::Column::name)
            .collect();
        let here = names(view);
        // A place never changes: what came after the first version is behind the site.
        let is_later = |name: &&String| matches!(&***name, "label_balanced" | "camera");
        let later = here.iter().filter(is_later).count();
        let site = there.remove(here.len() - later);
        assert_eq!(site, "site");
        assert_eq!(there, here, "{view}");
    }
    let query = "SELECT path, model, class_name, probability, ranking FROM probability ORDER BY path, model, class_name";
    let mut statement = here.prepare(query).unwrap();
    let expected: Vec<(String, String, String, f64, i64)> = statement
        .query_map([], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let query = query.replace(
        "path, model, class_name,",
        "path COLLATE \"C\", model, class_name,",
    );
    let found: Vec<(String, String, String, f64, i64)> = client
        .query(&query, &[])
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
        .collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(found, expected);
    let margins = "SELECT margin, classified_at::text FROM catalog ORDER BY path";
    let found: Vec<f64> = client
        .query(margins, &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let mut statement = here
        .prepare("SELECT margin FROM catalog ORDER BY path")
        .unwrap();
    let expected: Vec<f64> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(found, expected);
    // Vincenty's angle: a degree along the equator, and over the pole.
    let angle =
        "SELECT separation(359.5, 0, 0.5, 0), separation(10, 89, 190, 89), separation(1, 2, 1, 2)";
    let row = client.query_one(angle, &[]).unwrap();
    for (at, expected) in [(0, 1.0), (1, 2.0), (2, 0.0)] {
        let found: f64 = row.get(at);
        assert!((found - expected).abs() < 1e-12, "{found}");
    }
}

#[test]
fn a_row_that_is_overwritten_or_moved_is_shipped_whatever_the_clock_says() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let mut machine = Machine::new(2500);
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    // A clock that was set back by an hour: what is new has an older time.
    let changed: Vec<Entry> = (100..110)
        .map(|number| Entry {
            digest: Some(blake3::hash(b"another content")),
            verdict: Verdict::Classified(probabilities(number + 1)),
            ..entry(number)
        })
        .collect();
    machine.writer.record(&changed).unwrap();
    let hour = SignedDuration::from_hours(1).as_millis();
    let here = Connection::open(machine.catalog()).unwrap();
    here.execute("UPDATE cutout SET updated = updated - ?1, classified = classified - ?1 WHERE id BETWEEN 90 AND 120", [hour as i64]).unwrap();
    // And files that were moved.
    let moves: Vec<Move> = (500..510)
        .map(|number| Move {
            from: entry(number).path,
            to: PathBuf::from(format!("/data/night/done/{number:07}.jpg")),
            stamp: entry(number).stamp,
        })
        .collect();
    machine.writer.intend(&moves).unwrap();
    machine.writer.end_moves(&moves, &[]).unwrap();
    // A new file has the name of one that was moved, before the move is known there.
    machine.add(500..501);
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    assert_same(&machine, &server, "north");
    assert_eq!(server.count("cutout"), 2501);
    // An answer to a content that no file has any more is kept.
    assert_eq!(server.count("other_answer"), 10);
}

#[test]
fn a_ship_that_follows_sends_what_comes() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let mut machine = Machine::new(1500);
    let child = ship(&server, &machine.catalog(), "north")
        .args(["--sweep", "0"])
        .spawn();
    server.wait_for_rows("cutout", 1500);
    machine.add(1500..1600);
    server.wait_for_rows("cutout", 1600);
    // One that was overwritten, far from the last.
    let changed = Entry {
        verdict: Verdict::rejected(RejectReason::Broken, "gone bad"),
        ..entry(3)
    };
    machine.writer.record(&[changed]).unwrap();
    server.wait_for_rows("rejected WHERE message = 'gone bad'", 1);
    // What a person says, and takes back.
    let here = Connection::open(machine.catalog()).unwrap();
    for label in [Some("spiral"), None] {
        here.execute(
            "INSERT INTO review (digest, reviewer, label, reviewed) VALUES (zeroblob(32), 'anna', ?1, 1790000000000)",
            [label],
        ).unwrap();
    }
    server.wait_for_rows("review", 2);
    finish(child);
    assert_same(&machine, &server, "north");
}

//! A machine's catalog in PostgreSQL: the same rows, whatever happens to the program, the server, the disk or the clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::similar_names,
    reason = "tests, and what they are made of"
)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;

use common::machine::{Machine, entry, probabilities};
use common::postgres::Server;
use common::{Mount, Program, end, program, stop, terminate, wait_for};
use galmorph_catalog::{Entry, Move, Verdict};
use galmorph_cutout::RejectReason;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

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
        (SELECT name FROM model WHERE model.id = cutout.model), rendering, classified, framing, flags, program_version";
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

/// Waits until something is so on the server.
fn wait_for_rows(server: &Server, what: &str, least: i64) {
    let mut client = server.client();
    let statement = format!("SELECT count(*) FROM {what}");
    wait_for(|| client.query_one(&statement, &[]).unwrap().get::<_, i64>(0) >= least);
}

/// Ends a ship that would go on for ever.
fn finish(mut child: Child) {
    terminate(&child);
    child.wait().unwrap();
}

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
        assert_eq!(there.pop(), Some("site"));
        assert_eq!(there, names(view), "{view}");
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
    wait_for_rows(&server, "cutout", 1500);
    machine.add(1500..1600);
    wait_for_rows(&server, "cutout", 1600);
    // One that was overwritten, far from the last.
    let changed = Entry {
        verdict: Verdict::rejected(RejectReason::Broken, "gone bad"),
        ..entry(3)
    };
    machine.writer.record(&[changed]).unwrap();
    wait_for_rows(&server, "rejected WHERE message = 'gone bad'", 1);
    // What a person says, and takes back.
    let here = Connection::open(machine.catalog()).unwrap();
    for label in [Some("spiral"), None] {
        here.execute(
            "INSERT INTO review (digest, reviewer, label, reviewed) VALUES (zeroblob(32), 'anna', ?1, 1790000000000)",
            [label],
        ).unwrap();
    }
    wait_for_rows(&server, "review", 2);
    finish(child);
    assert_same(&machine, &server, "north");
}

#[test]
fn a_server_that_is_stopped_or_crashes_is_waited_for() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut server = server.with_schema();
    let machine = Machine::new(30_000);
    for signal in ["-INT", "-QUIT"] {
        server
            .client()
            .batch_execute("TRUNCATE source CASCADE; TRUNCATE cutout")
            .unwrap();
        let said = machine.folder.path().join("said");
        let child = ship(&server, &machine.catalog(), "north")
            .arg("--once")
            .spawn_saying(&said);
        // In the middle.
        wait_for_rows(&server, "cutout", 4000);
        server.stop(signal);
        wait_for(|| {
            std::fs::read_to_string(&said)
                .unwrap()
                .contains("trying again")
        });
        server.run();
        end(child, Some(0));
        assert_same(&machine, &server, "north");
    }
    // One that isn't there when it begins.
    server.stop("-INT");
    let said = machine.folder.path().join("said");
    let child = ship(&server, &machine.catalog(), "south")
        .arg("--once")
        .spawn_saying(&said);
    wait_for(|| {
        std::fs::read_to_string(&said)
            .unwrap()
            .contains("trying again")
    });
    server.run();
    end(child, Some(0));
    assert_same(&machine, &server, "south");
}

#[test]
fn a_ship_that_is_killed_is_gone_on_with() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let machine = Machine::new(30_000);
    for rows in [1, 5000, 9000, 13_000, 20_000] {
        let mut child = ship(&server, &machine.catalog(), "north")
            .arg("--once")
            .spawn();
        wait_for_rows(&server, "cutout", rows);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    assert_same(&machine, &server, "north");
}

#[test]
fn a_ship_that_wakes_up_late_overwrites_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let mut machine = Machine::new(12_000);
    let said = machine.folder.path().join("said");
    let late = ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .spawn_saying(&said);
    wait_for_rows(&server, "cutout", 4000);
    // It is stalled with rows in its hands, or at least in its plans.
    let late = stop(late);
    let changed: Vec<Entry> = (0..12_000)
        .map(|number| Entry {
            verdict: Verdict::rejected(RejectReason::Blank, "newer"),
            ..entry(number)
        })
        .collect();
    machine.writer.record(&changed).unwrap();
    // If it holds a lock, the server has to notice that nobody is there; here, that is asked of it.
    let mut client = server.client();
    client.batch_execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'galmorph-fleet'",
    ).unwrap();
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    assert_same(&machine, &server, "north");
    let session = "SELECT session FROM source";
    let before: i64 = client.query_one(session, &[]).unwrap().get(0);
    // It was cut off, so it begins anew, and reads what is there now.
    late.go_on(Some(0));
    assert_same(&machine, &server, "north");
    let after: i64 = client.query_one(session, &[]).unwrap().get(0);
    assert_eq!(after, before + 1);
}

#[test]
fn of_two_ships_for_one_site_the_first_ends() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let mut machine = Machine::new(1000);
    let said = machine.folder.path().join("said");
    let first = ship(&server, &machine.catalog(), "north").spawn_saying(&said);
    wait_for_rows(&server, "cutout", 1000);
    let second = ship(&server, &machine.catalog(), "north").spawn();
    wait_for_rows(&server, "source WHERE session = 2", 1);
    machine.add(1000..1010);
    end(first, Some(3));
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("has taken over this site"), "{said}");
    wait_for_rows(&server, "cutout", 1010);
    finish(second);
    assert_same(&machine, &server, "north");
}

#[test]
fn another_catalog_under_the_name_of_a_site_is_refused_and_can_take_its_place() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let old = Machine::new(1200);
    ship(&server, &old.catalog(), "north")
        .arg("--once")
        .succeeds();
    // Its disk was lost, and the files are classified again; one is new, and some aren't there yet.
    let mut new = Machine::new(0);
    new.add(1000..1201);
    let said = ship(&server, &new.catalog(), "north")
        .arg("--once")
        .fails(2);
    assert!(said.contains("was shipped from another catalog"), "{said}");
    assert_same(&old, &server, "north");
    ship(&server, &new.catalog(), "north")
        .args(["--once", "--replace"])
        .succeeds();
    assert_eq!(server.count("cutout"), 1201);
    assert_eq!(
        server.count("(SELECT DISTINCT path FROM cutout) AS paths"),
        1201
    );
    new.add(0..1000);
    ship(&server, &new.catalog(), "north")
        .arg("--once")
        .succeeds();
    assert_same(&new, &server, "north");
}

#[test]
fn two_machines_with_the_same_contents_do_not_lock_each_other() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let machines: Vec<Machine> = (0..3)
        .map(|_| {
            let mut machine = Machine::new(4000).reopen("two");
            machine.add(0..4000);
            machine
        })
        .collect();
    let sites = ["a", "b", "c"];
    let children: Vec<Child> = machines
        .iter()
        .zip(sites)
        .map(|(machine, site)| {
            ship(&server, &machine.catalog(), site)
                .arg("--once")
                .spawn()
        })
        .collect();
    for child in children {
        end(child, Some(0));
    }
    for (machine, site) in machines.iter().zip(sites) {
        assert_same(machine, &server, site);
    }
    // The first answer of a key stays, once.
    let classified = (0..4000).filter(|number| number % 97 != 13).count();
    assert_eq!(server.count("other_answer"), classified as i64);
    assert_eq!(server.count("model"), 2);
}

#[test]
fn a_full_disk_of_the_server_is_waited_for() {
    let mut mount = None;
    let server = Server::start_in(|disk| {
        mount = Mount::tmpfs(disk, "60m");
        mount.is_some()
    });
    let Some(server) = server else { return };
    let mut server = server.with_schema();
    let machine = Machine::new(60_000);
    let said = machine.folder.path().join("said");
    let mut child = ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .spawn_saying(&said);
    wait_for(|| {
        std::fs::read_to_string(&said)
            .unwrap()
            .contains("No space left on device")
    });
    // The server may be up, or have crashed on it and not be able to recover.
    assert!(child.try_wait().unwrap().is_none());
    Mount::resize(server.data().parent().unwrap(), "400m");
    server.run_if_ended();
    end(child, Some(0));
    assert_same(&machine, &server, "north");
    drop(server);
}

#[test]
fn old_months_go_and_do_not_come_back() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let mut machine = Machine::new(1000);
    let old = Timestamp::now() - SignedDuration::from_hours(24 * 100);
    let entries: Vec<Entry> = (1000..1100)
        .map(|number| Entry {
            first_seen: old,
            ..entry(number)
        })
        .collect();
    machine.writer.record(&entries).unwrap();
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    assert_eq!(server.count("cutout"), 1100);
    let said = program("retain")
        .args(["--months", "2", "--to", &server.address("owner")])
        .succeeds();
    assert!(said.starts_with("removed cutout_20"), "{said}");
    assert_eq!(server.count("cutout"), 1000);
    // Its block changes, and has old rows in it.
    machine.add(1100..1101);
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    assert_eq!(server.count("cutout"), 1001);
    let said = program("retain")
        .args(["--months", "2", "--to", &server.address("owner")])
        .succeeds();
    assert_eq!(said, "nothing is that old\n");
}

#[test]
fn a_writer_can_ship_and_a_reader_can_read() {
    let Some(server) = Server::start() else {
        return;
    };
    let refused = ship(&server, &Machine::new(1).catalog(), "north")
        .arg("--once")
        .fails(3);
    assert!(
        refused.contains("run galmorph-fleet schema once"),
        "{refused}"
    );
    let server = server.with_schema();
    server.client().batch_execute(
        "CREATE ROLE north LOGIN IN ROLE galmorph_writer; CREATE ROLE anna LOGIN IN ROLE galmorph_reader",
    ).unwrap();
    let machine = Machine::new(1200);
    let as_user = |user: &str| {
        let mut ship = program("ship");
        ship.arg("--catalog").arg(machine.catalog()).args([
            "--once",
            "--site",
            "north",
            "--to",
            &server.address(user),
        ]);
        ship
    };
    as_user("north").succeeds();
    assert_same(&machine, &server, "north");
    let refused = as_user("anna").fails(3);
    assert!(refused.contains("permission denied"), "{refused}");
    let mut anna = postgres::Client::connect(&server.address("anna"), postgres::NoTls).unwrap();
    let rows: i64 = anna
        .query_one("SELECT count(*) FROM probability", &[])
        .unwrap()
        .get(0);
    assert!(rows > 5000);
    assert!(anna.batch_execute("DELETE FROM cutout").is_err());
}

#[test]
fn a_server_that_can_not_prove_who_it_is_gets_nothing() {
    if !common::has("openssl") {
        eprintln!("skipped: there is no openssl");
        return;
    }
    let Some(server) = Server::start() else {
        return;
    };
    let mut server = server.with_schema();
    let folder = TempDir::new().unwrap();
    let certify = |name: &str| {
        let [key, certificate] =
            ["key", "crt"].map(|ending| folder.path().join(format!("{name}.{ending}")));
        let made = std::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ])
            .args([
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout",
            ])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(std::process::Stdio::null())
            .status();
        assert!(made.unwrap().success());
        (key, certificate)
    };
    let (key, certificate) = certify("server");
    let (_, other) = certify("other");
    for (file, name) in [(&key, "server.key"), (&certificate, "server.crt")] {
        let there = server.data().join(name);
        std::fs::copy(file, &there).unwrap();
        std::os::unix::fs::chown(&there, None, None).unwrap();
        std::fs::set_permissions(&there, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        server.give(&there);
    }
    server.stop("-INT");
    server.set("ssl=on");
    server.run();
    let machine = Machine::new(50);
    let over_tls = |root: Option<&Path>| {
        let mut ship = program("ship");
        let address = format!("{}?sslmode=require", server.address("owner"));
        ship.arg("--catalog")
            .arg(machine.catalog())
            .args(["--once", "--site", "north", "--to", &address]);
        if let Some(root) = root {
            ship.arg("--tls-root").arg(root);
        }
        ship
    };
    for root in [None, Some(&*other)] {
        let said = over_tls(root).fails(3);
        assert!(said.contains("certificate verify failed"), "{said}");
    }
    assert_eq!(server.count("cutout"), 0);
    over_tls(Some(&certificate)).succeeds();
    assert_same(&machine, &server, "north");
}

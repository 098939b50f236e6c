//! Rights, TLS and retention.

use crate::common::machine::{Machine, entry};
use crate::common::postgres::Server;
use crate::common::{has, program};
use crate::{assert_same, ship};
use galmorph_catalog::Entry;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use tempfile::TempDir;

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
    let near = anna.query("SELECT path FROM cone(77, 77, 0.1)", &[]);
    assert_eq!(near.unwrap().len(), 4);
    assert!(anna.batch_execute("DELETE FROM cutout").is_err());
}

#[test]
fn a_server_that_can_not_prove_who_it_is_gets_nothing() {
    if !has("openssl") {
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

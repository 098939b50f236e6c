//! A ship whose server, catalog or twin gets in its way.

use crate::common::machine::{Machine, entry};
use crate::common::postgres::Server;
use crate::common::stream::wait_for_words;
use crate::common::{Mount, end, stop};
use crate::{assert_same, finish, ship, ship_saying, start};
use galmorph_catalog::{Entry, Verdict};
use galmorph_cutout::RejectReason;
use std::process::Child;

#[test]
fn a_server_that_is_stopped_or_crashes_is_waited_for() {
    let Some((mut server, machine)) = start(30_000) else {
        return;
    };
    for signal in ["-INT", "-QUIT"] {
        server
            .client()
            .batch_execute("TRUNCATE source CASCADE; TRUNCATE cutout")
            .unwrap();
        let (child, said) = ship_saying(&server, &machine, "north");
        // In the middle.
        server.wait_for_rows("cutout", 4000);
        server.stop(signal);
        wait_for_words(&said, "trying again");
        server.run();
        end(child, Some(0));
        assert_same(&machine, &server, "north");
    }
    // One that isn't there when it begins.
    server.stop("-INT");
    let (child, said) = ship_saying(&server, &machine, "south");
    wait_for_words(&said, "trying again");
    server.run();
    end(child, Some(0));
    assert_same(&machine, &server, "south");
}

#[test]
fn a_ship_that_is_killed_is_gone_on_with() {
    let Some((server, machine)) = start(30_000) else {
        return;
    };
    for rows in [1, 5000, 9000, 13_000, 20_000] {
        let mut child = ship(&server, &machine.catalog(), "north")
            .arg("--once")
            .spawn();
        server.wait_for_rows("cutout", rows);
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
    let Some((server, mut machine)) = start(12_000) else {
        return;
    };
    let (late, _) = ship_saying(&server, &machine, "north");
    server.wait_for_rows("cutout", 4000);
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
    let Some((server, mut machine)) = start(1000) else {
        return;
    };
    let said = machine.folder.path().join("said");
    let first = ship(&server, &machine.catalog(), "north").spawn_saying(&said);
    server.wait_for_rows("cutout", 1000);
    let second = ship(&server, &machine.catalog(), "north").spawn();
    server.wait_for_rows("source WHERE session = 2", 1);
    machine.add(1000..1010);
    end(first, Some(3));
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("has taken over this site"), "{said}");
    server.wait_for_rows("cutout", 1010);
    finish(second);
    assert_same(&machine, &server, "north");
}

#[test]
fn another_catalog_under_the_name_of_a_site_is_refused_and_can_take_its_place() {
    let Some((server, old)) = start(1200) else {
        return;
    };
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
    let (mut child, said) = ship_saying(&server, &machine, "north");
    wait_for_words(&said, "No space left on device");
    // The server may be up, or have crashed on it and not be able to recover.
    assert!(child.try_wait().unwrap().is_none());
    Mount::resize(server.data().parent().unwrap(), "400m");
    server.run_if_ended();
    end(child, Some(0));
    assert_same(&machine, &server, "north");
    drop(server);
}

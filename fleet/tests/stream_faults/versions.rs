//! Two versions of the program at once.

use std::env;
use std::path::PathBuf;

use crate::common::stream::{Site, finish};
use crate::common::{end, program, program_at, wait_for};

#[test]
fn a_schema_that_is_newer_ends_workers_and_loses_nothing() {
    let Some(site) = Site::start() else { return };
    let files = site.images(200);
    site.feed().succeeds();
    let worker = site.work().args(["--batch", "10"]).spawn();
    site.wait_for_rows("cutout", 10);
    // Somebody updates the schema under it.
    let mut client = site.server.client();
    client
        .batch_execute("INSERT INTO schema_version (version, name) VALUES (99, 'later')")
        .unwrap();
    // Who has a connection goes on; who begins, or begins anew, is refused.
    let said = site.drain().fails(3);
    assert!(said.contains("update galmorph-fleet"), "{said}");
    site.wait_for_work();
    client.batch_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'galmorph-fleet'").unwrap();
    end(worker, Some(3));
    assert!(site.length() > 0, "the worker was to be in the middle");
    // And the programs that know it come.
    client
        .batch_execute("DELETE FROM schema_version WHERE version = 99")
        .unwrap();
    site.drain().succeeds();
    site.assert_all_done(files);
}

/// tests/soak/fleet builds the version before this one for it.
#[test]
fn an_earlier_version_and_this_one_share_a_stream_while_the_schema_is_updated() {
    let Some(earlier) = env::var_os("GALMORPH_FLEET_EARLIER").map(PathBuf::from) else {
        eprintln!(
            "skipped: GALMORPH_FLEET_EARLIER names no program of an earlier version (tests/soak/fleet builds one)"
        );
        return;
    };
    // Its own schema first.
    let Some(site) = Site::start_with(|server| {
        program_at(&earlier, "schema")
            .args(["--to", &server.address("owner")])
            .succeeds();
    }) else {
        return;
    };
    let files = site.images(400);
    site.of_build(program_at(&earlier, "feed"))
        .arg(site.root())
        .succeeds();
    let work = |place: &PathBuf| {
        let mut work = site.of_build(program_at(place, "work"));
        work.args(["--claim", "2", "--workers", "1", "--batch", "20"])
            .arg(site.root());
        work
    };
    let mut old = work(&earlier).spawn();
    site.wait_for_rows("cutout", 40);
    program("schema")
        .args(["--to", &site.server.address("owner")])
        .succeeds();
    let new = site.work().args(["--batch", "20"]).spawn();
    site.wait_for_rows("worker", 2);
    // Some of each version write, whichever was there first.
    site.wait_for_rows("cutout", files);
    wait_for(|| site.length() == 0);
    finish(new);
    // It has ended by itself, if it met the new schema.
    match old.try_wait().unwrap() {
        Some(status) => assert_eq!(status.code(), Some(3)),
        None => finish(old),
    }
    site.assert_all_done(files);
}

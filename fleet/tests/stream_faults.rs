//! A stream under faults of its workers and servers: each file has one row in the end, and was written once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, and what they are made of"
)]

mod common;

use std::fs;

use common::stream::{Site, finish, wait_for_words};
use common::{end, has, stop, wait_for};

#[test]
fn what_a_killed_worker_held_is_taken_over() {
    let Some(site) = Site::start() else { return };
    let files = site.images(200);
    site.feed().succeeds();
    // In the middle of its first batch, and in the middle of a later one.
    for rows in [0, 60] {
        let mut worker = site.work().args(["--batch", "40"]).spawn();
        site.wait_for_rows("cutout", rows);
        site.wait_for_work();
        worker.kill().unwrap();
        worker.wait().unwrap();
        assert!(!site.held().is_empty());
    }
    site.drain().succeeds();
    site.assert_all_done(files);
}

#[test]
fn a_worker_that_wakes_up_late_overwrites_nothing() {
    let Some(site) = Site::start() else { return };
    let files = site.images(200);
    site.feed().succeeds();
    let late = site.work().args(["--batch", "100"]).spawn();
    site.wait_for_work();
    let held: Vec<String> = site.held().into_iter().map(|(id, ..)| id).collect();
    let late = stop(late);
    // If it is in a transaction, the server ends that. Here, that is asked of it.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'galmorph-fleet'";
    site.server.client().batch_execute(cut).unwrap();
    // Meanwhile the files change, and others take over.
    fs::write(site.image(0), "no image any more").unwrap();
    site.drain().succeeds();
    assert_eq!(site.held(), [], "{} were held", held.len());
    assert_eq!(site.server.count("cutout"), files);
    let rows = "SELECT md5(string_agg(cutout::text, ' ' ORDER BY path)) FROM cutout";
    let text = || -> String { site.server.client().query_one(rows, &[]).unwrap().get(0) };
    let before = text();
    // It wakes up, and finds that all is done.
    let late = late.wakes();
    site.add(&[("path", site.image(1).to_str().unwrap())]);
    wait_for(|| site.length() == 0);
    finish(late);
    assert_eq!(text(), before);
    assert_eq!(site.row(&site.image(0)).1.as_deref(), Some("not_an_image"));
    site.assert_all_done(files);
}

#[test]
fn postgresql_that_is_stopped_is_waited_for() {
    let Some(mut site) = Site::start() else {
        return;
    };
    let files = site.images(200);
    site.feed().succeeds();
    let said = site.folder.path().join("said");
    let worker = site.drain().args(["--batch", "20"]).spawn_saying(&said);
    site.wait_for_rows("cutout", 20);
    // It stands still until the server is gone, so it is in the middle then.
    let worker = stop(worker);
    let rows = site.server.count("cutout");
    site.server.stop("-INT");
    let worker = worker.wakes();
    wait_for_words(&said, "trying again in 2 s");
    // What may have been committed and not acknowledged is one batch.
    let left = site.length();
    assert!(
        left >= files - rows,
        "{left} of {files} are left with {rows} rows"
    );
    assert!(left > 0, "the worker was to be in the middle");
    site.server.run();
    end(worker, Some(0));
    site.assert_all_done(files);
    // One that isn't there when a worker and a feeder begin.
    site.server.stop("-QUIT");
    let new = site.root().join("new.jpg");
    fs::copy(site.image(0), new).unwrap();
    let [feeding, working] = ["feeding", "working"].map(|name| site.folder.path().join(name));
    let feeder = site.feed().spawn_saying(&feeding);
    let worker = site.work().spawn_saying(&working);
    for said in [&feeding, &working] {
        wait_for_words(said, "trying again");
    }
    site.server.run();
    end(feeder, Some(0));
    site.wait_for_rows("cutout", files + 1);
    finish(worker);
    site.assert_all_done(files + 1);
}

#[test]
fn redis_that_is_killed_is_waited_for_and_one_that_is_lost_is_fed_again() {
    let Some(mut site) = Site::start() else {
        return;
    };
    let files = site.images(250);
    site.feed().succeeds();
    let said = site.folder.path().join("said");
    let worker = site.work().args(["--batch", "10"]).spawn_saying(&said);
    // With its file, it goes on where it was.
    site.wait_for_rows("cutout", 20);
    site.redis.kill();
    wait_for_words(&said, "trying again");
    site.redis.run();
    site.wait_for_rows("cutout", 80);
    // Without, what was on it is gone, and feeding once more brings back what has no row.
    site.redis.kill();
    site.redis.wipe();
    site.redis.run();
    let feeding = site.feed().succeeds();
    assert!(!feeding.contains(" 0 added"), "{feeding}");
    site.wait_for_rows("cutout", files);
    wait_for(|| site.length() == 0);
    // And a stream that is emptied while workers wait for it.
    redis::cmd("FLUSHALL")
        .query::<()>(&mut site.redis.connection())
        .unwrap();
    fs::copy(site.image(0), site.root().join("new.jpg")).unwrap();
    site.feed().succeeds();
    site.wait_for_rows("cutout", files + 1);
    finish(worker);
    site.assert_all_done(files + 1);
}

#[test]
fn a_file_that_ends_its_workers_is_given_up_and_takes_none_with_it() {
    let Some(site) = Site::start() else { return };
    if !has("strace") {
        eprintln!("skipped: strace is not installed (scripts/setup fleet installs it)");
        return;
    }
    let files = site.images(150);
    site.feed().succeeds();
    let poison = site.image(70);
    let trace = site.folder.path().join("trace");
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
    // Whoever opens it dies.
    while !site.drain().under(&wrapper).success() {
        killed += 1;
        assert!(killed <= 5, "it is given up after five deliveries");
    }
    assert_eq!(killed, 5);
    let (label, reason, attempts) = site.row(&poison);
    assert_eq!(
        (label, reason.as_deref(), attempts),
        (None, Some("given_up"), 6)
    );
    assert_eq!(
        site.number("SELECT count(*) FROM cutout WHERE reason IS NOT NULL"),
        1
    );
    site.assert_all_done(files);
    // It is not fed again, unless it changes.
    assert!(site.feed().succeeds().ends_with(" 0 added\n"));
    let report = site.report();
    assert_eq!(report["reasons"]["given_up"], 1);
}

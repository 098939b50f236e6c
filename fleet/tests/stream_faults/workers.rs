//! Workers that die, stall, or meet a file that ends them.

use crate::common::expect::five_workers_die_of;
use crate::common::stream::{Site, finish};
use crate::common::{has, is_long, stop, wait_for};
use std::fs;

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
fn a_file_that_ends_its_workers_is_given_up_and_takes_none_with_it() {
    let Some(site) = Site::start() else { return };
    if !has("strace") {
        eprintln!("skipped: strace is not installed (scripts/setup fleet installs it)");
        return;
    }
    let files = site.images(if is_long() { 10_000 } else { 150 });
    site.feed().succeeds();
    let poison = site.image(70);
    five_workers_die_of(&poison, site.folder.path(), || site.drain());
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

#[test]
fn a_worker_that_is_killed_at_any_message_to_a_server_loses_and_doubles_nothing() {
    let Some(site) = Site::start() else { return };
    if !has("strace") {
        eprintln!("skipped: strace is not installed (scripts/setup fleet installs it)");
        return;
    }
    let trace = site.folder.path().join("trace");
    let (mut files, mut at, step) = (0, 1, if is_long() { 1 } else { 9 });
    loop {
        // Two batches.
        if files == 0 {
            site.images(4);
        } else {
            for number in files..files + 4 {
                fs::copy(site.image(number % 4), site.image(number)).unwrap();
            }
        }
        files += 4;
        site.feed().succeeds();
        // Before the message is sent. All of them are sent by one thread.
        let inject = format!("inject=sendto:signal=SIGKILL:when={at}");
        let wrapper = [
            "strace",
            "-f",
            "-o",
            trace.to_str().unwrap(),
            "-e",
            "trace=sendto",
            "-e",
            &inject,
        ];
        let is_over = site
            .drain()
            .args(["--batch", "2"])
            .under(&wrapper)
            .success();
        site.drain().succeeds();
        assert_eq!(site.server.count("cutout"), files as i64, "message {at}");
        if is_over {
            break;
        }
        at += step;
    }
    assert!(at > 30, "it sent {at} messages at most");
    site.assert_all_done(files as i64);
}

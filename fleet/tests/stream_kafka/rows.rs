//! What comes out of a stream.

use std::fs;

use crate::broker::{Broker, TOPIC, Tansu};
use crate::common::expect::rows_as_of_an_archive;
use crate::common::stream::finish;
use crate::site::Site;

#[test]
fn what_is_fed_is_answered_as_run_answers_it_and_feeding_again_adds_nothing() {
    let Some(broker) = Broker::tansu(6) else {
        return;
    };
    let Some(site) = Site::with(broker) else {
        return;
    };
    site.images(20);
    fs::write(site.image(20), "no image").unwrap();
    let other = site.root().join("a b%41\u{e9}\".jpg");
    fs::copy(site.image(0), &other).unwrap();
    assert_eq!(
        site.feed().succeeds(),
        "22 files: 0 answered, 0 rejected, 0 waiting, 22 added\n"
    );
    assert_eq!(
        site.feed().succeeds(),
        "22 files: 0 answered, 0 rejected, 22 waiting, 0 added\n"
    );
    let report = site.report();
    assert_eq!(
        (&report["waiting"], &report["unaccounted"]),
        (&22.into(), &0.into())
    );
    assert_eq!(
        site.drain().succeeds(),
        "21 answered, 1 rejected, 0 known already\n"
    );
    assert_eq!(
        site.feed().succeeds(),
        "22 files: 21 answered, 1 rejected, 0 waiting, 0 added\n"
    );
    site.assert_all_done(22);

    rows_as_of_an_archive(&site.server, &site.root(), site.folder.path());
}

#[test]
fn two_workers_share_and_none_does_what_the_other_does() {
    let Some(broker) = Broker::tansu(6) else {
        return;
    };
    let Some(site) = Site::with(broker) else {
        return;
    };
    let files = site.images(300);
    let work = || {
        // However slow the machine is, neither is taken for gone.
        let mut work = site.work_silent_for("600");
        work.args(["--batch", "8"]).spawn()
    };
    let workers = [work(), work()];
    // Both are there before there is anything to do.
    site.wait_for_rows("worker", 2);
    site.feed().succeeds();
    site.wait_for_rows("cutout", files);
    for worker in workers {
        finish(worker);
    }
    site.assert_all_done(files);
    let shared = "SELECT count(*) FROM worker WHERE answered > 0 AND known = 0";
    assert_eq!(site.number(shared), 2);
    let gone = "SELECT count(*) FROM worker WHERE ended IS NULL";
    assert_eq!(site.number(gone), 0);
}

#[test]
fn a_worker_that_is_asked_to_end_finishes_what_it_has() {
    let Some(broker) = Broker::tansu(3) else {
        return;
    };
    let Some(site) = Site::with(broker) else {
        return;
    };
    let files = site.images(300);
    site.feed().succeeds();
    let worker = site.work().spawn();
    site.wait_for_rows("cutout", 1);
    finish(worker);
    // What it took has rows and is gone from the stream, and the rest waits.
    let rows = site.server.count("cutout");
    assert!(rows < files, "the worker was to end before the stream does");
    let report = site.report();
    assert_eq!(
        (&report["held"], &report["waiting"]),
        (&0.into(), &(files - rows).into())
    );
    site.drain().succeeds();
    site.assert_all_done(files);
    let known = "SELECT sum(known)::bigint FROM worker";
    assert_eq!(site.number(known), 0);
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let Some(tansu) = Tansu::start() else { return };
    let Some(site) = Site::with(Broker::Tansu(tansu)) else {
        return;
    };
    site.images(1);
    for said in [site.feed().fails(3), site.drain().fails(3)] {
        assert!(
            said.contains(&format!("there is no topic '{TOPIC}'")),
            "{said}"
        );
    }
}

//! Workers that die, files that end them, and brokers that are lost.

use std::fs;

use crate::broker::Broker;
use crate::common::expect::five_workers_die_of;
use crate::common::stream::wait_for_words;
use crate::common::{end, has, terminate, wait_for};
use crate::site::Site;

#[test]
fn what_a_killed_worker_had_comes_to_another() {
    let Some(broker) = Broker::tansu(3) else {
        return;
    };
    killed(broker);
}

#[test]
fn what_a_killed_worker_had_is_tried_one_by_one_where_the_broker_keeps_marks() {
    killed(Broker::mock(3));
}

fn killed(broker: Broker) {
    let is_mock = matches!(broker, Broker::Mock(_));
    let Some(site) = Site::with(broker) else {
        return;
    };
    let files = site.images(200);
    site.feed().succeeds();
    let mut worker = site.work().args(["--batch", "40"]).spawn();
    site.wait_for_rows("cutout", 1);
    worker.kill().unwrap();
    worker.wait().unwrap();
    let report = site.report();
    if is_mock {
        assert!(report["held"].as_i64().unwrap() > 0, "{report}");
        assert_eq!(report["machines"][0]["held"], report["held"], "{report}");
    }
    assert_eq!(report["unaccounted"], 0, "{report}");
    site.drain().succeeds();
    site.assert_all_done(files);
}

#[test]
fn a_file_that_ends_its_workers_is_given_up_and_takes_none_with_it() {
    let Some(site) = Site::with(Broker::mock(2)) else {
        return;
    };
    if !has("strace") {
        eprintln!("skipped: strace is not installed (scripts/setup fleet installs it)");
        return;
    }
    let files = site.images(150);
    site.feed().succeeds();
    let poison = site.image(70);
    five_workers_die_of(&poison, site.folder.path(), || site.drain());
    let (label, reason, attempts) = site.row(&poison);
    assert_eq!(
        (label, reason.as_deref(), attempts),
        (None, Some("given_up"), 6)
    );
    let rejected = "SELECT count(*) FROM cutout WHERE reason IS NOT NULL";
    assert_eq!(site.number(rejected), 1);
    site.assert_all_done(files);
    // It is not fed again, unless it changes.
    assert!(site.feed().succeeds().ends_with(" 0 added\n"));
}

#[test]
fn what_lies_in_no_folder_of_a_worker_is_put_back_and_given_up_in_the_end() {
    let Some(site) = Site::with(Broker::mock(2)) else {
        return;
    };
    let files = site.images(3);
    site.feed().succeeds();
    let elsewhere = site.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let file = elsewhere.join("a.jpg");
    fs::copy(site.image(0), &file).unwrap();
    site.command("feed").arg(&elsewhere).succeeds();
    site.drain().succeeds();
    assert_eq!(site.row(&file).1.as_deref(), Some("given_up"));
    site.assert_all_done(files + 1);
}

#[test]
fn a_broker_that_is_away_is_waited_for() {
    let Some(site) = Site::with(Broker::mock(3)) else {
        return;
    };
    let files = site.images(150);
    site.feed().succeeds();
    let said = site.folder.path().join("said");
    let worker = site.drain().args(["--batch", "10"]).spawn_saying(&said);
    site.wait_for_rows("cutout", 20);
    site.broker.is_away(true);
    wait_for_words(&said, "trying again");
    let feeding = site.folder.path().join("feeding");
    let feeder = site.feed().spawn_saying(&feeding);
    wait_for_words(&feeding, "trying again");
    site.broker.is_away(false);
    end(feeder, Some(0));
    end(worker, Some(0));
    site.assert_all_done(files);
}

#[test]
fn a_broker_that_lost_all_is_fed_again() {
    let Some(broker) = Broker::tansu(3) else {
        return;
    };
    let Some(mut site) = Site::with(broker) else {
        return;
    };
    let files = site.images(150);
    site.feed().succeeds();
    let said = site.folder.path().join("said");
    let mut worker = site.work().args(["--batch", "10"]).spawn_saying(&said);
    site.wait_for_rows("cutout", 20);
    site.broker.as_tansu().kill();
    wait_for_words(&said, "trying again");
    // It comes back with nothing in it.
    site.broker.as_tansu().run();
    site.broker.as_tansu().make_topic(3);
    let feeding = site.feed().succeeds();
    assert!(!feeding.contains(" 0 added"), "{feeding}");
    site.wait_for_rows("cutout", files);
    wait_for(|| site.report()["waiting"] == 0);
    site.assert_all_done(files);
    // A worker can be ended while its broker is away.
    site.broker.as_tansu().kill();
    terminate(&worker);
    let code = worker.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 75)), "{code:?}");
}

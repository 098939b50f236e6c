//! `galmorph status`: the fields that others read, and counts that add up.

use std::collections::BTreeSet;
use std::fs;

use rusqlite::TransactionBehavior;
use serde_json::Value;

use crate::support::{Dir, file_counts, jpeg, wait_until};

fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn the_status_has_exactly_the_fields_that_others_read() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.old_file("bad.jpg", b"text");
    dir.drain().exits(1);
    dir.old_file("new.jpg", &jpeg(2));
    let status = dir.status();
    let expect = |value: &Value, names: &[&str]| {
        assert_eq!(keys(value), names.iter().copied().collect(), "{value}");
    };
    expect(
        &status,
        &[
            "format",
            "catalog",
            "running",
            "model",
            "folders",
            "files",
            "rejected",
            "oldest_waiting",
            "other_files",
            "rate",
            "database_bytes",
            "wal_bytes",
            "last_error",
            "nights",
        ],
    );
    expect(&status["model"], &["name", "digest", "arithmetic"]);
    expect(&status["folders"][0], &["path", "waiting", "fault"]);
    expect(
        &status["files"],
        &["seen", "classified", "rejected", "waiting"],
    );
    expect(&status["rate"], &["minute", "five_minutes", "hour"]);
    expect(&status["oldest_waiting"], &["path", "since"]);
    expect(
        &status["nights"][0],
        &[
            "night",
            "model",
            "galaxies",
            "counted",
            "camera",
            "other_camera",
        ],
    );

    assert_eq!(status["format"], 1);
    assert_eq!(status["running"], false);
    assert_eq!(
        status["model"]["name"],
        dir.ask::<String>("SELECT name FROM model")
    );
    assert_eq!(
        status["model"]["arithmetic"],
        dir.ask::<String>("SELECT arithmetic FROM catalog LIMIT 1")
    );
    assert_eq!(
        status["folders"][0]["path"],
        dir.path("inbox").to_str().unwrap()
    );
    assert_eq!(status["folders"][0]["waiting"], 1);
    assert!(status["folders"][0]["fault"].is_null());
    assert_eq!(status["rejected"]["not_an_image"], 1);
    assert_eq!(
        status["oldest_waiting"]["path"],
        dir.inbox("new.jpg").to_str().unwrap()
    );
    let hour = status["rate"]["hour"].as_f64().unwrap();
    assert!((hour * 3600.0 - 1.0).abs() < 1e-6, "{hour}");
    let size = fs::metadata(dir.path("galmorph.sqlite")).unwrap().len();
    assert_eq!(status["database_bytes"], size);
    assert!(status["last_error"].is_null());
    assert_eq!(file_counts(&status), [3, 1, 1, 1]);
}

#[test]
fn the_status_names_the_nights_that_look_like_another_cameras() {
    let dir = Dir::new();
    for seed in 0..40 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.drain().exits(0);
    let line = || {
        let text = dir.run(&["status"]).exits(0).stdout;
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix("camera "));
        line.map(|line| line.trim().to_owned())
    };
    // Twenty files in each of two nights, as if the model had said nothing of their camera.
    let change = |sql: &str| dir.catalog().execute_batch(sql).unwrap();
    let night = "1000 * unixepoch('2026-11-20 23:00') + 86400000 * (id % 2)";
    change(&format!(
        "UPDATE cutout SET confidence = 0.95, camera = NULL, classified = {night}"
    ));
    assert_eq!(line(), None);
    let status = dir.status();
    let dates: Vec<&Value> = (status["nights"].as_array().unwrap().iter())
        .map(|night| &night["night"])
        .collect();
    assert_eq!(dates, ["2026-11-21", "2026-11-20"]);
    assert!(status["nights"][0]["other_camera"].is_null());

    change("UPDATE cutout SET camera = 0.5");
    assert_eq!(line().as_deref(), Some("no sign of another one"));
    change("UPDATE cutout SET camera = 0.9 WHERE id % 2 = 1");
    assert_eq!(
        line().as_deref(),
        Some("looks like another one in the night of 2026-11-21 (mean rank 0.90 of 20 galaxies)")
    );
    let night = &dir.status()["nights"][0];
    assert_eq!(night["model"], dir.ask::<String>("SELECT name FROM model"));
    assert_eq!(
        (&night["galaxies"], &night["counted"]),
        (&20.into(), &20.into())
    );
    assert!((night["camera"].as_f64().unwrap() - 0.9).abs() < 1e-9);
    assert_eq!(night["other_camera"], true);
    change("UPDATE cutout SET camera = 0.8");
    let both = line().unwrap();
    assert!(
        both.contains("night of 2026-11-21 (") && both.contains("), 2026-11-20 ("),
        "{both}"
    );
}

#[test]
fn files_seen_are_classified_rejected_or_waiting_before_and_after_a_kill() {
    let dir = Dir::new();
    for seed in 0..200 {
        dir.old_file(format!("{}/{seed}.jpg", seed % 3), &jpeg(seed));
    }
    dir.old_file("bad.jpg", b"text");
    dir.old_file("not-ours.txt", b"text");
    let mut daemon = dir.daemon(&["--workers", "1", "--batch", "4"]);
    wait_until("some are done", || dir.count("cutout") > 20);
    let running = dir.status();
    assert_eq!(running["running"], true);
    assert_eq!(file_counts(&running)[0], 201);
    daemon.signal("-KILL");
    daemon.wait();

    let killed = dir.status();
    assert_eq!(killed["running"], false);
    let recorded = u64::try_from(dir.count("cutout")).unwrap();
    assert!(recorded < 201, "it was to be killed in between");
    assert_eq!(file_counts(&killed)[3], 201 - recorded);
    let text = dir.run(&["status"]).exits(0).stdout;
    assert!(text.contains("galmorph watch  not running"), "{text}");
    assert!(text.contains("201 seen = "), "{text}");

    dir.drain();
    assert_eq!(file_counts(&dir.status()), [201, 200, 1, 0]);
    assert!(dir.status()["oldest_waiting"].is_null());
}

#[test]
fn a_file_that_changed_or_is_gone_is_counted_once() {
    let dir = Dir::new();
    for seed in 0..3 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.old_file("bad.jpg", b"text");
    dir.drain().exits(1);
    dir.old_file("0.jpg", &jpeg(10));
    dir.old_file("bad.jpg", &jpeg(11));
    fs::remove_file(dir.inbox("1.jpg")).unwrap();
    assert_eq!(file_counts(&dir.status()), [4, 2, 0, 2]);
    // Another model is to answer for what is there.
    dir.drain().exits(0);
    dir.run(&["watch", "inbox", "--drain", "--scales", "180"])
        .exits(0);
    assert_eq!(file_counts(&dir.status()), [4, 4, 0, 0]);
}

#[test]
fn a_folder_that_vanished_is_a_fault_and_loses_no_count() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    fs::rename(dir.path("inbox"), dir.path("elsewhere")).unwrap();
    let status = dir.status();
    let fault = status["folders"][0]["fault"].as_str().unwrap();
    assert!(fault.contains("cannot scan"), "{fault}");
    assert_eq!(file_counts(&status), [1, 1, 0, 0]);
}

#[test]
fn the_last_error_of_the_daemon_is_in_the_status_and_outlives_it() {
    let dir = Dir::new();
    let mut daemon = dir.daemon(&[]);
    let mut holder = dir.catalog();
    let lock = holder
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    fs::write(dir.inbox("a.jpg"), jpeg(1)).unwrap();
    daemon.wait_for_line("trying again");
    drop(lock);
    wait_until("the error is written down", || {
        dir.status()["last_error"]["message"]
            .as_str()
            .is_some_and(|error| error.contains("database is locked"))
    });
    daemon.end();
    let error = &dir.status()["last_error"];
    assert!(error["at"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_status_of_what_is_no_catalog_is_one_clear_line() {
    let dir = Dir::new();
    for command in ["status", "retry"] {
        let ran = dir.run(&[command]).exits(3);
        ran.says_in_one_line(&["no catalog 'galmorph.sqlite'", "galmorph watch makes it"]);
    }
    assert!(!dir.path("galmorph.sqlite").exists());
}

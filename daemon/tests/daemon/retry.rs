//! `galmorph retry`, and a catalog that comes along from the version that knew none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rusqlite::TransactionBehavior;

use crate::support::{Daemon, Dir, file_counts, jpeg, wait_until};

/// A daemon that only the kernel, and whoever tells it, can lead to a file.
fn listening(dir: &Dir, more: &str) -> Daemon {
    let config = dir.config(&format!(
        "settle_seconds = 3600\nrescan_interval_seconds = 3600\n{more}"
    ));
    dir.daemon(&["--config", config.to_str().unwrap()])
}

#[test]
fn rejected_files_are_tried_again_by_a_daemon_that_runs() {
    let dir = Dir::new();
    dir.old_file("text.jpg", b"text");
    dir.old_file("large.jpg", &jpeg(1));
    dir.old_file("other/large.jpg", &jpeg(2));
    let config = dir.config("max_side = 100");
    dir.run(&[
        "watch",
        "inbox",
        "--drain",
        "--config",
        config.to_str().unwrap(),
    ])
    .exits(1);
    assert_eq!(dir.count("cutout WHERE reason = 'too_large'"), 2);

    // Under other limits they stay as they are, and the daemon says so.
    let mut daemon = listening(&dir, "");
    daemon.wait_for_line("2 files are rejected under other limits");
    assert_eq!(file_counts(&dir.status()), [3, 0, 3, 0]);
    let ran = dir
        .run(&["retry", "--reason", "too_large", "inbox/other"])
        .exits(0);
    assert!(
        ran.stdout.contains("queued 1 rejected file"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("the running galmorph watch"),
        "{}",
        ran.stdout
    );
    wait_until("one has its answer", || {
        dir.count("catalog WHERE label <> ''") == 1
    });
    assert_eq!(
        dir.ask::<String>("SELECT path FROM catalog WHERE label <> ''"),
        dir.inbox("other/large.jpg").to_str().unwrap()
    );
    let ran = dir.run(&["retry", "--reason", "too_large"]).exits(0);
    assert!(ran.stdout.contains("too_large "), "{}", ran.stdout);
    wait_until("the other, too", || {
        dir.count("catalog WHERE label <> ''") == 2
    });
    assert_eq!(
        dir.count("cutout WHERE state = 'rejected' AND retry IS NULL"),
        1
    );
    assert_eq!(dir.count("cutout WHERE retry IS NOT NULL"), 0);

    // Rejected again, it isn't tried without end.
    let before: String = dir.ask("SELECT updated FROM rejected");
    dir.run(&["retry"]).exits(0);
    wait_until("it was tried again", || {
        dir.ask::<String>("SELECT updated FROM rejected") != before
    });
    assert_eq!(file_counts(&dir.status()), [3, 2, 1, 0]);
    daemon.end();
    dir.assert_sound();
}

#[test]
fn what_was_put_back_waits_for_the_next_daemon_and_keeps_its_reason() {
    let dir = Dir::new();
    dir.old_file("text.jpg", b"text");
    dir.old_file("gone.jpg", b"text, too");
    dir.drain().exits(1);
    fs::remove_file(dir.inbox("gone.jpg")).unwrap();
    let ran = dir.run(&["retry"]).exits(0);
    assert!(
        ran.stdout.contains("queued 1 rejected file\n")
            && ran.stdout.contains("their rows stay: 1"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("not_an_image "), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("the next galmorph watch"),
        "{}",
        ran.stdout
    );
    assert_eq!(dir.count("cutout WHERE reason = 'not_an_image'"), 2);
    assert_eq!(file_counts(&dir.status()), [2, 0, 1, 1]);
    // Twice is once.
    let ran = dir.run(&["retry"]).exits(0);
    assert!(
        ran.stdout.contains("queued 0 rejected files"),
        "{}",
        ran.stdout
    );

    let ran = dir.drain().exits(1);
    assert!(ran.stdout.contains("rejected 1 "), "{}", ran.stdout);
    assert_eq!(file_counts(&dir.status()), [2, 0, 2, 0]);
}

#[test]
fn retry_takes_files_by_name_whatever_the_name() {
    let dir = Dir::new();
    for name in ["a/1.jpg", "a/2.jpg", "ab/3.jpg", "100%25.jpg"] {
        dir.old_file(name, name.as_bytes());
    }
    dir.drain().exits(1);
    symlink(dir.inbox("a"), dir.path("link")).unwrap();
    let queued = |arguments: &[&str]| -> String {
        let arguments = ["retry"].iter().chain(arguments);
        let output = dir.galmorph(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .into()
    };
    assert_eq!(queued(&["link/"]), "queued 2 rejected files");
    assert_eq!(queued(&["inbox/a"]), "queued 0 rejected files");
    assert_eq!(queued(&["inbox/100%25.jpg"]), "queued 1 rejected file");
    assert_eq!(queued(&["--reason", "broken"]), "queued 0 rejected files");
    assert_eq!(queued(&["/"]), "queued 1 rejected file");
}

#[test]
fn a_locked_catalog_puts_nothing_back_and_says_so() {
    let dir = Dir::new();
    dir.old_file("text.jpg", b"text");
    dir.drain().exits(1);
    let mut holder = dir.catalog();
    let lock = holder
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    let ran = dir.run(&["retry"]).exits(75);
    ran.says_in_one_line(&["galmorph.sqlite", "database is locked"]);
    drop(lock);
    assert_eq!(dir.count("cutout WHERE retry IS NOT NULL"), 0);
}

#[test]
fn a_catalog_of_the_first_version_comes_along() {
    let dir = Dir::new();
    let old: PathBuf = dir.old_file("old.jpg", b"text");
    dir.old_file("new.jpg", &jpeg(1));
    let catalog = dir.catalog();
    catalog
        .execute_batch(include_str!("../../../tests/corpus/catalog/version-1.sql"))
        .unwrap();
    catalog
        .execute(
            "INSERT INTO cutout (path, digest, bytes, modified, object_id, state, reason, attempts,
                                 first_seen, updated)
             VALUES (?1, 'd', 4, ?2, 'old', 'rejected', 'broken: as it was', 3, ?3, ?3)",
            [
                old.to_str().unwrap(),
                &format!(
                    "{:.9}",
                    jiff::Timestamp::try_from(old.metadata().unwrap().modified().unwrap()).unwrap()
                ),
                &format!("{:.3}", jiff::Timestamp::now()),
            ],
        )
        .unwrap();
    drop(catalog);
    // Who reads leaves the version as it is.
    dir.run(&["query", "--rejected"]).exits(0);
    for command in [&["status"][..], &["retry"]] {
        let ran = dir.run(command).exits(3);
        ran.says_in_one_line(&["version 1", "start galmorph watch once"]);
    }
    dir.run(&["backup", "old.sqlite"]).exits(0);
    assert_eq!(dir.ask::<i64>("PRAGMA user_version"), 1);

    let ran = dir.drain().exits(0);
    assert!(
        ran.stdout.contains("already in the catalog: 1"),
        "{}",
        ran.stdout
    );
    assert_eq!(dir.ask::<i64>("PRAGMA user_version"), 9);
    assert_eq!(
        dir.count("cutout WHERE reason = 'broken' AND message = 'as it was' AND attempts = 3"),
        1
    );
    assert_eq!(file_counts(&dir.status()), [2, 1, 1, 0]);
    dir.run(&["retry", "--reason", "broken"]).exits(0);
    dir.drain().exits(1);
    assert_eq!(dir.count("cutout WHERE reason = 'not_an_image'"), 1);
    dir.run(&["check", "inbox", "--deep"]).exits(0);
}

/// A folder that moves its files, and what became of one that was no image.
fn rejected_and_moved(dir: &Dir) -> String {
    let config = dir.config(&format!(
        "folders = [{{ path = '{}', after = 'move' }}]\nsettle_seconds = 0.05",
        dir.path("inbox").display()
    ));
    let config = config.to_str().unwrap().to_owned();
    dir.old_file("a.jpg", b"no image");
    dir.run(&["watch", "--drain", "--config", &config]).exits(1);
    assert!(dir.inbox("rejected/a.jpg").exists());
    config
}

/// What `retry` says of files that it queues, or does not.
#[track_caller]
fn says(dir: &Dir, arguments: &[&str], lines: &[&str]) {
    let arguments: Vec<&str> = ["retry"].iter().chain(arguments).copied().collect();
    let ran = dir.run(&arguments).exits(0);
    for line in lines {
        let is_said = ran.stdout.lines().any(|said| said.trim() == *line);
        assert!(is_said, "'{line}' in {}", ran.stdout);
    }
}

/// State and path of each row, from the inbox.
fn outcome(dir: &Dir) -> String {
    dir.ask::<String>(
        "SELECT group_concat(state || ' ' || path, ', ') FROM (SELECT * FROM cutout ORDER BY path)",
    )
    .replace(&format!("{}/", dir.path("inbox").display()), "")
}

#[test]
fn a_file_that_was_moved_is_tried_again_as_it_is_now() {
    type Change = fn(&Dir);
    let mended: Change = |dir| fs::write(dir.inbox("rejected/a.jpg"), jpeg(1)).unwrap();
    let replaced: Change = |dir| {
        // Of the same size and time.
        let moved = dir.inbox("rejected/a.jpg");
        let before = fs::metadata(&moved).unwrap();
        let mut bytes = jpeg(1);
        bytes.truncate(before.len() as usize);
        fs::write(dir.path("next"), bytes).unwrap();
        let file = fs::File::open(dir.path("next")).unwrap();
        file.set_modified(before.modified().unwrap()).unwrap();
        fs::rename(dir.path("next"), moved).unwrap();
    };
    let touched: Change = |dir| {
        let file = fs::File::open(dir.inbox("rejected/a.jpg")).unwrap();
        file.set_modified(std::time::SystemTime::now()).unwrap();
    };
    let untouched: Change = |_| {};
    for (change, code, expected, reason) in [
        (mended, 0, "classified done/a.jpg", ""),
        (replaced, 1, "rejected rejected/a.jpg", "broken"),
        (touched, 1, "rejected rejected/a.jpg", "not_an_image"),
        (untouched, 1, "rejected rejected/a.jpg", "not_an_image"),
    ] {
        for name in ["inbox/a.jpg", "inbox/rejected/a.jpg"] {
            let dir = Dir::new();
            let config = rejected_and_moved(&dir);
            change(&dir);
            says(&dir, &[name], &["queued 1 rejected file"]);
            let status = dir.status();
            assert_eq!(
                (file_counts(&status)[3], &status["folders"][0]["waiting"]),
                (1, &1.into())
            );
            says(
                &dir,
                &[name],
                &[
                    "queued 0 rejected files",
                    "queued before, and not tried yet: 1",
                ],
            );
            dir.run(&["watch", "--drain", "--config", &config])
                .exits(code);
            assert_eq!(outcome(&dir), expected, "{name}");
            let kind: String = dir.ask("SELECT ifnull(reason, '') FROM cutout");
            assert_eq!(kind, reason);
            assert_eq!(dir.count("cutout WHERE retry IS NOT NULL"), 0);
        }
    }
}

#[test]
fn what_took_the_place_of_a_file_and_is_none_is_not_tried_and_that_is_said() {
    type Replace = fn(&std::path::Path, &Dir);
    let line = "a link, a folder or the like by now, and not tried again; their rows stay: 1";
    let by_a_folder: Replace = |place, _| fs::create_dir(place).unwrap();
    let by_a_link: Replace = |place, dir| {
        fs::write(dir.path("good.jpg"), jpeg(1)).unwrap();
        std::os::unix::fs::symlink(dir.path("good.jpg"), place).unwrap();
    };
    let by_a_link_to_nowhere: Replace =
        |place, _| std::os::unix::fs::symlink("nowhere", place).unwrap();
    let by_a_fifo: Replace = |place, _| {
        let made = std::process::Command::new("mkfifo").arg(place).status();
        assert!(made.unwrap().success());
    };
    for replace in [by_a_folder, by_a_link, by_a_link_to_nowhere, by_a_fifo] {
        for name in ["inbox/a.jpg", "inbox/rejected/a.jpg"] {
            let dir = Dir::new();
            let config = rejected_and_moved(&dir);
            let place = dir.inbox("rejected/a.jpg");
            fs::remove_file(&place).unwrap();
            replace(&place, &dir);
            says(&dir, &[name], &["queued 0 rejected files", line]);
            dir.run(&["watch", "--drain", "--config", &config]).exits(0);
            assert_eq!(outcome(&dir), "rejected rejected/a.jpg");
            assert_eq!(dir.count("cutout WHERE retry IS NOT NULL"), 0);
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_not_tried_and_that_is_said() {
    let gone = "gone, and not tried again; their rows stay: 1";
    for (to, name) in [
        (None, "inbox/rejected/a.jpg"),
        (None, "inbox/a.jpg"),
        (None, "inbox"),
        (Some("b.jpg"), "inbox/a.jpg"),
        (Some("rejected/b.jpg"), "inbox/rejected/a.jpg"),
    ] {
        let dir = Dir::new();
        let config = rejected_and_moved(&dir);
        match to {
            None => fs::remove_file(dir.inbox("rejected/a.jpg")).unwrap(),
            Some(to) => fs::rename(dir.inbox("rejected/a.jpg"), dir.inbox(to)).unwrap(),
        }
        says(&dir, &[name], &["queued 0 rejected files", gone]);
        if to == Some("b.jpg") {
            let ran = dir.run(&["retry", "inbox/b.jpg"]).exits(2);
            ran.says_in_one_line(&["does not have", "inbox/b.jpg' yet", "as a new file"]);
        }
        dir.run(&["watch", "--drain", "--config", &config]);
        let expected = match to {
            Some("b.jpg") => "rejected rejected/a.jpg, rejected rejected/b.jpg",
            _ => "rejected rejected/a.jpg",
        };
        assert_eq!(outcome(&dir), expected);
    }
}

#[test]
fn a_file_that_got_a_number_is_found_by_the_name_that_it_had() {
    let dir = Dir::new();
    let config = rejected_and_moved(&dir);
    fs::remove_file(dir.inbox("rejected/a.jpg")).unwrap();
    dir.old_file("a.jpg", b"no image, either");
    dir.old_file("a.x.jpg", b"nor this");
    dir.run(&["watch", "--drain", "--config", &config]).exits(1);
    says(
        &dir,
        &["inbox/a.jpg"],
        &[
            "queued 1 rejected file",
            "gone, and not tried again; their rows stay: 1",
        ],
    );
    let marked: String = dir.ask("SELECT group_concat(path) FROM cutout WHERE retry IS NOT NULL");
    assert!(marked.ends_with("/rejected/a.1.jpg"), "{marked}");
}

#[test]
fn a_file_that_is_no_longer_taken_is_not_queued() {
    let dir = Dir::new();
    dir.old_file("a.jpg", b"no image");
    dir.drain().exits(1);
    let config = dir.config("extensions = ['png']");
    dir.run(&[
        "watch",
        "inbox",
        "--drain",
        "--config",
        config.to_str().unwrap(),
    ])
    .exits(0);
    let not_taken = "not in a watched folder, or not taken by its settings, and not tried again: 1";
    says(&dir, &[], &["queued 0 rejected files", not_taken]);
}

#[test]
fn a_mark_that_can_lead_to_nothing_is_taken_away_once() {
    let dir = Dir::new();
    let config = rejected_and_moved(&dir);
    dir.old_file("b.jpg", b"nor this");
    dir.old_file("c.jpg", b"nor that");
    dir.run(&["watch", "--drain", "--config", &config]).exits(1);
    says(&dir, &[], &["queued 3 rejected files"]);
    // After they were marked: one is gone, one has become a folder, and one is hidden behind a name.
    fs::remove_file(dir.inbox("rejected/a.jpg")).unwrap();
    fs::remove_file(dir.inbox("rejected/b.jpg")).unwrap();
    fs::create_dir(dir.inbox("rejected/b.jpg")).unwrap();
    fs::rename(dir.inbox("rejected/c.jpg"), dir.inbox("rejected/.c.jpg")).unwrap();
    let text = fs::read_to_string(&config).unwrap() + "\nrescan_interval_seconds = 0.05";
    fs::write(&config, text).unwrap();
    let mut daemon = dir.daemon_on(&[], &["-v", "--config", &config]);
    for _ in 0..3 {
        daemon.wait_for_line("is not there, and is not tried again; its row stays as it is");
    }
    wait_until("no mark is left", || {
        dir.count("cutout WHERE retry IS NOT NULL") == 0
    });
    daemon.wait_for_line("emptied the write-ahead log");
    let catalog = dir.catalog();
    let version = || -> i64 {
        let ask = "PRAGMA data_version";
        catalog.query_row(ask, [], |row| row.get(0)).unwrap()
    };
    let before = version();
    for _ in 0..20 {
        daemon.wait_for_line("scan ends");
    }
    assert_eq!(version(), before, "nothing happens, and nothing is written");
    let log = fs::metadata(dir.path("galmorph.sqlite-wal")).unwrap();
    assert_eq!(log.len(), 0);
    daemon.end();
    assert_eq!(dir.count("cutout WHERE state = 'rejected'"), 3);
}

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
    assert_eq!(dir.count("cutout WHERE reason LIKE 'too_large: %'"), 2);

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
    let before: String = dir.ask("SELECT updated FROM cutout WHERE state = 'rejected'");
    dir.run(&["retry"]).exits(0);
    wait_until("it was tried again", || {
        dir.ask::<String>("SELECT updated FROM cutout WHERE state = 'rejected'") != before
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
        ran.stdout.contains("queued 2 rejected files"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("not_an_image "), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("the next galmorph watch"),
        "{}",
        ran.stdout
    );
    assert_eq!(dir.count("cutout WHERE reason LIKE 'not_an_image: %'"), 2);
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
             VALUES (?1, 'd', 4, ?2, 'old', 'rejected', 'broken: as it was', 3, 't', 't')",
            [
                old.to_str().unwrap(),
                &format!(
                    "{:.9}",
                    jiff::Timestamp::try_from(old.metadata().unwrap().modified().unwrap()).unwrap()
                ),
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
    assert_eq!(dir.ask::<i64>("PRAGMA user_version"), 4);
    assert_eq!(
        dir.count("cutout WHERE reason = 'broken: as it was' AND attempts = 3"),
        1
    );
    assert_eq!(file_counts(&dir.status()), [2, 1, 1, 0]);
    dir.run(&["retry", "--reason", "broken"]).exits(0);
    dir.drain().exits(1);
    assert_eq!(dir.count("cutout WHERE reason LIKE 'not_an_image: %'"), 1);
    dir.run(&["check", "inbox", "--deep"]).exits(0);
}

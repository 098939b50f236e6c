//! Files of other kinds in a watched folder: left alone, and never passed over in silence.

use std::fs;

use crate::support::{Dir, file_counts, jpeg, wait_until};

const ALONE: &str = "2 .webp, 1 .tif (extensions = \
    [\"jpg\", \"jpeg\", \"png\", \"fits\", \"fit\", \"fts\"] decides)";

fn with_others() -> Dir {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.old_file("m51.webp", b"RIFF");
    dir.old_file("night/M31.WEBP", b"RIFF");
    dir.old_file("b.tif", b"II*");
    // These are on their way, or nobody's business.
    for name in [".hidden.gif", "c.webp.part", "d.tmp", ".cache/e.gif"] {
        dir.old_file(name, b"text");
    }
    dir
}

#[test]
fn a_drain_the_status_and_a_deep_check_count_them() {
    let dir = with_others();
    let ran = dir.drain().exits(0);
    let said = format!("left alone: {ALONE}\n");
    assert!(ran.stdout.contains(&said), "{}", ran.stdout);
    assert_eq!(
        dir.status()["other_files"],
        serde_json::json!({"webp": 2, "tif": 1})
    );
    let table = dir.run(&["status"]).exits(0).stdout;
    assert!(
        table.contains(&format!("left alone      {ALONE}\n")),
        "{table}"
    );
    let deep = dir.run(&["check", "inbox", "--deep"]).exits(0).stdout;
    assert!(deep.contains(&said), "{deep}");
    // The catalog, too, may lie in a folder that is watched; it is not one of them.
    dir.run(&["watch", ".", "--drain"]).exits(0);
    let others = dir.status()["other_files"].clone();
    assert_eq!(others, serde_json::json!({"webp": 2, "tif": 1}));
    // They are no fault, and nothing is said where there are none.
    for name in ["m51.webp", "night/M31.WEBP", "b.tif"] {
        fs::remove_file(dir.inbox(name)).unwrap();
    }
    assert!(!dir.drain().exits(0).stdout.contains("left alone"));
    assert!(!dir.run(&["status"]).exits(0).stdout.contains("left alone"));
}

#[test]
fn a_daemon_logs_each_kind_once() {
    let dir = with_others();
    let config = dir.config("settle_seconds = 0\nrescan_interval_seconds = 0.05");
    let mut daemon = dir.daemon(&["--config", config.to_str().unwrap()]);
    daemon.wait_for_line(&format!("files of other kinds are left alone: {ALONE}"));
    dir.old_file("another.webp", b"RIFF");
    dir.old_file("new.bmp", b"BM");
    // The next line about them is because of the new kind.
    let line = daemon.wait_for_line("files of other kinds are left alone: ");
    assert!(line.contains("1 .bmp"), "{line}");
    daemon.end();
}

#[test]
fn what_storage_devices_and_synchronising_programs_leave_behind_is_left_alone() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    let left = [
        "@eaDir/a.jpg",
        "night/@EADIR/a.jpg/SYNOFILE_THUMB_M.jpg",
        "#recycle/b.jpg",
        "$RECYCLE.BIN/c.jpg",
        "lost+found/d.jpg",
        "a.sync-conflict-20260101-120000-ABCDEFG.jpg",
        "a (Ann's conflicted copy 2026-01-01).jpg",
        "a (conflicted copy).jpg",
        "a (SFConflict ann@example.org 2026-01-01-12-00-00).jpg",
        "@tmp/e.jpg",
        "#snapshot/GMT+00-2026.01.01/f.jpg",
        "@Recently-Snapshot/g.jpg",
        "System Volume Information/h.jpg",
    ];
    for name in left {
        dir.old_file(name, &jpeg(2));
    }
    dir.drain().exits(0);
    assert_eq!(dir.count("cutout"), 1);
    assert_eq!(file_counts(&dir.status()), [1, 1, 0, 0]);
    // A daemon that hears of one leaves it alone, too.
    let daemon = dir.daemon(&[]);
    dir.old_file("@eaDir/e.jpg", &jpeg(3));
    fs::write(dir.inbox("z.jpg"), jpeg(4)).unwrap();
    wait_until("the one after it is done", || {
        dir.count("cutout WHERE path LIKE '%/z.jpg'") == 1
    });
    assert_eq!(dir.count("cutout"), 2);
    daemon.end();

    let config = dir.config("exclude = ['night*']");
    dir.old_file("Night-2/f.jpg", &jpeg(5));
    dir.run(&[
        "watch",
        "inbox",
        "--drain",
        "--config",
        config.to_str().unwrap(),
    ])
    .exits(0);
    assert_eq!(file_counts(&dir.status()), [15, 15, 0, 0]);
    let odd = dir.config("exclude = ['a/b']");
    let ran = dir.run(&["check", "--config", odd.to_str().unwrap(), "inbox"]);
    ran.exits(2)
        .says_in_one_line(&["exclude: 'a/b' is not the name of a file or folder"]);
}

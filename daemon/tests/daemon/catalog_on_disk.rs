//! The catalog on the disk is the catalog in use: whatever becomes of its name, nothing is recorded where
//! no one can find it, and one daemon has it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use crate::file_system::{SOON, configure, daemon, drain};
use crate::strace;
use crate::support::{Daemon, Dir, file_counts, jpeg, wait_until};

/// What is done to the catalog, and what is said of it.
type Harm = (fn(&Dir), &'static str);

const HARMS: [Harm; 7] = [
    (
        |dir| fs::rename(dir.path("backup.sqlite"), dir.path("galmorph.sqlite")).unwrap(),
        "another file has taken its place",
    ),
    (
        |dir| {
            let from = dir.path("backup.sqlite");
            assert!(fs::copy(from, dir.path("galmorph.sqlite")).unwrap() > 0);
        },
        "written over it",
    ),
    (
        // Of the idle catalog, as it was after the first file.
        |dir| {
            let from = dir.path("copy.sqlite");
            assert!(fs::copy(from, dir.path("galmorph.sqlite")).unwrap() > 0);
        },
        "written over it",
    ),
    (
        |dir| {
            fs::create_dir(dir.path("disk")).unwrap();
            fs::rename(
                dir.path("galmorph.sqlite"),
                dir.path("disk/galmorph.sqlite"),
            )
            .unwrap();
            symlink("disk/galmorph.sqlite", dir.path("galmorph.sqlite")).unwrap();
        },
        "it was moved",
    ),
    (
        |dir| {
            let from = rusqlite::Connection::open(dir.path("backup.sqlite")).unwrap();
            let mut to = dir.catalog();
            let restoring = rusqlite::backup::Backup::new(&from, &mut to).unwrap();
            assert_eq!(
                restoring.step(-1).unwrap(),
                rusqlite::backup::StepResult::Done
            );
        },
        "restored into it",
    ),
    (
        |dir| fs::rename(dir.path("galmorph.sqlite"), dir.path("old.sqlite")).unwrap(),
        "removed or renamed",
    ),
    (
        |dir| fs::remove_file(dir.path("galmorph.sqlite-wal")).unwrap(),
        "-wal or -shm file",
    ),
];

/// A daemon that has recorded one file, of which there is a backup, and then another.
fn at_work(settings: &str) -> (Dir, Daemon) {
    let dir = Dir::new();
    configure(&dir, settings);
    dir.old_file("1.jpg", &jpeg(1));
    let daemon = daemon(&dir, &[]);
    wait_until("the first is recorded", || dir.count("cutout") == 1);
    dir.run(&["backup", "backup.sqlite"]).exits(0);
    let is_idle = || dir.status()["wal_bytes"] == 0;
    wait_until("the daemon has tidied up", is_idle);
    let (catalog, copy) = (dir.path("galmorph.sqlite"), dir.path("copy.sqlite"));
    assert!(fs::copy(catalog, copy).unwrap() > 0);
    put(&dir, 2);
    wait_until("the second is recorded", || dir.count("cutout") == 2);
    wait_until("the daemon has tidied up again", is_idle);
    (dir, daemon)
}

fn put(dir: &Dir, seed: u32) {
    let name = dir.path(format!("{seed}.part"));
    fs::write(&name, jpeg(seed)).unwrap();
    fs::rename(name, dir.inbox(format!("{seed}.jpg"))).unwrap();
}

/// The daemon ends so that systemd starts it again, and says why; the next one leaves nothing out.
fn ends_and_nothing_is_lost(dir: &Dir, mut daemon: Daemon, said: &str, files: i64) {
    daemon.wait_for_line(said);
    assert_eq!(daemon.wait().code(), Some(75), "{said}");
    if dir.path("galmorph.sqlite").exists() {
        let status = dir.status();
        let error = status["last_error"]["message"].as_str().unwrap();
        assert!(error.contains(said), "{error}");
        assert_eq!(status["running"], false);
    }
    drain(dir).exits(0);
    assert_eq!(
        dir.count("cutout WHERE state = 'classified'"),
        files,
        "{said}"
    );
    dir.assert_sound();
    dir.run(&["check", "inbox", "--deep", "--config", "galmorph.toml"])
        .exits(0);
}

#[test]
fn an_idle_daemon_notices_at_its_next_scan() {
    for (harm, said) in HARMS {
        let (dir, daemon) = at_work(SOON);
        harm(&dir);
        ends_and_nothing_is_lost(&dir, daemon, said, 2);
    }
}

#[test]
fn a_daemon_at_work_notices_at_its_next_commit() {
    for (harm, said) in HARMS {
        let (dir, daemon) = at_work("settle_seconds = 0.05\nrescan_interval_seconds = 3600");
        harm(&dir);
        put(&dir, 3);
        ends_and_nothing_is_lost(&dir, daemon, said, 3);
    }
}

#[test]
fn a_daemon_that_is_asked_to_end_says_what_became_of_its_catalog() {
    for (harm, said) in HARMS {
        let (dir, daemon) = at_work("settle_seconds = 0.05\nrescan_interval_seconds = 3600");
        harm(&dir);
        daemon.signal("-TERM");
        ends_and_nothing_is_lost(&dir, daemon, said, 2);
    }
}

#[test]
fn status_and_a_second_daemon_know_a_catalog_by_all_its_names() {
    let (dir, daemon) = at_work(SOON);
    let full = dir.path("galmorph.sqlite");
    fs::create_dir(dir.path("else where")).unwrap();
    symlink(&full, dir.path("else where/link.sqlite")).unwrap();
    symlink("else where/link.sqlite", dir.path("chain")).unwrap();
    symlink(".", dir.path("folder")).unwrap();
    let status = |name: &str| {
        let ran = dir.run(&["status", "--format", "json", "--catalog", name]);
        let mut status: serde_json::Value = serde_json::from_str(&ran.exits(0).stdout).unwrap();
        // It depends on the moment.
        status["rate"].take();
        status
    };
    wait_until("it is idle", || dir.status()["wal_bytes"] == 0);
    let by_name = status("galmorph.sqlite");
    assert_eq!(by_name["running"], true);
    assert_eq!(file_counts(&by_name), [2, 2, 0, 0]);
    for name in [
        full.to_str().unwrap(),
        "else where/link.sqlite",
        "chain",
        "folder/galmorph.sqlite",
    ] {
        assert_eq!(status(name), by_name, "{name}");
        let ran = dir.run(&["watch", "inbox", "--drain", "--catalog", name]);
        ran.exits(3)
            .says_in_one_line(&["in use by another galmorph watch"]);
        let check = dir.run(&["check", "inbox", "--catalog", name]).exits(0);
        assert!(
            check.stdout.contains("in use by a galmorph watch"),
            "{}",
            check.stdout
        );
    }
    fs::hard_link(&full, dir.path("hard.sqlite")).unwrap();
    let ran = dir.run(&["watch", "inbox", "--drain", "--catalog", "hard.sqlite"]);
    ran.exits(3)
        .says_in_one_line(&["in use by another galmorph watch"]);
    // Whoever reads by the second name does not find the log.
    for command in [
        &["query"][..],
        &["status"],
        &["export", "--format", "csv", "-"],
        &["backup", "second-backup.sqlite"],
        &["retry"],
        &["check", "inbox"],
    ] {
        let ran = dir.run(&[command, &["--catalog", "hard.sqlite"]].concat());
        assert_ne!(ran.code, 0, "{command:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains("has 2 names (hard links)"),
            "{command:?}: {said}"
        );
    }
    for ending in ["-wal", "-shm"] {
        assert!(!dir.path(format!("hard.sqlite{ending}")).exists());
    }
    fs::remove_file(dir.path("hard.sqlite")).unwrap();
    daemon.end();
}

#[test]
fn a_daemon_that_is_called_by_a_link_hears_of_retries_by_the_name() {
    let dir = Dir::new();
    configure(
        &dir,
        "settle_seconds = 0.05\nrescan_interval_seconds = 3600",
    );
    fs::create_dir(dir.path("disk")).unwrap();
    // It leads nowhere yet.
    symlink("disk/c.sqlite", dir.path("galmorph.sqlite")).unwrap();
    dir.old_file("bad.jpg", b"text");
    let daemon = daemon(&dir, &[]);
    wait_until("it is rejected", || dir.count("cutout") == 1);
    assert!(dir.path("disk/c.sqlite.lock").exists());
    assert!(!dir.path("galmorph.sqlite.lock").exists());
    let before: String = dir.ask("SELECT updated FROM rejected");
    dir.run(&["retry", "--catalog", "disk/c.sqlite"]).exits(0);
    wait_until("it was tried again", || {
        dir.ask::<String>("SELECT updated FROM rejected") != before
    });
    daemon.end();
}

/// How many of SQLite's locks a daemon has on the catalog.
fn locks(dir: &Dir, daemon: &Daemon) -> usize {
    let (process, inode) = (
        format!(" {} ", daemon.id()),
        format!(
            ":{} ",
            dir.path("galmorph.sqlite").metadata().unwrap().ino()
        ),
    );
    let all = fs::read_to_string("/proc/locks").unwrap();
    all.lines()
        .filter(|line| line.contains(" POSIX ") && line.contains(&process) && line.contains(&inode))
        .count()
}

#[test]
fn a_reload_leaves_the_locks_that_keep_the_log_in_place() {
    let (dir, mut daemon) = at_work("settle_seconds = 0.05\nrescan_interval_seconds = 3600");
    let before = locks(&dir, &daemon);
    assert!(before > 0);
    for config in [
        "workrs = 1",
        "catalog = 'galmorph.sqlite'\nbatch = 0",
        "model = 'gone.onnx'",
    ] {
        dir.config(config);
        daemon.signal("-HUP");
        daemon.wait_for_line("not reloaded");
        daemon.wait_until_ready();
        // Without them, another program with an older SQLite would take itself for the last one that has the
        // catalog open, and remove the log at its end.
        assert_eq!(locks(&dir, &daemon), before, "{config}");
    }
    configure(&dir, "settle_seconds = 0.05");
    daemon.signal("-HUP");
    daemon.wait_to_hear("RELOADING=1");
    daemon.wait_until_ready();
    assert_eq!(locks(&dir, &daemon), before, "after a reload");
    put(&dir, 3);
    wait_until("the next one is recorded", || dir.count("cutout") == 3);
    daemon.end();
}

#[test]
fn a_file_whose_move_was_recorded_in_a_lost_catalog_is_put_back() {
    if !strace::is_here() {
        return;
    }
    let dir = Dir::new();
    configure(
        &dir,
        "settle_seconds = 0.05\nrescan_interval_seconds = 3600",
    );
    let settings = fs::read_to_string(dir.path("galmorph.toml")).unwrap();
    dir.config(&(settings + "\nfolders = [{ path = 'inbox', after = 'move' }]"));
    dir.old_file("a.jpg", &jpeg(1));
    // The first rename is held up for so long that the catalog is replaced meanwhile.
    let options = [
        "-D",
        "-e",
        "trace=renameat2",
        "-e",
        "inject=renameat2:delay_enter=2s:when=1",
    ];
    let arguments = ["watch", "--config", "galmorph.toml"];
    let mut daemon = Daemon::spawn(&dir, &mut strace::command(&dir, &options, &arguments));
    wait_until("the move is about to be made", || {
        dir.path("galmorph.sqlite").exists()
            && dir
                .catalog()
                .query_row(
                    "SELECT count(*) FROM cutout WHERE move_to NOT NULL",
                    [],
                    |row| row.get(0),
                )
                .unwrap_or(0)
                == 1
    });
    fs::rename(dir.path("galmorph.sqlite"), dir.path("old.sqlite")).unwrap();
    daemon.wait_for_line("removed or renamed");
    assert_eq!(daemon.wait().code(), Some(75));
    assert!(dir.inbox("a.jpg").exists(), "no scan looks into done");
    let ran = dir.run(&["watch", "--drain", "--config", "galmorph.toml"]);
    assert_eq!(ran.exits(0).classified(), (1, 0));
    assert!(dir.inbox("done/a.jpg").exists());
}

//! A catalog that stays sound and small: `backup`, `check --deep`, and the write-ahead log.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::process::Command;

use rusqlite::Connection;

use crate::support::{Dir, Ran, jpeg, wait_until};

#[test]
fn a_backup_of_a_catalog_at_work_is_whole_and_can_be_restored() {
    let dir = Dir::new();
    for seed in 0..60 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    let daemon = dir.daemon(&["--workers", "1", "--batch", "1"]);
    wait_until("some are done", || dir.count("cutout") > 5);
    let ran = dir.run(&["backup", "copy.sqlite"]).exits(0);
    assert!(ran.stdout.contains("'copy.sqlite'"), "{}", ran.stdout);
    wait_until("all are done", || dir.count("cutout") == 60);
    daemon.end();

    // A reader that is not ours, and that needs no file beside the copy.
    let names: Vec<_> = fs::read_dir(dir.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("backup") || name.starts_with("copy.sqlite"))
        .collect();
    assert_eq!(names, ["copy.sqlite"]);
    let copy = Connection::open(dir.path("copy.sqlite")).unwrap();
    let ask = |sql: &str| -> String { copy.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(ask("PRAGMA integrity_check"), "ok");
    assert_eq!(ask("PRAGMA journal_mode"), "delete");
    let saved: i64 = ask("SELECT CAST(count(*) AS TEXT) FROM catalog WHERE label <> ''")
        .parse()
        .unwrap();
    assert!(saved > 5);
    drop(copy);

    // As docs/operations.md says: what was recorded since is found in the folders again.
    for name in [
        "galmorph.sqlite",
        "galmorph.sqlite-wal",
        "galmorph.sqlite-shm",
    ] {
        let _ = fs::remove_file(dir.path(name));
    }
    fs::copy(dir.path("copy.sqlite"), dir.path("galmorph.sqlite")).unwrap();
    let ran = dir.drain().exits(0);
    assert_eq!(ran.classified_by_the_network(), 60 - saved);
    assert_eq!(dir.ask::<String>("PRAGMA journal_mode"), "wal");
    dir.assert_sound();
}

#[test]
fn a_backup_replaces_nothing_unless_told_to_and_never_the_catalog() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    fs::write(dir.path("copy.sqlite"), "precious").unwrap();
    let ran = dir.run(&["backup", "copy.sqlite"]).exits(2);
    ran.says_in_one_line(&["'copy.sqlite'", "--force"]);
    assert_eq!(fs::read(dir.path("copy.sqlite")).unwrap(), b"precious");
    dir.run(&["backup", "copy.sqlite", "--force"]).exits(0);
    assert!(
        fs::read(dir.path("copy.sqlite"))
            .unwrap()
            .starts_with(b"SQLite format 3")
    );

    symlink(dir.path("galmorph.sqlite"), dir.path("same.sqlite")).unwrap();
    for name in ["galmorph.sqlite", "same.sqlite"] {
        let ran = dir.run(&["backup", name, "--force"]).exits(2);
        ran.says_in_one_line(&[name, "it is what the command reads"]);
    }
    fs::hard_link(dir.path("galmorph.sqlite"), dir.path("hard.sqlite")).unwrap();
    let ran = dir.run(&["backup", "hard.sqlite", "--force"]).exits(3);
    ran.says_in_one_line(&["has 2 names (hard links)"]);
    fs::remove_file(dir.path("hard.sqlite")).unwrap();
    let ran = dir.run(&["backup", "no/such/folder.sqlite"]).exits(2);
    ran.says_in_one_line(&[
        "'no/such/folder.sqlite'",
        "the folder 'no/such' does not exist",
    ]);
    assert_eq!(dir.count("cutout"), 1);
}

/// Overwrites the root page of a table or index.
fn damage(dir: &Dir, name: &str) {
    let page: u32 = dir.ask(&format!(
        "SELECT rootpage FROM sqlite_schema WHERE name = '{name}'"
    ));
    let size: u32 = dir.ask("PRAGMA page_size");
    let mut bytes = fs::read(dir.path("galmorph.sqlite")).unwrap();
    let from = usize::try_from((page - 1) * size).unwrap();
    // In the middle of the page: its header stays sound.
    bytes[from + 200..from + 4000].fill(0xA5);
    File::create(dir.path("galmorph.sqlite"))
        .unwrap()
        .write_all(&bytes)
        .unwrap();
}

#[test]
fn damaged_pages_are_found_and_never_become_a_backup() {
    let dir = Dir::new();
    // As many as fit one page of the index.
    for seed in 0..30 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.drain().exits(0);
    damage(&dir, "cutout_digest");
    let ran = dir.run(&["check", "inbox", "--deep"]).exits(3);
    assert!(ran.stderr.contains("galmorph.sqlite"), "{}", ran.stderr);
    // Without --deep nobody looks.
    dir.run(&["check", "inbox"]).exits(0);
    let ran = dir.run(&["backup", "copy.sqlite"]);
    assert_ne!(ran.code, 0, "{}", ran.stdout);
    ran.says_in_one_line(&["copy"]);
    assert!(!dir.path("copy.sqlite").exists());
}

#[test]
fn rows_that_break_the_schema_are_found_and_never_become_a_backup() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    dir.catalog()
        .execute_batch(
            "PRAGMA ignore_check_constraints = ON;
             UPDATE cutout SET label = 'lost'",
        )
        .unwrap();
    let ran = dir.run(&["check", "inbox", "--deep"]).exits(3);
    ran.says_in_one_line(&["integrity: CHECK constraint failed in cutout"]);
    let ran = dir.run(&["backup", "copy.sqlite"]).exits(3);
    ran.says_in_one_line(&["damaged", "CHECK constraint failed", "check --deep"]);
    assert!(!dir.path("copy.sqlite").exists());
}

#[test]
fn rows_that_break_a_promise_are_found() {
    let dir = Dir::new();
    for seed in 0..4 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.drain().exits(0);
    let ran = dir.run(&["check", "inbox", "--deep"]).exits(0);
    assert!(ran.stdout.contains("ok: 4 files"), "{}", ran.stdout);
    let connection = dir.catalog();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = OFF;
             PRAGMA ignore_check_constraints = ON;
             UPDATE cutout SET p_round = p_round + 1 WHERE object_id = '1';
             UPDATE cutout SET model = 99 WHERE object_id = '2';",
        )
        .unwrap();
    let ran = dir.run(&["check", "inbox", "--deep"]).exits(3);
    ran.says_in_one_line(&["a row of cutout refers to no row of model"]);
    connection
        .execute_batch(
            "UPDATE cutout SET model = 1 WHERE model = 99;
             UPDATE cutout SET label = NULL, reason = 'odd' WHERE object_id = '0'",
        )
        .unwrap();
    let ran = dir.run(&["check", "inbox", "--deep"]).exits(3);
    for fault in [
        "0.jpg' was rejected for no known reason",
        "probabilities do not sum to 1",
        "label is not the most probable class",
    ] {
        assert!(ran.stderr.contains(fault), "{fault} in {}", ran.stderr);
    }
}

#[test]
fn a_deep_check_holds_the_catalog_against_the_folders() {
    let dir = Dir::new();
    for seed in 0..4 {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.old_file("bad.jpg", b"text");
    dir.drain().exits(1);
    fs::remove_file(dir.inbox("0.jpg")).unwrap();
    // What is gone is its owner's affair.
    let ran = dir.run(&["check", "inbox", "--deep"]).exits(0);
    let named = |ran: &str, what: &str, name: &str| {
        let mut lines = ran.lines().skip_while(|line| !line.starts_with(what));
        assert_eq!(lines.next(), Some(format!("{what}: 1").as_str()), "{ran}");
        assert!(lines.next().unwrap().ends_with(name), "{ran}");
    };
    let gone = "in the catalog and gone";
    named(&ran.stdout, gone, "/0.jpg");

    dir.old_file("1.jpg", &jpeg(11));
    dir.old_file("new.jpg", &jpeg(12));
    dir.run(&["retry"]).exits(0);
    let ran = dir.run(&["check", "inbox", "--deep"]).exits(1);
    named(&ran.stdout, gone, "/0.jpg");
    named(&ran.stdout, "changed since they were recorded", "/1.jpg");
    named(
        &ran.stdout,
        "in a folder and not in the catalog",
        "/new.jpg",
    );
    named(&ran.stdout, "queued to be read again", "/bad.jpg");
    assert!(ran.stdout.contains("ok: 2 files"), "{}", ran.stdout);

    // A folder without any of its files is hardly one that someone tidied up.
    fs::rename(dir.path("inbox"), dir.path("kept")).unwrap();
    fs::create_dir(dir.path("inbox")).unwrap();
    let ran = dir.run(&["check", "inbox", "--deep"]).exits(1);
    assert!(ran.stdout.contains("is it mounted?"), "{}", ran.stdout);
    fs::remove_dir(dir.path("inbox")).unwrap();
    fs::rename(dir.path("kept"), dir.path("inbox")).unwrap();

    fs::create_dir(dir.path("other")).unwrap();
    let ran = dir.run(&["check", "other", "--deep"]).exits(0);
    let elsewhere = "in the catalog and in none of these folders: 5";
    assert!(ran.stdout.contains(elsewhere), "{}", ran.stdout);
    dir.drain().exits(1);
    dir.run(&["check", "inbox", "--deep"]).exits(0);
}

fn wal(dir: &Dir) -> u64 {
    fs::metadata(dir.path("galmorph.sqlite-wal")).map_or(0, |metadata| metadata.len())
}

#[test]
fn the_write_ahead_log_is_emptied_when_no_work_comes_and_no_reader_needs_it() {
    let dir = Dir::new();
    let mut daemon = dir.daemon(&["-v"]);
    fs::write(dir.inbox("0.jpg"), jpeg(0)).unwrap();
    wait_until("a row is there", || dir.count("cutout") == 1);
    wait_until("the log is empty", || wal(&dir) == 0);

    let holder = dir.catalog();
    holder.execute_batch("BEGIN").unwrap();
    let seen = || -> i64 {
        holder
            .query_row("SELECT count(*) FROM cutout", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(seen(), 1);
    for seed in 1..20 {
        fs::write(dir.inbox(format!("{seed}.jpg")), jpeg(seed)).unwrap();
    }
    wait_until("all rows are there", || dir.count("cutout") == 20);
    daemon.wait_for_line("a reader needs the write-ahead log");
    assert!(wal(&dir) > 0);
    assert_eq!(seen(), 1, "the reader's moment is kept");
    // The daemon works on beside it.
    fs::write(dir.inbox("late.jpg"), jpeg(50)).unwrap();
    wait_until("a late row is there", || dir.count("cutout") == 21);

    holder.execute_batch("COMMIT").unwrap();
    wait_until("the log is empty again", || wal(&dir) == 0);
    assert_eq!(seen(), 21);
    drop(holder);
    daemon.end();
}

#[test]
fn a_catalog_on_a_read_only_mount_can_be_read() {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.drain().exits(0);
    // In a name space of its own, where anyone may mount.
    let read_only = |command: &str| {
        let script = format!(
            "mount --bind . . && mount -o remount,ro,bind . && cd \"$PWD\" || exit 77; exec {command}"
        );
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .current_dir(dir.path(""))
            .output()
    };
    let mounted = read_only("touch new");
    if !mounted.is_ok_and(|output| output.status.code() == Some(1)) {
        let _ = writeln!(io::stderr(), "skipped: no read-only mount here");
        return;
    }
    let program = env!("CARGO_BIN_EXE_galmorph");
    for command in [
        "status --format json",
        "query --format csv",
        "query --rejected",
    ] {
        let ran = Ran::from(read_only(&format!("{program} {command}")).unwrap()).exits(0);
        assert!(ran.stderr.is_empty(), "{command}: {}", ran.stderr);
    }
    let ran = Ran::from(read_only(&format!("{program} retry")).unwrap()).exits(3);
    ran.says_in_one_line(&["galmorph.sqlite"]);
    assert!(!dir.path("new").exists());
}

//! Catalogs of earlier versions under hard circumstances: a full disk, one who reads all the time, a disk that can't be written to.

use std::fs::{self, File};
use std::io::Write as _;

use rusqlite::Connection;

use crate::file_system::{SOON, configure};
use crate::mounts::{Mount, mount};
use crate::support::{Dir, Ran};

/// How many files the earlier catalog has beside its own nine.
const MANY: u32 = 3000;

/// Leaves a catalog of version 6 with thousands of files there.
fn leave_version_6(dir: &Dir) {
    let connection = dir.catalog();
    connection
        .execute_batch(include_str!("../../../tests/corpus/catalog/version-6.sql"))
        .unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL;
             BEGIN;
             CREATE TEMP TABLE number AS
                 WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY}) SELECT n FROM n;
             INSERT INTO cutout (path, digest, bytes, modified, width, height, object_id, state, attempts, first_seen,
                                 updated, rendering)
                 SELECT '/srv/many/' || n || '.jpg', printf('%064x', n), 9000, '2026-11-01T00:00:00.000000000Z', 424, 424,
                     n, 'classified', 1, '2026-11-01T00:00:00.000Z', '2026-11-01T00:00:00.000Z', 'paper' FROM number;
             INSERT INTO classification (digest, model, rendering, label, confidence, entropy, p_round, p_in_between,
                                         p_cigar, p_edge_on, p_spiral, classified_at, framing, frame_x, frame_y,
                                         frame_side, flags)
                 SELECT printf('%064x', n), 1, 'paper', 'spiral', 0.6, 1.0, 0.1, 0.1, 0.1, 0.1, 0.6,
                     '2026-11-01T00:00:00.000Z', 'paper', 212, 212, 424, '' FROM number;
             COMMIT;"
        ))
        .unwrap();
}

#[test]
fn a_catalog_of_version_7_is_brought_up_to_date_by_the_first_start() {
    let dir = Dir::new();
    configure(&dir, SOON);
    dir.catalog()
        .execute_batch(include_str!("../../../tests/corpus/catalog/version-7.sql"))
        .unwrap();
    // Until then it can be asked, but for what it lacks.
    let columns = [
        "query",
        "--format",
        "csv",
        "--columns",
        "label,label_balanced",
    ];
    let rows = dir.run(&columns).exits(0);
    assert_eq!(rows.stdout.lines().count(), 13, "{}", rows.stdout);
    assert!(rows.stdout.contains("\nin_between,\n"), "{}", rows.stdout);
    for words in [
        &["query", "--label-balanced", "cigar"][..],
        &["query", "--class-mix", "--keep", "--model", "galmorph-1"],
    ] {
        let ran = dir.run(words).exits(3);
        assert!(ran.stderr.contains("version 7"), "{}", ran.stderr);
    }
    let words = ["watch", "inbox", "--drain", "--config", "galmorph.toml"];
    // Files of the old catalog are elsewhere, and are gone.
    let ran = Ran::from(dir.galmorph(words).output().unwrap());
    assert!(matches!(ran.code, 0 | 1), "{}", ran.stderr);
    assert_eq!(dir.ask::<i32>("PRAGMA user_version"), 9);
    let rows = dir.run(&columns).exits(0);
    assert!(
        rows.stdout.contains("\nin_between,cigar\n"),
        "{}",
        rows.stdout
    );
    let flags = ["--label-balanced", "cigar", "--model", "galmorph-1"];
    let found = dir
        .run(&[&["query", "--format", "csv"][..], &flags].concat())
        .exits(0);
    assert_eq!(found.stdout.lines().count(), 4, "{}", found.stdout);
    dir.assert_sound();
}

/// What the view says of the many.
const SUMMARY: &str = "SELECT count(*) || ' ' || min(label) || ' ' || max(confidence) FROM catalog WHERE path LIKE '/srv/many/%'";

fn expected() -> String {
    format!("{MANY} spiral 0.6")
}

#[test]
fn a_disk_that_fills_in_the_midst_is_waited_for() {
    let place = Dir::new();
    fs::create_dir(place.path("disk")).unwrap();
    let Some(_disk) = Mount::on(&place.path("disk"), "16m") else {
        return;
    };
    let dir = Dir::within(&place.path("disk"));
    configure(&dir, SOON);
    leave_version_6(&dir);
    let filler = dir.path("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    // Room for some steps, and not for all.
    let size = file.metadata().unwrap().len();
    file.set_len(size - 1_000_000).unwrap();
    let mut daemon = dir.starting_daemon(&["--config", "galmorph.toml"]);
    daemon.wait_for_line("trying again");
    assert_eq!(
        dir.ask::<String>(SUMMARY),
        expected(),
        "readers see the old rows"
    );
    fs::remove_file(&filler).unwrap();
    drop(file);
    daemon.wait_until_ready();
    daemon.end();
    assert_eq!(dir.ask::<i32>("PRAGMA user_version"), 9);
    assert_eq!(dir.ask::<String>(SUMMARY), expected());
    dir.assert_sound();
}

#[test]
fn one_who_reads_all_the_while_is_not_disturbed_and_does_not_hold_it_up() {
    let dir = Dir::new();
    configure(&dir, SOON);
    leave_version_6(&dir);
    let reader = dir.catalog();
    reader.execute_batch("BEGIN").unwrap();
    let summary = |connection: &Connection| -> String {
        connection.query_row(SUMMARY, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(summary(&reader), expected());
    let words = ["watch", "inbox", "--drain", "--config", "galmorph.toml"];
    // Files of the old catalog are elsewhere, and are gone.
    let ran = Ran::from(dir.galmorph(words).output().unwrap());
    assert!(matches!(ran.code, 0 | 1), "{}", ran.stderr);
    assert_eq!(dir.ask::<i32>("PRAGMA user_version"), 9);
    // The tables that the snapshot is of are gone by now.
    assert_eq!(summary(&reader), expected());
    let rejected: i64 = reader
        .query_row(
            "SELECT count(*) FROM cutout WHERE state = 'rejected'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(summary(&reader), expected());
    drop(reader);
    assert_eq!(dir.count("rejected"), rejected);
    dir.assert_sound();
}

#[test]
fn a_catalog_on_a_disk_that_is_read_only_is_left_as_it_is_and_can_be_asked() {
    let place = Dir::new();
    fs::create_dir(place.path("disk")).unwrap();
    let Some(_disk) = Mount::on(&place.path("disk"), "16m") else {
        return;
    };
    let dir = Dir::within(&place.path("disk"));
    configure(&dir, SOON);
    leave_version_6(&dir);
    let catalog = fs::read(dir.path("galmorph.sqlite")).unwrap();
    assert!(mount(&["-o", "remount,ro"], &place.path("disk")));
    let words = ["watch", "inbox", "--drain", "--config", "galmorph.toml"];
    let ran = Ran::from(dir.galmorph(words).output().unwrap()).exits(3);
    assert!(
        ran.stderr.contains("Read-only file system"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.trim_end().lines().count(), 1, "{}", ran.stderr);
    assert_eq!(fs::read(dir.path("galmorph.sqlite")).unwrap(), catalog);
    let ran = dir
        .run(&[
            "query", "--format", "csv", "--label", "spiral", "--limit", "3",
        ])
        .exits(0);
    assert_eq!(ran.stdout.lines().count(), 4, "{}", ran.stdout);
    // What needs a column of the present version says that it does.
    let ran = dir.run(&["query", "--since", "1d"]).exits(3);
    assert!(ran.stderr.contains("version 6"), "{}", ran.stderr);
}

//! Folders that move their files, and programs that are not done with a file when it is closed.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::{Daemon, Dir, Ran, age, digest, jpeg, wait_until};

/// A configuration that moves the files of the inbox when they were left alone for so long. No scan after
/// the first one comes to anybody's help.
fn moving(dir: &Dir, settle: f64) -> String {
    let inbox = dir.path("inbox");
    let config = dir.config(&format!(
        "folders = [{{ path = '{}', after = 'move' }}]
         settle_seconds = {settle}
         rescan_interval_seconds = 3600",
        inbox.display()
    ));
    config.to_str().unwrap().to_owned()
}

/// A daemon that says everything.
fn daemon(dir: &Dir, settle: f64) -> Daemon {
    let config = moving(dir, settle);
    dir.daemon_on(&[], &["-v", "--config", &config])
}

fn drain(dir: &Dir, settle: f64) -> Ran {
    dir.run(&["watch", "--drain", "--config", &moving(dir, settle)])
}

/// The only row: what it says, and of which content.
fn row(dir: &Dir) -> Option<(String, String)> {
    if dir.count("cutout") != 1 {
        return None;
    }
    let inbox = dir.path("inbox");
    let path = dir.ask::<String>("SELECT path FROM cutout");
    let below = Path::new(&path).strip_prefix(inbox).unwrap();
    let digest = dir.ask::<Option<String>>("SELECT lower(hex(digest)) FROM cutout");
    Some((below.to_str().unwrap().into(), digest.unwrap_or_default()))
}

/// Waits until the only row is of this content, at this place, and nothing is left to do.
#[track_caller]
fn ends_as(dir: &Dir, place: &str, bytes: &[u8]) {
    let wanted = Some((place.to_owned(), digest(bytes)));
    wait_until(&format!("it is whole in {place}"), || {
        row(dir) == wanted && dir.count("cutout WHERE move_to IS NOT NULL") == 0
    });
    assert_eq!(fs::read(dir.inbox(place)).unwrap(), bytes);
}

#[test]
fn a_file_that_is_open_for_writing_stays_however_long_its_writer_pauses() {
    let dir = Dir::new();
    let mut daemon = daemon(&dir, 0.05);
    let whole = jpeg(1);
    let mut writer = File::create(dir.inbox("a.jpg")).unwrap();
    let (first, second) = whole.split_at(whole.len() / 2);
    writer.write_all(first).unwrap();
    wait_until("the half is judged", || {
        row(&dir) == Some(("a.jpg".into(), digest(first)))
    });
    for _ in 0..3 {
        daemon.wait_for_line("is open for writing");
    }
    assert!(dir.inbox("a.jpg").exists());
    writer.write_all(second).unwrap();
    drop(writer);
    ends_as(&dir, "done/a.jpg", &whole);
    daemon.end();
    dir.assert_sound();
}

#[test]
fn a_writer_under_another_name_is_a_writer_too() {
    let dir = Dir::new();
    let mut daemon = daemon(&dir, 0.05);
    // Nothing is heard of what is written there: no folder that is watched has this name.
    fs::write(dir.path("elsewhere"), &jpeg(1)[..1000]).unwrap();
    let mut writer = File::options()
        .append(true)
        .open(dir.path("elsewhere"))
        .unwrap();
    fs::hard_link(dir.path("elsewhere"), dir.inbox("a.jpg")).unwrap();
    daemon.wait_for_line("is open for writing");
    writer.write_all(&jpeg(1)[1000..]).unwrap();
    drop(writer);
    ends_as(&dir, "done/a.jpg", &jpeg(1));
    daemon.end();
}

/// Each is a way to fill a file in several goes, with nobody at it in between: what is in it after each go.
fn ways_to_fill(whole: &[u8]) -> [(&'static str, Vec<Vec<u8>>); 3] {
    let parts: Vec<usize> = (0..=4).map(|part| part * whole.len() / 4).collect();
    let appended = parts[1..].iter().map(|&end| whole[..end].to_vec());
    // From both sides, into a file of the full length.
    let mut segments = Vec::new();
    let mut so_far = vec![0; whole.len()];
    for part in [3, 0, 2, 1] {
        let range = parts[part]..parts[part + 1];
        so_far[range.clone()].copy_from_slice(&whole[range]);
        segments.push(so_far.clone());
    }
    let touched_first = vec![Vec::new(), whole.to_vec()];
    [
        ("appended to", appended.collect()),
        ("in segments", segments),
        ("touched first", touched_first),
    ]
}

#[test]
fn a_file_that_is_filled_in_several_goes_ends_as_what_it_is_in_the_end() {
    for (way, states) in ways_to_fill(&jpeg(1)) {
        let dir = Dir::new();
        // It is left alone for an hour only in the end.
        let listening = daemon(&dir, 3600.0);
        for state in &states {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(dir.inbox("a.jpg"))
                .unwrap();
            file.write_all_at(state, 0).unwrap();
            drop(file);
            wait_until(way, || row(&dir) == Some(("a.jpg".into(), digest(state))));
            assert!(dir.inbox("a.jpg").exists(), "{way}");
        }
        assert_eq!(dir.count("cutout WHERE state = 'classified'"), 1, "{way}");
        listening.end();
        // The daemon that judged it did not move it; the next one does.
        drain(&dir, 0.05).exits(0);
        ends_as(&dir, "done/a.jpg", &jpeg(1));
    }
}

#[test]
fn an_empty_file_waits_for_its_writer_where_it_is() {
    let dir = Dir::new();
    File::create(dir.inbox("a.jpg")).unwrap();
    age(&dir.inbox("a.jpg"));
    drain(&dir, 0.05).exits(1);
    assert_eq!(row(&dir), Some(("a.jpg".into(), digest(b""))));
    // By somebody who only writes to what is there.
    let mut writer = File::options()
        .append(true)
        .open(dir.inbox("a.jpg"))
        .unwrap();
    writer.write_all(&jpeg(1)).unwrap();
    drop(writer);
    drain(&dir, 0.05).exits(0);
    ends_as(&dir, "done/a.jpg", &jpeg(1));
}

#[test]
fn times_that_are_set_after_the_close_are_the_ones_in_the_row() {
    let dir = Dir::new();
    let daemon = daemon(&dir, 0.3);
    let file = dir.inbox("a.jpg");
    fs::write(&file, jpeg(1)).unwrap();
    wait_until("it has its answer", || dir.count("cutout") == 1);
    // No file is closed that was open for writing, so the kernel tells nothing that would complete it.
    let time = SystemTime::now() - Duration::from_hours(5);
    File::open(&file)
        .or_else(|_| File::open(dir.inbox("done/a.jpg")))
        .unwrap()
        .set_modified(time)
        .unwrap();
    let modified: jiff::Timestamp = time.try_into().unwrap();
    wait_until("the row has the time", || {
        let row: i64 = dir.ask("SELECT modified FROM cutout");
        i128::from(row) == modified.as_nanosecond()
    });
    ends_as(&dir, "done/a.jpg", &jpeg(1));
    daemon.end();
    dir.assert_sound();
}

#[test]
fn a_file_that_changes_where_it_was_moved_to_is_judged_again_and_follows() {
    let dir = Dir::new();
    let daemon = daemon(&dir, 0.05);
    let put = |place: &str, bytes: &[u8]| {
        fs::write(dir.path("next"), bytes).unwrap();
        fs::rename(dir.path("next"), dir.inbox(place)).unwrap();
    };
    put("a.jpg", b"no image");
    ends_as(&dir, "rejected/a.jpg", b"no image");
    // Written to, and replaced.
    fs::write(dir.inbox("rejected/a.jpg"), jpeg(1)).unwrap();
    ends_as(&dir, "done/a.jpg", &jpeg(1));
    put("done/a.jpg", &jpeg(2));
    ends_as(&dir, "done/a.jpg", &jpeg(2));
    fs::write(dir.inbox("done/a.jpg"), b"no image, either").unwrap();
    ends_as(&dir, "rejected/a.jpg", b"no image, either");
    daemon.end();
    dir.assert_sound();
}

#[test]
fn what_was_put_into_done_by_others_is_left_alone() {
    let dir = Dir::new();
    let mut daemon = daemon(&dir, 0.05);
    fs::create_dir_all(dir.inbox("done")).unwrap();
    fs::write(dir.inbox("done/theirs.jpg"), jpeg(1)).unwrap();
    fs::write(dir.inbox("ours.jpg"), jpeg(2)).unwrap();
    daemon.wait_for_line("takes '");
    ends_as(&dir, "done/ours.jpg", &jpeg(2));
    daemon.end();
}

#[test]
fn another_file_with_the_same_size_and_time_is_another_file() {
    // Found by scans alone, by a daemon that runs and by the next one; where files are moved, and where not.
    for after in ["keep", "move"] {
        let dir = Dir::new();
        let config = dir.config(&format!(
            "folders = [{{ path = '{}', after = '{after}' }}]
             settle_seconds = 3600
             rescan_interval_seconds = 0.05
             poll = true",
            dir.path("inbox").display()
        ));
        let config = config.to_str().unwrap();
        let length = 100_000;
        let put = |seed: u32| {
            let mut bytes = jpeg(seed);
            bytes.resize(length, 0);
            fs::write(dir.path("next"), &bytes).unwrap();
            let file = File::open(dir.path("next")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
                .unwrap();
            fs::rename(dir.path("next"), dir.inbox("a.jpg")).unwrap();
            Some(("a.jpg".to_owned(), digest(&bytes)))
        };
        let daemon = dir.daemon_on(&[], &["--config", config]);
        for seed in [1, 2, 3] {
            let expected = put(seed);
            wait_until("it is read", || row(&dir) == expected);
        }
        daemon.end();
        // The kernel's times of changes are a little behind.
        let now = SystemTime::now();
        wait_until("the kernel's clock has moved on", || {
            fs::write(dir.path("clock"), "").unwrap();
            fs::metadata(dir.path("clock")).unwrap().modified().unwrap() > now
        });
        let expected = put(4);
        let daemon = dir.daemon_on(&[], &["--config", config]);
        wait_until("the next daemon reads it", || row(&dir) == expected);
        daemon.end();
        dir.assert_sound();
    }
}

#[test]
fn a_file_that_can_not_be_moved_costs_the_catalog_nothing() {
    let dir = Dir::new();
    let mut daemon = daemon(&dir, 0.05);
    fs::create_dir_all(dir.inbox("done")).unwrap();
    fs::create_dir_all(dir.inbox("a")).unwrap();
    // Where a folder should be.
    fs::write(dir.inbox("done/a"), "").unwrap();
    fs::write(dir.inbox("a/1.jpg"), jpeg(1)).unwrap();
    daemon.wait_for_line("cannot move");
    let catalog = dir.catalog();
    let changes = || -> i64 {
        // What the daemon notes of its last error is no part of it.
        let rows = "SELECT group_concat(path || updated || ifnull(move_to, '-')) FROM cutout";
        let rows: String = catalog.query_row(rows, [], |row| row.get(0)).unwrap();
        assert!(rows.ends_with('-'), "{rows}");
        catalog
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .unwrap()
    };
    daemon.wait_for_line("emptied the write-ahead log");
    let before = changes();
    daemon.wait_for_line("cannot move");
    // The warning, which has another number of seconds.
    daemon.wait_for_line("emptied the write-ahead log");
    assert!(changes() - before <= 2, "a warning and no more");
    fs::remove_file(dir.inbox("done/a")).unwrap();
    ends_as(&dir, "done/a/1.jpg", &jpeg(1));
    daemon.end();
}

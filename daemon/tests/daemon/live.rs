//! What appears while the daemon runs.
//!
//! Files settle after an hour here and scans are as far apart, so that only the kernel's hints can have
//! led to a row, but for the test of polling, which has it the other way round.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, symlink};
use std::time::SystemTime;

use crate::metrics::ask_socket;
use crate::support::{Daemon, Dir, age, digest, jpeg, wait_until};

fn listening(dir: &Dir) -> Daemon {
    let config = dir.config("settle_seconds = 3600\nrescan_interval_seconds = 3600");
    dir.daemon(&["--config", config.to_str().unwrap()])
}

fn has_row(dir: &Dir, name: &str) -> bool {
    dir.count(&format!(
        "catalog WHERE label IS NOT NULL AND object_id = '{name}'"
    )) == 1
}

#[test]
fn a_file_that_is_written_slowly_is_taken_when_it_is_closed() {
    let dir = Dir::new();
    let daemon = listening(&dir);
    let bytes = jpeg(1);
    let mut slow = File::create(dir.inbox("slow.jpg")).unwrap();
    for (count, piece) in bytes.chunks(bytes.len().div_ceil(3)).enumerate() {
        slow.write_all(piece).unwrap();
        slow.sync_all().unwrap();
        // Another file goes all the way meanwhile, and this one is left alone.
        let other = format!("other-{count}");
        fs::write(dir.inbox(format!("{other}.jpg")), jpeg(10 + count as u32)).unwrap();
        wait_until("the other file has its row", || has_row(&dir, &other));
        assert!(!has_row(&dir, "slow"));
    }
    drop(slow);
    wait_until("the slow file has its row", || has_row(&dir, "slow"));
    assert_eq!(dir.count("cutout WHERE state = 'rejected'"), 0);
    assert_eq!(
        dir.ask::<String>("SELECT lower(hex(digest)) FROM cutout WHERE object_id = 'slow'"),
        digest(&bytes)
    );
    daemon.end();
    dir.assert_sound();
}

#[test]
fn a_file_that_is_renamed_into_place_is_taken_at_once() {
    let dir = Dir::new();
    let daemon = listening(&dir);
    fs::write(dir.path("outside.jpg"), jpeg(1)).unwrap();
    fs::rename(dir.path("outside.jpg"), dir.inbox("inside.jpg")).unwrap();
    wait_until("it has its row", || has_row(&dir, "inside"));

    // As rsync does: a hidden name while it is written, and the real one when it is whole.
    fs::write(dir.inbox(".again.jpg.x7"), jpeg(2)).unwrap();
    fs::rename(dir.inbox(".again.jpg.x7"), dir.inbox("again.jpg")).unwrap();
    wait_until("it has its row", || has_row(&dir, "again"));
    assert_eq!(dir.count("cutout"), 2);
    daemon.end();
}

#[test]
fn a_file_that_is_copied_over_an_old_name_takes_the_new_digest() {
    let dir = Dir::new();
    let daemon = listening(&dir);
    let path = dir.inbox("a.jpg");
    for seed in [1, 2, 3] {
        fs::write(&path, jpeg(seed)).unwrap();
        let row = format!(
            "cutout WHERE lower(hex(digest)) = '{}'",
            digest(&jpeg(seed))
        );
        wait_until("the row has the new digest", || dir.count(&row) == 1);
    }
    assert_eq!((dir.count("cutout"), dir.count("classification")), (1, 3));
    daemon.end();
}

#[test]
fn a_folder_that_is_moved_in_is_searched() {
    let dir = Dir::new();
    let daemon = listening(&dir);
    fs::create_dir_all(dir.path("night/field")).unwrap();
    let file = dir.path("night/field/deep.jpg");
    fs::write(&file, jpeg(1)).unwrap();
    age(&file);
    fs::rename(dir.path("night"), dir.inbox("night")).unwrap();
    wait_until("the file in it has its row", || has_row(&dir, "deep"));

    fs::write(dir.inbox("night/field/later.jpg"), jpeg(2)).unwrap();
    wait_until("the kernel is heard in there, too", || {
        has_row(&dir, "later")
    });
    daemon.end();
}

#[test]
fn polling_finds_files_without_the_kernel() {
    let dir = Dir::new();
    let config = dir.config("settle_seconds = 0.05\nrescan_interval_seconds = 0.1");
    let daemon = dir.daemon(&["--poll", "--config", config.to_str().unwrap()]);
    fs::write(dir.inbox("a.jpg"), jpeg(1)).unwrap();
    wait_until("it has its row", || has_row(&dir, "a"));
    fs::write(dir.inbox("a.jpg"), jpeg(2)).unwrap();
    let row = format!("cutout WHERE lower(hex(digest)) = '{}'", digest(&jpeg(2)));
    wait_until("the row has the new digest", || dir.count(&row) == 1);
    daemon.end();
}

/// The catalog alone can't tell: what takes a file's place right after its row is there may have a time from before it.
#[test]
fn polling_finds_a_file_of_the_same_size_and_time_however_it_came() {
    type Arrival<'a> = &'a dyn Fn(&[u8]);
    let dir = Dir::new();
    let config = dir.config("settle_seconds = 0.05\nrescan_interval_seconds = 0.1");
    let daemon = dir.daemon(&["--poll", "--config", config.to_str().unwrap()]);
    let reset_time = |path: &std::path::Path| {
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    };
    let a = dir.inbox("a.jpg");
    let renamed = |text: &[u8]| {
        let file = dir.old_file("new.part", text);
        reset_time(&file);
        fs::rename(file, &a).unwrap();
    };
    // In one write: of a file that grows, a part may be read first.
    let in_place = |text: &[u8]| {
        let file = File::options().write(true).open(&a).unwrap();
        file.write_all_at(text, 0).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    };
    let arrivals: [(Arrival<'_>, &[u8]); 6] = [
        (&renamed, b"one text"),
        (&renamed, b"and more"),
        (&in_place, b"in place"),
        (&in_place, b"and then"),
        (&renamed, b"new once"),
        (&in_place, b"the last"),
    ];
    for (arrive, text) in arrivals {
        arrive(text);
        let row = format!("cutout WHERE lower(hex(digest)) = '{}'", digest(text));
        wait_until("the row has the digest", || dir.count(&row) == 1);
    }
    assert_eq!(dir.count("cutout"), 1);
    daemon.end();
}

#[test]
fn a_burst_is_taken_whole() {
    let dir = Dir::new();
    let daemon = listening(&dir);
    for seed in 0..200 {
        fs::write(dir.inbox(format!("{seed}.jpg")), jpeg(seed)).unwrap();
    }
    wait_until("all have their rows", || {
        dir.count("catalog WHERE label IS NOT NULL") == 200
    });
    daemon.end();
    dir.assert_sound();
}

#[test]
fn links_are_not_followed_by_the_kernel_either() {
    let dir = Dir::new();
    fs::create_dir(dir.path("outside")).unwrap();
    fs::create_dir(dir.inbox("night")).unwrap();
    symlink(dir.path("outside"), dir.inbox("link")).unwrap();
    symlink(dir.inbox("night"), dir.inbox("again")).unwrap();
    let config = dir.config("settle_seconds = 3600\nrescan_interval_seconds = 3600");
    // One worker: what was heard first is recorded first.
    let daemon = dir.daemon(&["--workers", "1", "--config", config.to_str().unwrap()]);
    fs::write(dir.path("outside/elsewhere.jpg"), jpeg(1)).unwrap();
    fs::write(dir.inbox("night/a.jpg"), jpeg(2)).unwrap();
    fs::write(dir.inbox("last.jpg"), jpeg(3)).unwrap();
    wait_until("the last file has its row", || has_row(&dir, "last"));
    let paths: String =
        dir.ask("SELECT group_concat(path) FROM (SELECT * FROM cutout ORDER BY path)");
    let expected = [dir.inbox("last.jpg"), dir.inbox("night/a.jpg")];
    assert_eq!(
        paths,
        expected.map(|path| path.display().to_string()).join(",")
    );
    daemon.end();
}

#[test]
fn new_content_of_the_same_size_and_time_is_taken_when_it_is_renamed_into_place() {
    let dir = Dir::new();
    let daemon = listening(&dir);
    let digest_is = |text: &[u8]| {
        let row = format!("cutout WHERE lower(hex(digest)) = '{}'", digest(text));
        wait_until("the row has the digest", || dir.count(&row) == 1);
    };
    for text in [b"one text", b"and more"] {
        let file = dir.old_file("new.part", text);
        File::options()
            .append(true)
            .open(&file)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        fs::rename(file, dir.inbox("a.jpg")).unwrap();
        digest_is(text);
    }
    assert_eq!(dir.count("cutout"), 1);
    daemon.end();
}

#[test]
fn a_folder_that_another_one_takes_the_place_of_is_listened_to_anew() {
    let dir = Dir::new();
    let config = dir.config(
        "settle_seconds = 3600\nrescan_interval_seconds = 0.02\nmetrics = 'unix:metrics.sock'",
    );
    let daemon = dir.daemon(&["--config", config.to_str().unwrap()]);
    let scans = || ask_socket(&dir.path("metrics.sock"))["galmorph_scans_total"];
    // As when a mount comes or goes.
    fs::rename(dir.path("inbox"), dir.path("old")).unwrap();
    fs::create_dir(dir.path("inbox")).unwrap();
    let before = scans();
    wait_until("a scan has begun since", || scans() >= before + 2.0);
    fs::write(dir.inbox("a.jpg"), jpeg(1)).unwrap();
    wait_until("it has its row", || dir.count("cutout") == 1);
    daemon.end();
}

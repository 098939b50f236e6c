//! Files that come, change and go under the daemon's hands.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::strace;
use crate::support::{Daemon, Dir, Ran, age, digest, encoded, file_counts, jpeg, wait_until};
use crate::tiny;

/// Settings with the tiny model; a scan now and then.
pub(crate) fn configure(dir: &Dir, settings: &str) {
    tiny::write(&dir.path("tiny.onnx"));
    dir.config(&format!("model = 'tiny.onnx'\n{settings}"));
}

pub(crate) const SOON: &str = "settle_seconds = 0.05\nrescan_interval_seconds = 0.1";
const HINTS_ALONE: &str = "settle_seconds = 0.2\nrescan_interval_seconds = 3600";

pub(crate) fn daemon(dir: &Dir, more: &[&str]) -> Daemon {
    dir.daemon(&[&["--config", "galmorph.toml"], more].concat())
}

pub(crate) fn drain(dir: &Dir) -> Ran {
    dir.run(&["watch", "inbox", "--drain", "--config", "galmorph.toml"])
}

fn has_digest(dir: &Dir, name: &str, bytes: &[u8]) -> bool {
    let (path, digest) = (dir.inbox(name), digest(bytes));
    let path = path.display();
    dir.count(&format!(
        "cutout WHERE path = '{path}' AND lower(hex(digest)) = '{digest}' AND state = 'classified'"
    )) == 1
}

#[test]
fn a_folder_that_is_made_and_filled_in_one_go_is_taken_whole_however_deep() {
    let dir = Dir::new();
    configure(&dir, HINTS_ALONE);
    let daemon = daemon(&dir, &[]);
    let mut expected = 0;
    for night in 0..20 {
        let mut folder = dir.inbox(format!("night-{night}"));
        for level in ["a", "b", "c", "d"] {
            folder.push(level);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("x.jpg"), jpeg(night)).unwrap();
            expected += 1;
        }
    }
    wait_until("all are recorded", || dir.count("cutout") == expected);
    daemon.end();
    assert_eq!(dir.count("classification"), 20);
    dir.assert_sound();
}

#[test]
fn a_file_that_is_renamed_or_deleted_before_its_turn_has_no_row_under_the_old_name() {
    let dir = Dir::new();
    configure(&dir, HINTS_ALONE);
    let daemon = daemon(&dir, &[]);
    daemon.signal("-STOP");
    for seed in 0..10 {
        let old = dir.inbox(format!("old-{seed}.jpg"));
        fs::write(&old, jpeg(seed)).unwrap();
        fs::rename(&old, dir.inbox(format!("new-{seed}.jpg"))).unwrap();
        let gone = dir.inbox(format!("gone-{seed}.jpg"));
        fs::write(&gone, jpeg(100 + seed)).unwrap();
        fs::remove_file(&gone).unwrap();
    }
    daemon.signal("-CONT");
    wait_until("those that are there are recorded", || {
        dir.count("cutout") == 10
    });
    daemon.end();
    assert_eq!(dir.count("cutout WHERE object_id LIKE 'new-%'"), 10);
    assert_eq!((dir.count("cutout"), dir.count("classification")), (10, 10));
}

/// Starts a daemon whose reads of `name` take their time, and waits until it has it open.
fn reading_slowly(dir: &Dir, name: &str) -> Daemon {
    let path = dir.inbox(name);
    let shown = path.to_str().unwrap();
    let delay = "inject=read:delay_enter=1000000:when=1";
    let daemon = Daemon::spawn(
        dir,
        &mut strace::command(
            dir,
            &["-D", "-e", "trace=read", "-e", delay, "-P", shown],
            &["watch", "inbox", "-vv", "--config", "galmorph.toml"],
        ),
    );
    let descriptors = PathBuf::from(format!("/proc/{}/fd", daemon.id()));
    wait_until("the file is being read", || {
        let mut open = fs::read_dir(&descriptors).into_iter().flatten().flatten();
        open.any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path))
    });
    daemon
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_recorded_as_the_new_one_alone() {
    if !strace::is_here() {
        return;
    }
    let dir = Dir::new();
    configure(&dir, HINTS_ALONE);
    let path = dir.old_file("a.jpg", &jpeg(1));
    let modified = path.metadata().unwrap().modified().unwrap();
    let new = dir.inbox("a.part");
    fs::write(&new, jpeg(2)).unwrap();
    // Another size; the time alone would not tell.
    File::options()
        .append(true)
        .open(&new)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    assert_ne!(jpeg(1).len(), jpeg(2).len());
    let daemon = reading_slowly(&dir, "a.jpg");
    fs::rename(&new, &path).unwrap();
    wait_until("the new one is recorded", || {
        has_digest(&dir, "a.jpg", &jpeg(2))
    });
    daemon.end();
    assert_eq!((dir.count("cutout"), dir.count("classification")), (1, 1));
}

#[test]
fn a_file_that_grows_or_goes_while_it_is_read_is_never_recorded_in_part() {
    if !strace::is_here() {
        return;
    }
    let whole = jpeg(1);
    let dir = Dir::new();
    configure(&dir, HINTS_ALONE);
    let path = dir.old_file("a.jpg", &whole[..whole.len() / 2]);
    let mut daemon = reading_slowly(&dir, "a.jpg");
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(&whole[whole.len() / 2..]).unwrap();
    drop(file);
    daemon.wait_for_line("1 classified, 0 rejected so far");
    assert!(has_digest(&dir, "a.jpg", &whole));
    daemon.end();
    assert_eq!((dir.count("cutout"), dir.count("classification")), (1, 1));
    assert_eq!(dir.ask::<i64>("SELECT attempts FROM cutout"), 1);

    let dir = Dir::new();
    configure(&dir, HINTS_ALONE);
    let path = dir.old_file("a.jpg", &whole);
    let daemon = reading_slowly(&dir, "a.jpg");
    fs::remove_file(path).unwrap();
    fs::write(dir.inbox("b.jpg"), &whole).unwrap();
    wait_until("the other is recorded", || {
        has_digest(&dir, "b.jpg", &whole)
    });
    daemon.end();
    assert_eq!(dir.count("cutout"), 1);
}

#[test]
fn a_file_that_keeps_growing_is_recorded_when_it_has_ended() {
    let dir = Dir::new();
    configure(&dir, SOON);
    let daemon = daemon(&dir, &["--poll"]);
    let whole = jpeg(1);
    let mut file = File::create(dir.inbox("grows.jpg")).unwrap();
    for (count, piece) in (0..).zip(whole.chunks(whole.len() / 10)) {
        file.write_all(piece).unwrap();
        // The daemon has gone round since.
        fs::write(dir.inbox(format!("{count}.jpg")), jpeg(10 + count)).unwrap();
        wait_until("another file is recorded", || {
            has_digest(&dir, &format!("{count}.jpg"), &jpeg(10 + count))
        });
    }
    drop(file);
    wait_until("it is recorded whole", || {
        has_digest(&dir, "grows.jpg", &whole)
    });
    daemon.end();
    assert_eq!(dir.count("cutout WHERE state = 'rejected'"), 0);
    dir.assert_sound();
}

#[test]
fn files_of_the_future_and_of_long_ago_are_taken_once() {
    let dir = Dir::new();
    configure(&dir, SOON);
    let epoch = SystemTime::UNIX_EPOCH;
    let moments = [
        SystemTime::now() + Duration::from_hours(24 * 400),
        epoch,
        epoch - Duration::from_hours(24 * 3650),
        epoch + Duration::from_secs(1 << 33),
    ];
    for (seed, moment) in (0..).zip(moments) {
        let path = dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
        File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_modified(moment)
            .unwrap();
    }
    let ran = drain(&dir).exits(0);
    assert_eq!(ran.classified_by_the_network(), 4);
    let ran = drain(&dir).exits(0);
    assert!(
        ran.stdout.contains("already in the catalog: 4"),
        "{}",
        ran.stdout
    );
    assert_eq!(file_counts(&dir.status()), [4, 4, 0, 0]);
}

#[test]
fn more_files_at_once_than_the_kernel_remembers_are_all_taken() {
    const FILES: usize = 30_000;
    let dir = Dir::new();
    configure(&dir, HINTS_ALONE);
    let seed = dir.old_file(
        "seed.part",
        &encoded(
            image::GrayImage::from_fn(16, 16, |x, y| image::Luma([(x * y) as u8])),
            image::ImageFormat::Png,
        ),
    );
    age(&seed);
    let mut daemon = daemon(&dir, &[]);
    daemon.signal("-STOP");
    for count in 0..FILES {
        fs::hard_link(&seed, dir.inbox(format!("{count}.png"))).unwrap();
    }
    daemon.signal("-CONT");
    daemon.wait_for_line("notifications were lost");
    wait_until("all are recorded", || dir.count("cutout") == FILES as i64);
    daemon.end();
    assert_eq!(
        (dir.count("cutout"), dir.count("classification")),
        (FILES as i64, 1)
    );
    dir.assert_sound();
}

/// An invariant of ARCHITECTURE.md. With `after = "move"`, `moves.rs` holds it.
#[test]
fn no_image_is_changed_deleted_or_renamed_by_any_command() {
    let dir = Dir::new();
    configure(&dir, "min_side = 16");
    dir.old_file("a.jpg", &jpeg(1));
    dir.old_file("night/copy.jpg", &jpeg(1));
    dir.old_file("broken.jpg", &jpeg(2)[..900]);
    dir.old_file("text.png", b"no image");
    let files = || {
        let mut files: Vec<_> = ["a.jpg", "night/copy.jpg", "broken.jpg", "text.png"]
            .into_iter()
            .map(|name| {
                let metadata = fs::metadata(dir.inbox(name)).unwrap();
                let bytes = fs::read(dir.inbox(name)).unwrap();
                (name, metadata.modified().unwrap(), digest(&bytes))
            })
            .collect();
        files.sort_unstable();
        let names = |folder: PathBuf| fs::read_dir(folder).unwrap().count();
        (files, names(dir.inbox("")), names(dir.inbox("night")))
    };
    let before = files();
    drain(&dir).exits(1);
    dir.run(&["retry", "--catalog", "galmorph.sqlite"]).exits(0);
    drain(&dir).exits(1);
    dir.run(&["check", "inbox", "--deep", "--config", "galmorph.toml"]);
    dir.run(&["classify", "inbox/a.jpg", "inbox/broken.jpg"])
        .exits(1);
    let views = ["views", "inbox/a.jpg", "--npy", "views.npy"];
    dir.run(&views).exits(0);
    dir.run(&["backup", "copy.sqlite", "--catalog", "galmorph.sqlite"])
        .exits(0);
    assert_eq!((dir.count("cutout"), files()), (4, before));
}

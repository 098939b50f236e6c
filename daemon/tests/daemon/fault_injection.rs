//! Calls that fail for a while: the daemon waits, tries again, and in the end everything is recorded.
//!
//! The faults come from strace, which has the kernel's answer replaced for some of the calls of a thread,
//! and on some paths alone.

use std::fs;

use crate::strace;
use crate::support::{Daemon, Dir, Ran, jpeg, png};
use crate::tiny;

/// A folder with four files, and settings under which all happens soon.
fn scene() -> Dir {
    let dir = Dir::new();
    tiny::write(&dir.path("tiny.onnx"));
    dir.config(
        "model = 'tiny.onnx'\nworkers = 1\nsettle_seconds = 0.05\nrescan_interval_seconds = 0.2",
    );
    dir.old_file("a.jpg", &jpeg(1));
    dir.old_file("b.png", &png(2));
    dir.old_file("night/c.jpg", &jpeg(3));
    dir.old_file("bad.jpg", b"text");
    dir
}

const WATCH: [&str; 4] = ["watch", "inbox", "--config", "galmorph.toml"];

/// Makes the catalog, with nothing in it.
fn make_catalog(dir: &Dir) {
    fs::rename(dir.path("inbox"), dir.path("aside")).unwrap();
    fs::create_dir(dir.path("inbox")).unwrap();
    let arguments = WATCH.iter().chain(&["--drain"]);
    Ran::from(dir.galmorph(arguments).output().unwrap()).exits(0);
    fs::remove_dir(dir.path("inbox")).unwrap();
    fs::rename(dir.path("aside"), dir.path("inbox")).unwrap();
}

/// Starts a daemon in which `fault` happens: `call:error=NAME:when=NUMBERS`, on these paths alone.
fn faulty(dir: &Dir, fault: &str, paths: &[&str]) -> Daemon {
    let call = fault.split(':').next().unwrap();
    let (trace, inject) = (format!("trace={call}"), format!("inject={fault}"));
    // strace as the grandchild: signals and the exit code are the program's own.
    let mut options = vec!["-D", "-e", &trace, "-e", &inject];
    // As the program names them and as SQLite does.
    let full: Vec<String> = paths
        .iter()
        .map(|path| dir.path(path).to_str().unwrap().to_owned())
        .collect();
    let names = full.iter().map(String::as_str).chain(paths.iter().copied());
    options.extend(names.flat_map(|path| ["-P", path]));
    let arguments: Vec<&str> = WATCH.iter().copied().chain(["-v"]).collect();
    Daemon::spawn(dir, &mut strace::command(dir, &options, &arguments))
}

/// A daemon in which `fault` happened has recorded everything in the end, and not by chance.
fn recovers(dir: &Dir, fault: &str, paths: &[&str]) {
    let daemon = faulty(dir, fault, paths);
    crate::support::wait_until(&format!("everything is recorded despite {fault}"), || {
        dir.path("galmorph.sqlite").exists() && rows(dir) == 4
    });
    daemon.end();
    crate::support::wait_until(&format!("{fault} has happened"), || {
        fs::read_to_string(dir.path("strace.log"))
            .unwrap()
            .contains("(INJECTED)")
    });
    assert_eq!(dir.count("cutout WHERE state = 'classified'"), 3, "{fault}");
    assert_eq!(dir.count("classification"), 3, "{fault}");
    assert_eq!(
        dir.count("cutout WHERE reason = 'not_an_image'"),
        1,
        "{fault}"
    );
    dir.assert_sound();
}

/// The catalog may be about to be made.
fn rows(dir: &Dir) -> i64 {
    dir.catalog()
        .query_row("SELECT count(*) FROM cutout", [], |row| row.get(0))
        .unwrap_or(0)
}

#[test]
fn an_image_that_cannot_be_read_for_a_while_is_tried_again() {
    if !strace::is_here() {
        return;
    }
    for fault in [
        "openat:error=EACCES:when=1..2",
        "openat:error=EMFILE:when=1..2",
        "openat:error=ENFILE:when=1",
        "openat:error=ESTALE:when=1",
        "read:error=EIO:when=1..2",
        "read:error=EINTR:when=1..3",
        "statx:error=EIO:when=1..3",
        "statx:error=EACCES:when=2..5",
    ] {
        recovers(&scene(), fault, &["inbox/a.jpg"]);
    }
}

#[test]
fn a_folder_that_cannot_be_scanned_for_a_while_is_scanned_again() {
    if !strace::is_here() {
        return;
    }
    for (fault, folder) in [
        ("openat:error=EACCES:when=1..3", "inbox"),
        ("openat:error=EMFILE:when=1..3", "inbox/night"),
        ("getdents64:error=EIO:when=1..4", "inbox"),
        ("getdents64:error=EIO:when=2..3", "inbox/night"),
        ("statx:error=EACCES:when=2..4", "inbox/night"),
    ] {
        recovers(&scene(), fault, &[folder]);
    }
}

#[test]
fn without_the_kernels_notifications_scans_find_everything() {
    if !strace::is_here() {
        return;
    }
    for fault in [
        // No more instances, and no more watches, than the system allows.
        "inotify_init1:error=EMFILE",
        "inotify_add_watch:error=ENOSPC",
        "inotify_add_watch:error=ENOSPC:when=2+",
        "inotify_add_watch:error=EACCES:when=1",
    ] {
        recovers(&scene(), fault, &[]);
    }
}

#[test]
fn a_catalog_that_cannot_be_written_for_a_while_is_waited_for() {
    if !strace::is_here() {
        return;
    }
    let wal = "galmorph.sqlite-wal";
    for (fault, file) in [
        ("pwrite64:error=ENOSPC:when=1..3", wal),
        ("pwrite64:error=EIO:when=2..4", wal),
        ("pwrite64:error=EROFS:when=3", wal),
        ("pwrite64:error=EDQUOT:when=1..2", wal),
        ("pwrite64:error=EFBIG:when=1..2", wal),
        ("fsync:error=EIO:when=1..2", wal),
        ("fsync:error=ENOSPC:when=1", wal),
        ("ftruncate:error=ENOSPC:when=1..2", wal),
        ("pread64:error=EIO:when=1..3", wal),
        // When the log is moved into the catalog.
        ("pwrite64:error=ENOSPC:when=1..2", "galmorph.sqlite"),
        ("fsync:error=EIO:when=1", "galmorph.sqlite"),
    ] {
        let dir = scene();
        make_catalog(&dir);
        recovers(&dir, fault, &[file]);
    }
}

/// A lock that could not be given back is held until the process ends. So a daemon may end where locks fail, in a way that has
/// systemd start it again; the next one has no such lock.
#[test]
fn a_catalog_that_cannot_be_locked_for_a_while_ends_the_daemon_for_a_new_start_at_most() {
    if !strace::is_here() {
        return;
    }
    for fault in [
        "fcntl:error=EIO:when=20..30",
        "fcntl:error=ENOLCK:when=20..30",
        "fcntl:error=EIO:when=21+2",
        "fcntl:error=ENOLCK:when=40..400",
    ] {
        let dir = scene();
        make_catalog(&dir);
        let mut daemon = faulty(&dir, fault, &["galmorph.sqlite-shm"]);
        crate::support::wait_until(&format!("everything is recorded despite {fault}"), || {
            if let Some(ended) = daemon.status() {
                assert_eq!(ended.code(), Some(75), "{fault}");
                daemon = dir.daemon(&["--config", "galmorph.toml"]);
            }
            rows(&dir) == 4
        });
        daemon.signal("-TERM");
        assert!(matches!(daemon.wait().code(), Some(0 | 75)), "{fault}");
        assert_eq!(dir.count("cutout WHERE state = 'classified'"), 3, "{fault}");
        dir.assert_sound();
    }
}

#[test]
fn a_catalog_that_cannot_be_made_for_a_while_is_waited_for() {
    if !strace::is_here() {
        return;
    }
    for (fault, file) in [
        ("pwrite64:error=ENOSPC:when=1..2", "galmorph.sqlite"),
        ("pwrite64:error=ENOSPC:when=1", "galmorph.sqlite-journal"),
        ("pwrite64:error=ENOSPC:when=1..4", "galmorph.sqlite-wal"),
        ("pwrite64:error=EIO:when=12", "galmorph.sqlite-wal"),
        ("fsync:error=EIO:when=1", "galmorph.sqlite"),
        ("openat:error=ENOSPC:when=1..2", "galmorph.sqlite.lock"),
        ("flock:error=EINTR:when=1", "galmorph.sqlite.lock"),
    ] {
        recovers(&scene(), fault, &[file]);
    }
}

#[test]
fn a_drain_gives_up_on_what_stays_unreadable_says_so_and_does_the_rest() {
    if !strace::is_here() {
        return;
    }
    let dir = scene();
    let (path, folder) = (dir.inbox("a.jpg"), dir.inbox("night"));
    let options = ["-e", "trace=openat", "-e", "inject=openat:error=EIO"];
    let paths = ["-P", path.to_str().unwrap(), "-P", folder.to_str().unwrap()];
    let arguments: Vec<&str> = WATCH.iter().copied().chain(["--drain"]).collect();
    let mut command = strace::command(&dir, &[&options[..], &paths].concat(), &arguments);
    let ran = Ran::from(command.output().unwrap()).exits(1);
    assert!(
        ran.stdout.contains("could not be read: 2"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("cannot scan"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("a.jpg': Input/output error"),
        "{}",
        ran.stdout
    );
    assert_eq!(rows(&dir), 2, "the others are recorded");
    Ran::from(dir.galmorph(arguments).output().unwrap()).exits(0);
    assert_eq!(rows(&dir), 4);
    dir.assert_sound();
}

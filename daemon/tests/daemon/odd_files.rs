//! Files that are odd from outside: no regular files, strange names, forbidden ones.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::poison::{DRAIN, scene};
use crate::support::{Daemon, GALMORPH, Ran, file_counts, jpeg, wait_until};

#[test]
fn what_is_no_regular_file_is_never_opened() {
    let dir = scene();
    fs::write(dir.path("outside.jpg"), jpeg(1)).unwrap();
    symlink(dir.path("outside.jpg"), dir.inbox("link.jpg")).unwrap();
    symlink("dangling.jpg", dir.inbox("dangling.jpg")).unwrap();
    let _socket = UnixListener::bind(dir.inbox("socket.jpg")).unwrap();
    fs::create_dir(dir.inbox("folder.jpg")).unwrap();
    let make = |arguments: &[&str]| {
        let mut command = Command::new(arguments[0]);
        command
            .args(&arguments[1..])
            .current_dir(dir.path("inbox"))
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    assert!(make(&["mkfifo", "fifo.jpg"]));
    // /dev/zero never ends, and a tape would rewind.
    if !make(&["mknod", "device.jpg", "c", "1", "5"]) {
        let _ = writeln!(io::stderr(), "skipped: no right to make a device here");
    }
    dir.old_file("good.jpg", &jpeg(2));
    Ran::from(dir.galmorph(DRAIN).output().unwrap()).exits(0);
    assert_eq!(dir.count("cutout"), 1);

    // Nor by a daemon that hears of them.
    let daemon = dir.daemon(&["--model", "tiny.onnx", "--workers", "1"]);
    symlink(dir.path("outside.jpg"), dir.inbox("late-link.jpg")).unwrap();
    assert!(make(&["mkfifo", "late-fifo.jpg"]));
    fs::write(dir.inbox("last.jpg"), jpeg(3)).unwrap();
    wait_until("the last one is recorded", || dir.count("cutout") == 2);
    daemon.end();
    assert_eq!(dir.count("cutout"), 2);
}

#[test]
fn links_to_files_are_taken_by_their_own_names_if_that_is_configured() {
    let dir = scene();
    fs::write(dir.path("outside.jpg"), jpeg(1)).unwrap();
    symlink(dir.path("outside.jpg"), dir.inbox("out.jpg")).unwrap();
    // As in a store whose names say nothing.
    dir.old_file("store/7f3a.blob", &jpeg(2));
    fs::create_dir(dir.inbox("night")).unwrap();
    symlink("../store/7f3a.blob", dir.inbox("night/ngc1300.jpg")).unwrap();
    symlink(dir.path("inbox"), dir.inbox("loop")).unwrap();
    dir.config(
        "follow_links = true\nmodel = 'tiny.onnx'\n\
         folders = [{ path = 'inbox', after = 'move' }]",
    );
    let arguments = ["watch", "--drain", "--config", "galmorph.toml"];
    dir.run(&arguments).exits(0);
    let rows = || -> String { dir.ask("SELECT group_concat(object_id) FROM catalog") };
    assert_eq!(rows(), "ngc1300");
    assert!(dir.inbox("night/ngc1300.jpg").is_symlink(), "it stays");
    assert_eq!(file_counts(&dir.status()), [1, 1, 0, 0]);
    let deep = ["check", "--deep", "--config", "galmorph.toml"];
    dir.run(&deep).exits(0);

    // What it leads to counts, and so does what a daemon hears of.
    dir.old_file("store/7f3a.blob", &jpeg(33));
    assert_eq!(file_counts(&dir.status())[3], 1);
    let daemon = dir.daemon(&["--config", "galmorph.toml"]);
    symlink("../store/7f3a.blob", dir.inbox("night/ngc1365.jpg")).unwrap();
    wait_until("both have their rows", || dir.count("cutout") == 2);
    wait_until("the new content is recorded", || {
        dir.count("classification JOIN cutout ON classification.digest = lower(hex(cutout.digest))")
            == 2
            && dir.count("classification") == 2
    });
    daemon.end();
    dir.run(&deep).exits(0);
}

#[test]
fn any_name_that_a_file_can_have_is_recorded() {
    let dir = scene();
    let long = format!("{}.jpg", "x".repeat(251));
    let names: [&OsStr; 7] = [
        OsStr::new(&long),
        OsStr::new("two\nlines.jpg"),
        OsStr::new("quote's \"twice\".jpg"),
        OsStr::new("--drain.jpg"),
        OsStr::new(" .jpg"),
        OsStr::new("\u{202E}gpj.jpg"),
        OsStr::from_bytes(b"\xFF\xFE.jpg"),
    ];
    let mut deep = OsString::from("d");
    for _ in 0..14 {
        deep.push("/");
        deep.push("y".repeat(200));
    }
    deep.push("/deep.jpg");
    for name in names.iter().copied().chain([deep.as_os_str()]) {
        dir.old_file(name, &jpeg(1));
    }
    Ran::from(dir.galmorph(DRAIN).output().unwrap()).exits(0);
    assert_eq!(dir.count("cutout WHERE state = 'classified'"), 8);
    assert_eq!(
        dir.count(&format!("cutout WHERE object_id = '{}'", "x".repeat(251))),
        1
    );
    let ran = Ran::from(dir.galmorph(DRAIN).output().unwrap()).exits(0);
    assert!(
        ran.stdout.contains("already in the catalog: 8"),
        "{}",
        ran.stdout
    );
    let listed = dir.run(&["query", "--format", "csv"]).exits(0).stdout;
    let mut reader = csv::Reader::from_reader(listed.as_bytes());
    assert_eq!(reader.records().flatten().count(), 8);
}

#[test]
fn a_file_or_folder_that_may_not_be_read_waits_until_it_may() {
    const NOBODY: u32 = 65_534;
    let dir = scene();
    dir.config("model = 'tiny.onnx'\nsettle_seconds = 0.05\nrescan_interval_seconds = 0.1");
    let secret = dir.old_file("secret.jpg", &jpeg(1));
    dir.old_file("closed/inner.jpg", &jpeg(2));
    dir.old_file("open.jpg", &jpeg(3));
    let closed = dir.inbox("closed");
    let forbid = |mode| {
        fs::set_permissions(&secret, Permissions::from_mode(mode)).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(mode)).unwrap();
    };
    // Root may read everything, so another user is needed.
    let by_nobody = |arguments: &[&str]| {
        let mut command = dir.galmorph(arguments);
        command.uid(NOBODY).gid(NOBODY);
        command
    };
    let hand_over = [
        dir.path(""),
        dir.path("inbox"),
        secret.clone(),
        closed.clone(),
    ]
    .iter()
    .all(|path| chown(path, Some(NOBODY), Some(NOBODY)).is_ok());
    let may_run = hand_over
        && by_nobody(&["--version"])
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !may_run {
        let _ = writeln!(io::stderr(), "skipped: nobody can't run {GALMORPH} here");
        return;
    }
    forbid(0o000);
    let arguments = ["watch", "inbox", "--config", "galmorph.toml"];
    let drained = by_nobody(&[&arguments[..], &["--drain"]].concat())
        .output()
        .unwrap();
    let ran = Ran::from(drained).exits(1);
    assert!(
        ran.stdout.contains("could not be read: 2"),
        "{}",
        ran.stdout
    );
    assert_eq!(dir.count("cutout"), 1);

    let mut daemon = Daemon::spawn(&dir, &mut by_nobody(&arguments));
    daemon.wait_for_line("Permission denied");
    forbid(0o755);
    wait_until("all are recorded", || {
        dir.count("cutout WHERE state = 'classified'") == 3
    });
    daemon.end();
    dir.assert_sound();
}

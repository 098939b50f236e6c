//! Files that commands write replace nothing by accident. Each rule is tried with every command that writes
//! a file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use crate::support::{Dir, Ran, jpeg};
use crate::tiny;

/// A command without the name of its output, which comes last; and what the output begins with.
const COMMANDS: [(&[&str], &[u8]); 4] = [
    (&["backup"], b"SQLite format 3\0"),
    (&["views", "inbox/a.jpg", "--npy"], b"\x93NUMPY"),
    (&["export", "--format", "fits"], b"SIMPLE  ="),
    (&["export", "--format", "csv"], b"path,object_id,"),
];

fn scene() -> Dir {
    let dir = Dir::new();
    tiny::write(&dir.path("tiny.onnx"));
    dir.old_file("a.jpg", &jpeg(1));
    dir.run(&["watch", "inbox", "--drain", "--model", "tiny.onnx"])
        .exits(0);
    dir
}

fn run(dir: &Dir, command: &[&str], output: &str, options: &[&str]) -> Ran {
    let arguments = command.iter().chain([&output]).chain(options);
    Ran::from(dir.galmorph(arguments).output().unwrap())
}

fn names(dir: &Dir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // SQLite's own files beside it come and go.
        .filter(|name| !name.starts_with("galmorph.sqlite"))
        .collect();
    names.sort();
    names
}

#[test]
fn an_existing_file_is_replaced_with_force_alone_and_keeps_its_mode() {
    let dir = scene();
    for (command, start) in COMMANDS {
        let path = dir.path("out");
        fs::write(&path, "precious").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let ran = run(&dir, command, "out", &[]).exits(2);
        ran.says_in_one_line(&["cannot write 'out'", "it exists", "--force"]);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        run(&dir, command, "out", &["--force"]).exits(0);
        assert!(fs::read(&path).unwrap().starts_with(start));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_link_stays_a_link_and_with_force_its_file_is_replaced() {
    let dir = scene();
    fs::create_dir(dir.path("disk")).unwrap();
    symlink("disk/target", dir.path("link")).unwrap();
    symlink("link", dir.path("chain")).unwrap();
    symlink("nowhere", dir.path("dangling")).unwrap();
    symlink("disk", dir.path("folder")).unwrap();
    for (command, start) in COMMANDS {
        let target = dir.path("disk/target");
        for name in ["link", "chain"] {
            fs::write(&target, "precious").unwrap();
            run(&dir, command, name, &[]).exits(2);
            assert_eq!(fs::read(&target).unwrap(), b"precious");
            run(&dir, command, name, &["--force"]).exits(0);
            assert!(fs::read(&target).unwrap().starts_with(start), "{name}");
            assert!(dir.path(name).is_symlink(), "{name}");
        }
        for (name, fault) in [("dangling", "leads nowhere"), ("folder", "a folder")] {
            let ran = run(&dir, command, name, &["--force"]).exits(2);
            ran.says_in_one_line(&[name, fault]);
            run(&dir, command, name, &[]).exits(2);
            assert!(dir.path(name).is_symlink(), "{name}");
        }
    }
    assert!(!dir.path("nowhere").exists());
    assert_eq!(fs::read_dir(dir.path("disk")).unwrap().count(), 1);
}

#[test]
fn what_is_no_regular_file_is_never_replaced() {
    let dir = scene();
    let made = Command::new("mkfifo").arg(dir.path("fifo")).status();
    assert!(made.unwrap().success());
    let _socket = UnixListener::bind(dir.path("socket")).unwrap();
    fs::create_dir(dir.path("folder")).unwrap();
    symlink("fifo", dir.path("to-fifo")).unwrap();
    let before = names(&dir);
    for (command, _) in COMMANDS {
        for (name, kind) in [
            ("fifo", "a FIFO"),
            ("socket", "a socket"),
            ("folder", "a folder"),
            ("to-fifo", "a FIFO"),
            // It is there for all, and only looked at.
            ("/dev/full", "a device"),
        ] {
            let ran = run(&dir, command, name, &["--force"]).exits(2);
            ran.says_in_one_line(&[name, kind, "never replaced", "'-' is standard output"]);
            run(&dir, command, name, &[]).exits(2);
        }
    }
    assert_eq!(names(&dir), before);
    let kind = |name: &str| dir.path(name).symlink_metadata().unwrap().file_type();
    assert!(kind("fifo").is_fifo() && kind("socket").is_socket() && kind("folder").is_dir());
    assert!(kind("to-fifo").is_symlink());
    assert!(
        Path::new("/dev/full")
            .metadata()
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

#[test]
fn what_a_command_reads_is_never_its_output() {
    let dir = scene();
    let image = fs::read(dir.inbox("a.jpg")).unwrap();
    symlink("inbox/a.jpg", dir.path("link.jpg")).unwrap();
    fs::hard_link(dir.inbox("a.jpg"), dir.path("hard.jpg")).unwrap();
    let views = ["views", "inbox/a.jpg", "--model", "tiny.onnx", "--npy"];
    for name in ["inbox/a.jpg", "link.jpg", "hard.jpg", "tiny.onnx"] {
        let ran = run(&dir, &views, name, &["--force"]).exits(2);
        ran.says_in_one_line(&["it is what the command reads"]);
    }
    assert_eq!(fs::read(dir.inbox("a.jpg")).unwrap(), image);

    let daemon = dir.daemon(&["--model", "tiny.onnx"]);
    symlink("galmorph.sqlite", dir.path("link.sqlite")).unwrap();
    for name in [
        "galmorph.sqlite",
        "link.sqlite",
        "galmorph.sqlite-wal",
        "galmorph.sqlite-shm",
        "galmorph.sqlite.lock",
    ] {
        let before = dir.path(name).metadata().unwrap().ino();
        for catalog in ["galmorph.sqlite", "link.sqlite"] {
            let ran = run(&dir, &["backup"], name, &["--force", "--catalog", catalog]).exits(2);
            ran.says_in_one_line(&["it is what the command reads"]);
        }
        assert_eq!(dir.path(name).metadata().unwrap().ino(), before);
    }
    // Nor the catalog of another daemon.
    let other = ["watch", "inbox", "--drain", "--catalog", "other.sqlite"];
    dir.run(&[&other[..], &["--model", "tiny.onnx"]].concat())
        .exits(0);
    let ran = run(
        &dir,
        &["backup"],
        "galmorph.sqlite",
        &["--force", "--catalog", "other.sqlite"],
    );
    ran.exits(2)
        .says_in_one_line(&["a galmorph watch has it open"]);
    daemon.end();
    dir.assert_sound();
}

#[test]
fn configuration_table_and_each_file_of_the_catalog_are_no_outputs_of_a_command_that_asks_it() {
    let dir = scene();
    // What is not there can't be replaced, but its place belongs to the catalog.
    for command in [&["backup"][..], &["export", "--format", "csv"]] {
        let ran = run(&dir, command, "galmorph.sqlite-journal", &[]).exits(2);
        ran.says_in_one_line(&["it is the place of a file that the command reads"]);
    }
    fs::write(dir.path("g.toml"), "catalog = 'galmorph.sqlite'\n").unwrap();
    fs::write(dir.path("m.csv"), "ra,dec\n1,2\n").unwrap();
    symlink("m.csv", dir.path("link.csv")).unwrap();
    fs::hard_link(dir.path("g.toml"), dir.path("hard")).unwrap();
    let daemon = dir.daemon(&["--model", "tiny.onnx"]);
    symlink("galmorph.sqlite.lock", dir.path("link.lock")).unwrap();
    let csv = ["export", "--format", "csv"];
    let labels = ["export", "--reviewed", "--format", "labels"];
    let cases: [(&[&str], &[&str], &[&str]); 7] = [
        (&["backup"], &["--config", "g.toml"], &["g.toml", "hard"]),
        (&csv, &["--config", "g.toml"], &["g.toml", "hard"]),
        (&labels, &["--config", "g.toml"], &["g.toml", "hard"]),
        (&csv, &["--match", "m.csv"], &["m.csv", "link.csv"]),
        (&csv, &["--match", "link.csv"], &["m.csv", "link.csv"]),
        (&csv, &[], &["galmorph.sqlite-wal", "galmorph.sqlite-shm"]),
        (&labels, &[], &["galmorph.sqlite.lock", "link.lock"]),
    ];
    for (command, options, names) in cases {
        for name in names {
            let file = || dir.path(name).metadata().unwrap();
            let before = (file().ino(), file().len());
            let ran = run(&dir, command, name, &[options, &["--force"]].concat()).exits(2);
            ran.says_in_one_line(&["it is what the command reads"]);
            assert_eq!((file().ino(), file().len()), before, "{name}");
        }
    }
    daemon.end();
}

#[test]
fn views_replace_no_band_and_not_each_other() {
    let dir = scene();
    for band in ["a_g.fits", "a_r.fits"] {
        dir.old_file(band, b"precious");
    }
    let sets = ["--bands", "g,r", "--band-files", "{object_id}_{band}.fits"];
    let command = [&["views", "inbox/a_g.fits"][..], &sets, &["--png"]].concat();
    let ran = run(&dir, &command, "inbox/a_r.fits", &["--force"]).exits(2);
    ran.says_in_one_line(&["a_r.fits", "it is what the command reads"]);
    assert_eq!(fs::read(dir.inbox("a_r.fits")).unwrap(), b"precious");

    fs::write(dir.path("out"), "precious").unwrap();
    symlink("out", dir.path("link")).unwrap();
    for (npy, png) in [("new", "./new"), ("out", "link"), ("-", "-")] {
        let command = ["views", "inbox/a.jpg", "--npy", npy, "--png"];
        let ran = run(&dir, &command, png, &["--force"]).exits(2);
        ran.says_in_one_line(&["--npy and --png name the same output"]);
    }
    assert_eq!(fs::read(dir.path("out")).unwrap(), b"precious");
    assert!(!dir.path("new").exists());
}

#[test]
fn a_backup_is_not_put_beside_the_log_of_another_database() {
    let dir = scene();
    fs::write(dir.path("copy.sqlite-wal"), "frames").unwrap();
    for options in [&[][..], &["--force"]] {
        let ran = run(&dir, &["backup"], "copy.sqlite", options).exits(2);
        ran.says_in_one_line(&["copy.sqlite-wal' lies beside it"]);
        assert!(!dir.path("copy.sqlite").exists());
    }
}

#[test]
fn a_dash_is_standard_output() {
    let dir = scene();
    let before = names(&dir);
    for (command, start) in COMMANDS {
        let arguments = command.iter().chain([&"-"]);
        let output = dir.galmorph(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.starts_with(start));
        assert!(output.stderr.is_empty());
        assert_eq!(names(&dir), before);
        // All of it, and nothing else.
        run(&dir, command, "./-", &[]).exits(0);
        let file = fs::read(dir.path("-")).unwrap();
        assert_eq!(output.stdout.len(), file.len());
        if command[0] == "views" {
            assert_eq!(output.stdout, file);
        } else if command[0] == "backup" {
            let copy = Connection::open(dir.path("-")).unwrap();
            let rows = copy.query_row("SELECT count(*) FROM cutout", [], |row| row.get(0));
            assert_eq!(rows, Ok(1));
        }
        fs::remove_file(dir.path("-")).unwrap();
        // A reader that has seen enough is no fault.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let arguments = command.iter().chain([&"-"]);
        let output = dir.galmorph(arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
    }
}

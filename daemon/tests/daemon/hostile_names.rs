//! Names that would speak to a terminal, forge a line, or turn one around. People see them written out;
//! programs get them as they are.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use crate::support::{Dir, Ran, age, jpeg, wait_until};
use crate::tiny;
use galmorph_output::{is_unseen, path_text, readable};

/// Sets the title and clears the screen; in one byte each (C1); turns a line around; forges a line; rings,
/// and is no UTF-8.
const NAMES: [&[u8]; 5] = [
    b"\x1b]0;pwned\x07\x1b[2J",
    "\u{9b}2J\u{85}forged".as_bytes(),
    "\u{202e}gpj\u{2066}".as_bytes(),
    b"\ngalmorph: forged\r\n",
    b"\x07\xff\xfe",
];

fn file_name(name: &[u8], ending: &str) -> OsString {
    OsString::from_vec([name, ending.as_bytes()].concat())
}

/// Nothing in it is hidden, and no line is one that a name made.
#[track_caller]
fn is_plain(what: &str, text: &str) {
    for line in text.lines() {
        assert!(!line.contains(is_unseen), "{what}: {line:?}");
        assert!(!line.starts_with("galmorph: forged"), "{what}: {line:?}");
        assert!(!line.starts_with("forged"), "{what}: {line:?}");
    }
}

/// An inbox with an image and a text of each name, and with a file of a hostile extension.
fn scene() -> Dir {
    let dir = Dir::new();
    tiny::write(&dir.path("tiny.onnx"));
    for (number, name) in (0..).zip(NAMES) {
        dir.old_file(file_name(name, "good.jpg"), &jpeg(number));
        dir.old_file(file_name(name, "bad.jpg"), b"text");
    }
    fs::write(dir.inbox(file_name(b"a.", "\u{1b}[2J")), "").unwrap();
    dir
}

/// The program with some arguments and a hostile one as the last, whose lines are plain.
#[track_caller]
fn ask(dir: &Dir, words: &[&str], last: impl AsRef<OsStr>) -> Ran {
    let words = words.iter().map(OsStr::new);
    let arguments: Vec<&OsStr> = words.chain([last.as_ref()]).collect();
    let ran = Ran::from(dir.galmorph(&arguments).output().unwrap());
    let what = format!("{arguments:?}");
    is_plain(&what, &ran.stdout);
    is_plain(&what, &ran.stderr);
    ran
}

const MODEL: [&str; 2] = ["--model", "tiny.onnx"];

#[test]
fn people_see_every_hidden_character_of_a_name_in_the_catalog_and_of_the_catalog() {
    let dir = scene();
    let watch = [
        "watch",
        "inbox",
        "--drain",
        "-vv",
        "--model",
        "tiny.onnx",
        "--catalog",
    ];
    let check = [
        "check",
        "inbox",
        "--deep",
        "--model",
        "tiny.onnx",
        "--catalog",
    ];
    for name in NAMES {
        let catalog = file_name(name, ".sqlite");
        // With a log, and with what a drain says at its end.
        let drained = ask(&dir, &watch, &catalog).exits(1);
        let bad = readable(dir.inbox(file_name(name, "bad.jpg")));
        assert!(drained.stderr.contains(&bad), "{}", drained.stderr);
        assert!(drained.stdout.contains(&readable(&catalog)));
        let table = ask(&dir, &["query", "--catalog"], &catalog).exits(0).stdout;
        assert_eq!(table.lines().count(), 1 + NAMES.len());
        assert!(table.contains(&readable(dir.inbox(file_name(name, "good.jpg")))));
        let table = ask(&dir, &["query", "--rejected", "--catalog"], &catalog).exits(0);
        assert_eq!(table.stdout.lines().count(), 1 + NAMES.len());
        ask(&dir, &["status", "--catalog"], &catalog).exits(0);
        ask(&dir, &check, &catalog).exits(0);
        ask(&dir, &["retry", "--catalog"], &catalog).exits(0);
        // Now there is something to name.
        let named = ask(&dir, &check, &catalog).exits(1);
        assert!(named.stdout.contains(&bad), "{}", named.stdout);
        ask(&dir, &["status", "--catalog"], &catalog).exits(0);
    }
}

#[test]
fn people_see_every_hidden_character_of_what_they_name() {
    let dir = scene();
    dir.run(&[&["watch", "inbox", "--drain"], &MODEL[..]].concat())
        .exits(1);
    for name in NAMES {
        let good = Path::new("inbox").join(file_name(name, "good.jpg"));
        let bad = Path::new("inbox").join(file_name(name, "bad.jpg"));
        let classify = [&["classify"], &MODEL[..]].concat();
        ask(&dir, &classify, &good).exits(0);
        let ran = ask(&dir, &classify, &bad).exits(1);
        ran.says_in_one_line(&[&readable(&bad), "not a JPEG, PNG or FITS image"]);
        let out = file_name(name, ".out");
        ask(&dir, &["backup"], &out).exits(0);
        for words in [&["backup"][..], &["views", "data.jpg", "--npy"]] {
            let ran = ask(&dir, words, &out).exits(2);
            ran.says_in_one_line(&[&readable(&out), "it exists"]);
        }
        let again = ask(&dir, &["backup", "--force"], &out).exits(0);
        assert!(again.stdout.contains(&readable(&out)));
        fs::remove_file(dir.path(&out)).unwrap();

        // What is not there, or not known.
        let gone = file_name(name, "gone");
        for words in [
            &["retry"][..],
            &["query", "--catalog"],
            &["watch", "--drain"],
            &["check"],
            &["watch", "inbox", "--drain", "--config"],
            &["check", "inbox", "--model"],
            &["query", "--label"],
            &["query", "--columns"],
            &["classify", "inbox/x.jpg", "--format"],
        ] {
            assert_ne!(ask(&dir, words, &gone).code, 0, "{words:?}");
        }
        // Not a file but a flag, as a shell makes one of `*`.
        let flag = OsString::from_vec([b"--", name].concat());
        ask(&dir, &["query"], &flag).exits(2);
        ask(&dir, &["classify"], &flag).exits(2);
    }
}

#[test]
fn programs_get_names_as_they_are() {
    let dir = scene();
    dir.run(&["watch", "inbox", "--drain", "--model", "tiny.onnx"])
        .exits(1);
    let mut expected: Vec<String> = NAMES
        .iter()
        .map(|name| path_text(&dir.inbox(file_name(name, "good.jpg"))))
        .collect();
    expected.sort();
    let jsonl = dir.run(&["query", "--format", "jsonl"]).exits(0).stdout;
    let rows = jsonl
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let mut paths: Vec<String> = rows
        .map(|row: serde_json::Value| row["path"].as_str().unwrap().to_owned())
        .collect();
    paths.sort();
    assert_eq!(paths, expected);
    let csv = dir
        .run(&["query", "--format", "csv", "--columns", "path"])
        .exits(0);
    for path in &expected {
        assert!(csv.stdout.contains(path), "{path:?}");
    }
}

#[test]
fn the_log_of_a_daemon_is_plain() {
    let dir = Dir::new();
    crate::file_system::configure(&dir, crate::file_system::SOON);
    let mut daemon = dir.daemon(&["--config", "galmorph.toml", "-vv"]);
    for name in NAMES {
        let path = dir.inbox(file_name(name, "bad.jpg"));
        fs::write(&path, "text").unwrap();
        age(&path);
        let line = daemon.wait_for_line(&format!("rejected '{}'", readable(&path)));
        is_plain("log", &line);
    }
    let rows = i64::try_from(NAMES.len()).unwrap();
    wait_until("all have their rows", || dir.count("cutout") == rows);
    daemon.end();
}

//! The commands that read: `classify`, `query`, `views`; and the catalog through SQLite's own shell.

use std::fs;
use std::io::{self, Write as _};
use std::process::Command;

use galmorph_cutout::{Limits, Preprocessing, decode};

use crate::support::{Dir, PAPERS_MODEL, Ran, jpeg, png};

/// A drained inbox of some images.
fn with_catalog(images: u32) -> Dir {
    let dir = Dir::new();
    for seed in 0..images {
        dir.old_file(format!("{seed}.jpg"), &jpeg(seed));
    }
    dir.drain().exits(0);
    dir
}

#[test]
fn classify_agrees_with_the_catalog() {
    let dir = with_catalog(4);
    let files = ["inbox/0.jpg", "inbox/1.jpg", "inbox/2.jpg", "inbox/3.jpg"];
    let classified = dir
        .galmorph(["classify", "--format", "csv"].iter().chain(&files))
        .output()
        .unwrap();
    let classified = Ran::from(classified).exits(0);
    let queried = dir.run(&["query", "--format", "csv"]).exits(0);

    let fields = |text: &str, from: &str, to: &str| -> Vec<Vec<String>> {
        let mut lines = text
            .lines()
            .map(|line| line.split(',').map(String::from).collect());
        let header: Vec<String> = lines.next().unwrap();
        let at = |name| header.iter().position(|column| column == name).unwrap();
        let (from, to) = (at(from), at(to));
        lines
            .map(|line: Vec<String>| line[from..=to].to_vec())
            .collect()
    };
    let ours = fields(&classified.stdout, "label", "model");
    assert_eq!(ours.len(), 4);
    assert_eq!(ours, fields(&queried.stdout, "label", "model"));
}

#[test]
fn classify_reports_what_it_rejects_and_goes_on() {
    let dir = Dir::new();
    dir.old_file("bad.jpg", b"text");
    dir.old_file("good.png", &png(1));
    let ran = dir
        .run(&[
            "classify",
            "inbox/bad.jpg",
            "inbox/good.png",
            "inbox/gone.jpg",
            "inbox",
        ])
        .exits(1);
    assert_eq!(ran.stderr.lines().count(), 3, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("'inbox/bad.jpg': not a JPEG, PNG or FITS image")
    );
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert!(!dir.path("galmorph.sqlite").exists());

    // Without any answer there is no header either.
    let ran = dir.run(&["classify", "inbox/bad.jpg"]).exits(1);
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}

#[test]
fn columns_are_chosen_by_name() {
    let dir = with_catalog(1);
    let csv = |arguments: &[&str]| {
        let arguments = arguments.iter().chain(&["--format", "csv"]);
        Ran::from(dir.galmorph(arguments).output().unwrap())
            .exits(0)
            .stdout
    };
    let label: String = dir.ask("SELECT label FROM catalog");
    assert_eq!(
        csv(&["query", "--columns", "label,object_id"]),
        format!("label,object_id\n{label},0\n")
    );
    let second = csv(&["query", "--columns", "runner_up"]);
    let of_file = ["classify", "inbox/0.jpg", "--columns", "runner_up"];
    assert_eq!(csv(&of_file), second);
    let (class, probability) = second.lines().nth(1).unwrap().split_once(' ').unwrap();
    let value: f64 = dir.ask(&format!("SELECT p_{class} FROM catalog"));
    assert_eq!(format!("{value:.2}"), probability);
}

#[test]
fn json_lines_are_json() {
    let dir = with_catalog(2);
    let ran = dir
        .run(&["query", "--format", "jsonl", "--limit", "1"])
        .exits(0);
    let row: serde_json::Value = serde_json::from_str(ran.stdout.trim_end()).unwrap();
    assert_eq!(row["object_id"], "0");
    assert!(row["ra"].is_null());
    assert!(row["p_spiral"].as_f64().is_some());
}

#[test]
fn query_filters() {
    let dir = with_catalog(6);
    let rows = |filter: &[&str]| {
        let arguments = ["query", "--format", "csv"].iter().chain(filter);
        let ran = Ran::from(dir.galmorph(arguments).output().unwrap()).exits(0);
        i64::try_from(ran.stdout.lines().count() - 1).unwrap()
    };
    assert_eq!(rows(&[]), 6);
    assert_eq!(rows(&["--limit", "2"]), 2);
    let label: String = dir.ask("SELECT label FROM catalog LIMIT 1");
    let of_label = dir.count(&format!("catalog WHERE label = '{label}'"));
    assert_eq!(rows(&["--label", &label]), of_label);
    assert_eq!(rows(&["--label", &label.to_uppercase()]), of_label);
    assert_eq!(rows(&["--min-confidence", "0"]), 6);
    assert_eq!(rows(&["--model", "galmorph-1"]), 6);
    assert_eq!(rows(&["--rejected"]), 0);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let dir = with_catalog(2);
    let quietly = |command: &[&str]| {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = dir.galmorph(command).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert!(output.stderr.is_empty(), "{command:?}");
    };
    for format in ["table", "csv", "jsonl"] {
        quietly(&["query", "--format", format]);
        quietly(&["classify", "inbox/0.jpg", "--format", format]);
    }
    quietly(&["status"]);
    quietly(&["status", "--format", "json"]);
    quietly(&["check", "inbox"]);
    quietly(&["check", "inbox", "--deep"]);
    quietly(&["retry"]);
    quietly(&["backup", "copy.sqlite"]);
    quietly(&["watch", "inbox", "--drain"]);
    // A fault is a fault, whether or not the rest is read.
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut check = dir.galmorph(["check", "inbox", "nowhere"]);
    let output = check.stdout(writer).output().unwrap();
    Ran::from(output).exits(2).says_in_one_line(&["'nowhere'"]);
}

#[test]
fn views_are_those_of_the_cutout_library() {
    let dir = Dir::new();
    let bytes = png(7);
    dir.old_file("a.png", &bytes);
    let paper = ["--framing", "paper", "--model", PAPERS_MODEL];
    let arguments = ["views", "inbox/a.png", "--npy", "views.npy"];
    dir.run(&[&arguments[..], &paper].concat()).exits(0);

    let file = fs::read(dir.path("views.npy")).unwrap();
    assert_eq!(&file[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    assert_eq!(start % 64, 0);
    let header = String::from_utf8_lossy(&file[10..start]).into_owned();
    assert!(header.contains("'shape': (4, 3, 64, 64)"), "{header}");
    let (values, rest) = file[start..].as_chunks();
    let values: Vec<f32> = values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect();
    assert!(rest.is_empty());
    let image = decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(values, Preprocessing::default().views(&image));

    dir.old_file("bad.png", b"text");
    dir.run(&["views", "inbox/bad.png", "--npy", "bad.npy"])
        .exits(1);
    assert!(!dir.path("bad.npy").exists());
    let ran = dir
        .run(&["views", "inbox/a.png", "--npy", "no/such/folder.npy"])
        .exits(2);
    ran.says_in_one_line(&["cannot write 'no/such/folder.npy'"]);
}

#[test]
fn the_catalog_is_open_to_the_sqlite_shell() {
    let dir = with_catalog(3);
    let shell = |sql: &str| {
        let mut command = Command::new("sqlite3");
        command.arg(dir.path("galmorph.sqlite")).arg(sql).output()
    };
    let Ok(output) = shell(
        "PRAGMA integrity_check; SELECT count(*) FROM catalog WHERE label <> ''; \
               SELECT count(*) FROM probability; SELECT count(DISTINCT digest) FROM classification; \
               SELECT count(*) FROM rejected; \
               SELECT count(*) FROM catalog WHERE classified_at > datetime('now', '-1 hour'); \
               SELECT count(*) FROM catalog WHERE classified_at > datetime('now', '+1 hour');",
    ) else {
        let _ = writeln!(io::stderr(), "skipped: no sqlite3 here");
        return;
    };
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "ok\n3\n15\n3\n0\n3\n0\n"
    );
}

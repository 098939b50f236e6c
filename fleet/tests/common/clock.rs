//! Programs whose clock is off.

use std::fs;
use std::path::PathBuf;

/// What runs a program with a clock that is so much off, as in `+5m`, or stands still, as in `2030-01-01 00:00:00` (UTC). Times of files, and how long something takes, are as they are.
/// `None`, and a line, where libfaketime is not installed.
pub fn clock_off(by: &str) -> Option<Vec<String>> {
    let Some(library) = library() else {
        eprintln!("skipped: libfaketime is not installed (scripts/setup fleet installs it)");
        return None;
    };
    let library = format!("LD_PRELOAD={}", library.to_str()?);
    let clock = format!("FAKETIME={by}");
    let words = [
        "env",
        &library,
        &clock,
        "TZ=UTC",
        "DONT_FAKE_MONOTONIC=1",
        "FAKETIME_DONT_RESET=1",
        "NO_FAKE_STAT=1",
    ];
    Some(words.map(str::to_owned).to_vec())
}

fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?;
    let places = folders
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    places.into_iter().find(|library| library.is_file())
}

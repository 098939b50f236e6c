//! The modules of the library import one way, in the order that the documentation of `lib.rs` draws.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The lines of the drawing from top to bottom, each with the modules that it names.
fn drawing() -> Vec<Vec<String>> {
    let library = fs::read_to_string(source().join("lib.rs")).unwrap();
    let (_, section) = library.split_once("//! # The modules").unwrap();
    let drawing = section.split("//! ```").nth(1).unwrap();
    drawing
        .lines()
        .skip(1)
        .map(|line| {
            let line = line.trim_start_matches("//! ");
            let (names, _) = line.split_once("  ").unwrap();
            names.split_whitespace().map(String::from).collect()
        })
        .collect()
}

/// All source files, each with the module of the library that it belongs to.
fn files() -> Vec<(String, PathBuf)> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    let mut all = Vec::new();
    collect(&source(), &mut all);
    all.into_iter()
        .map(|path| {
            let inside = path.strip_prefix(source()).unwrap();
            let module = inside.iter().next().unwrap().to_str().unwrap();
            (module.trim_end_matches(".rs").to_owned(), path)
        })
        .filter(|(module, _)| !["lib", "main"].contains(&module.as_str()))
        .collect()
}

/// The names that follow `crate::` in a file, in its documentation, too.
fn imports(text: &str) -> BTreeSet<&str> {
    let names = text.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    });
    names.collect()
}

#[test]
fn a_module_imports_only_from_lines_below_its_own() {
    let drawing = drawing();
    let line = |module: &str| {
        drawing
            .iter()
            .position(|names| names.iter().any(|name| name == module))
    };
    let mut faults = Vec::new();
    for (module, path) in files() {
        let text = fs::read_to_string(&path).unwrap();
        let own = line(&module).unwrap_or_else(|| panic!("'{module}' is not in the drawing"));
        for import in imports(&text) {
            if import == module {
                continue;
            }
            match line(import) {
                Some(other) if other > own => {}
                Some(_) => faults.push(format!("{} imports {import}", path.display())),
                None => faults.push(format!("{}: what is crate::{import}?", path.display())),
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_drawing_has_every_module_once_and_no_other() {
    let drawn = drawing().concat();
    let mut sorted = drawn.clone();
    sorted.sort();
    let modules: BTreeSet<String> = files().into_iter().map(|(module, _)| module).collect();
    assert_eq!(sorted, modules.into_iter().collect::<Vec<_>>());
}

#[test]
fn descriptions_and_metrics_know_nothing_of_torch() {
    for (module, path) in files() {
        if ["network", "metrics"].contains(&module.as_str()) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("tch::"), "{}", path.display());
        }
    }
}

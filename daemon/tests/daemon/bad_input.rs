//! Values that match nothing known are errors that name what is known, never an empty success.

use crate::support::{Dir, jpeg};

/// A drained inbox with one image and one file that is none.
fn with_catalog() -> Dir {
    let dir = Dir::new();
    dir.old_file("a.jpg", &jpeg(1));
    dir.old_file("bad.jpg", b"text");
    dir.drain().exits(1);
    dir
}

fn refuses(dir: &Dir, arguments: &[&str], parts: &[&str]) {
    let ran = dir.run(arguments).exits(2);
    assert_eq!(ran.stdout, "", "{arguments:?}");
    for part in parts {
        assert!(ran.stderr.contains(part), "'{part}' in: {}", ran.stderr);
    }
}

#[test]
fn a_misspelt_reason_is_an_error_with_a_suggestion() {
    let dir = with_catalog();
    let known = "unknown reason 'not_an_imag', did you mean 'not_an_image'? (one of not_an_image, broken, unsupported,";
    refuses(&dir, &["retry", "--reason", "not_an_imag"], &[known]);
    refuses(
        &dir,
        &["retry", "--reason", "broken", "--reason", "x"],
        &["unknown reason 'x' (one of "],
    );
    assert_eq!(dir.count("cutout WHERE retry IS NOT NULL"), 0);
    let ran = dir.run(&["retry", "--reason", "broken"]).exits(0);
    assert_eq!(ran.stdout, "queued 0 rejected files\n");
}

#[test]
fn a_model_that_the_catalog_does_not_have_is_an_error_that_lists_those_it_has() {
    let dir = with_catalog();
    dir.run(&["query", "--model", "nosuch"])
        .exits(2)
        .says_in_one_line(&["unknown model 'nosuch' (one of galmorph-1)"]);
    dir.run(&["query", "--model", "galmorph"])
        .exits(2)
        .says_in_one_line(&["did you mean 'galmorph-1'?"]);
}

#[test]
fn a_class_that_there_is_not_is_an_error_that_lists_the_classes() {
    let dir = with_catalog();
    let known = "unknown class 'elliptical' (one of round, in_between, cigar, edge_on, spiral)";
    refuses(&dir, &["query", "--label", "elliptical"], &[known]);
    dir.run(&["query", "--label", "Edge-On"]).exits(0);
}

#[test]
fn a_confidence_is_a_probability_and_no_percentage() {
    let dir = with_catalog();
    let query = |value| ["query", "--min-confidence", value];
    let percent = "must be 0 to 1 (did you mean 0.95?)";
    refuses(&dir, &query("95"), &[percent]);
    for value in ["nan", "1.5e3"] {
        refuses(&dir, &query(value), &["must be 0 to 1"]);
    }
}

#[test]
fn a_limit_is_one_that_sqlite_can_count_to() {
    let dir = with_catalog();
    for (limit, code) in [
        ("9223372036854775807", 0),
        ("9223372036854775808", 2),
        ("18446744073709551616", 2),
    ] {
        let ran = dir.run(&["query", "--limit", limit]).exits(code);
        assert_eq!(ran.stderr.contains("--limit"), code == 2, "{}", ran.stderr);
    }
}

#[test]
fn a_column_that_there_is_not_is_an_error_that_lists_the_columns() {
    let dir = with_catalog();
    dir.run(&["query", "--columns", "path,lable"])
        .exits(2)
        .says_in_one_line(&[
            "unknown column 'lable', did you mean 'label'? (one of path, object_id, ",
        ]);
    // What is rejected has other columns.
    dir.run(&["query", "--rejected", "--columns", "label"])
        .exits(2)
        .says_in_one_line(&["unknown column 'label'", "reason"]);
}

#[test]
fn a_path_without_a_row_is_an_error_and_nothing_is_queued() {
    let dir = with_catalog();
    let gone = ["retry", "inbox", "/no/such/folder"];
    dir.run(&gone)
        .exits(2)
        .says_in_one_line(&["has no file at or below '/no/such/folder'"]);
    assert_eq!(dir.count("cutout WHERE retry IS NOT NULL"), 0);
    // A file that is classified is known, and there is nothing to do for it.
    let ran = dir.run(&["retry", "inbox/a.jpg"]).exits(0);
    assert_eq!(ran.stdout, "queued 0 rejected files\n");
}

#[test]
fn a_folder_that_is_not_there_takes_no_copy() {
    let dir = with_catalog();
    dir.run(&["backup", "/nonexistent/x.sqlite"])
        .exits(2)
        .says_in_one_line(&["'/nonexistent/x.sqlite': the folder '/nonexistent' does not exist"]);
}

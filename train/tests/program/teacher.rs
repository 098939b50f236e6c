//! Training with the answers of a network that was trained before.

use std::fs;

use crate::support::{Dir, run};

fn trained(dir: &Dir, output: &str, options: &[&str]) {
    run(dir.train(output, 1).args(options), 0);
}

/// The one line with which training with a teacher is refused.
fn complaint(dir: &Dir, teacher: &str, options: &[&str]) -> String {
    let mut command = dir.train("run", 1);
    command.arg("--teacher").arg(dir.checkpoint(teacher));
    let output = run(command.args(options).arg("--quiet"), 2);
    assert!(!dir.path("run").exists(), "a run was begun");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_student_learns_from_teachers_and_is_another_run_with_others() {
    let dir = Dir::with_galaxies();
    trained(&dir, "one", &["--seed", "2"]);
    trained(&dir, "two", &["--seed", "3"]);
    trained(&dir, "alone", &[]);
    let student = |teachers: &[&str]| {
        let mut command = dir.train("run", 1);
        command
            .arg("--teacher")
            .args(teachers.iter().map(|teacher| dir.checkpoint(teacher)));
        command
    };
    run(&mut student(&["one", "two"]), 0);
    let bytes = |run: &str| fs::read(dir.checkpoint(run)).unwrap();
    let learned = bytes("run");
    assert_ne!(learned, bytes("alone"));
    // The run is over, and is known to be this one.
    run(&mut student(&["one", "two"]), 0);
    assert_eq!(bytes("run"), learned);
    let output = run(&mut student(&["one"]), 2);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("is a run with other settings: teachers ("),
        "{message}"
    );
}

#[test]
fn a_teacher_that_may_know_the_held_out_galaxies_is_refused() {
    let dir = Dir::with_galaxies();
    trained(&dir, "whole", &[]);
    trained(&dir, "fold1", &["--fold", "1"]);
    for (teacher, options, held_out) in [
        (
            "whole",
            &["--fold", "1"][..],
            "held out the split validation, and this run holds out fold 1",
        ),
        (
            "fold1",
            &[][..],
            "held out fold 1, and this run holds out the split validation",
        ),
        (
            "fold1",
            &["--fold", "2"][..],
            "held out fold 1, and this run holds out fold 2",
        ),
    ] {
        let message = complaint(&dir, teacher, options);
        let whole = format!("teacher '{teacher}' {held_out}");
        assert!(message.contains(&whole), "{message}");
    }
}

#[test]
fn a_teacher_with_other_views_is_refused() {
    let dir = Dir::with_galaxies();
    trained(&dir, "other", &["--test-scales", "190"]);
    let message = complaint(&dir, "other", &[]);
    assert!(
        message.contains("teacher 'other' has other views than this run"),
        "{message}"
    );
    // Without a teacher, its share says nothing.
    let output = run(dir.train("run", 1).args(["--teacher-share", "0.5"]), 2);
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("--teacher")
    );
}

//! A reader that closes the pipe, as `head` does, is no error; and the files of a command are there all
//! the same.

use std::path::Path;
use std::process::Command;

use crate::support::{Dir, TRAIN, program, run};

/// Runs with a standard output that is already closed. Returns the messages on standard error.
fn run_unread(command: &mut Command) -> String {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = run(command.stdout(writer), 0);
    let message = String::from_utf8(output.stderr).unwrap();
    let quiet = !message.contains("panicked") && !message.contains("cannot");
    assert!(quiet, "{message}");
    message
}

#[test]
fn a_closed_pipe_is_quiet_in_every_command_that_prints() {
    for arguments in [&["networks"][..], &["--help"], &["train", "--help"]] {
        let said = run_unread(program(Path::new(TRAIN)).args(arguments));
        assert_eq!(said, "", "{arguments:?}");
    }

    let dir = Dir::with_galaxies();
    run_unread(&mut dir.train("run", 1));
    assert!(dir.checkpoint("run").exists());

    let evaluation = dir.path("evaluation");
    run_unread(dir.evaluate("run").arg("--output").arg(&evaluation));
    assert!(evaluation.join("evaluation.json").exists());

    let votes = dir.path("votes.csv");
    let header = "GalaxyID,Class1.1,Class1.2,Class2.1,Class2.2,Class4.1,Class7.1,Class7.2,Class7.3";
    std::fs::write(
        &votes,
        format!("{header}\n11,0.9,0.1,0,0.1,0,0.6,0.2,0.1\n"),
    )
    .unwrap();
    let selected = dir.path("selected.csv");
    let mut select = program(Path::new(TRAIN));
    select.args(["select", "--votes"]).arg(&votes);
    run_unread(select.arg("--output").arg(&selected));
    assert!(selected.exists());
}

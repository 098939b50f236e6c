//! A run that is stopped or killed continues where it was, and ends with the same bits.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use safetensors::SafeTensors;

use crate::support::{Dir, run};

/// Enough epochs that the run can't be over before the signal arrives.
const EPOCHS: u32 = 12;

fn tensors(checkpoint: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(checkpoint).unwrap();
    SafeTensors::deserialize(&bytes)
        .unwrap()
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, view.data().to_vec()))
        .collect()
}

/// Runs until the second epoch is done, then sends the signal.
fn interrupt(dir: &Dir, output: &str, signal: &str) -> Option<i32> {
    let mut child = dir
        .train(output, EPOCHS)
        .args(["--checkpoint-steps", "1"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let reached = lines.any(|line| line.unwrap().contains("epoch 2/"));
    assert!(reached, "the run ended early");
    let kill = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    // Read to its end, so that the program is never stopped by a full pipe.
    lines.for_each(drop);
    child.wait().unwrap().code()
}

fn ends_like_an_uninterrupted_run(signal: &str, code: Option<i32>) {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("whole", EPOCHS), 0);
    assert_eq!(interrupt(&dir, "parts", signal), code);

    let before = tensors(&dir.checkpoint("parts"));
    let wanted = tensors(&dir.checkpoint("whole"));
    assert_ne!(before, wanted, "the signal came after the end");
    run(&mut dir.train("parts", EPOCHS), 0);
    let resumed = tensors(&dir.checkpoint("parts"));
    assert_eq!(resumed.len(), wanted.len());
    for (name, bytes) in &wanted {
        assert!(resumed[name] == *bytes, "{name} differs");
    }
}

#[test]
fn after_it_was_killed() {
    ends_like_an_uninterrupted_run("-KILL", None);
}

#[test]
fn after_it_was_asked_to_stop() {
    ends_like_an_uninterrupted_run("-TERM", Some(130));
}

/// How far a checkpoint has come.
fn state(checkpoint: &Path) -> serde_json::Value {
    let bytes = std::fs::read(checkpoint).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let state = &metadata.metadata().as_ref().unwrap()["galmorph-train"];
    serde_json::from_str(state).unwrap()
}

/// After an epoch's last batch, the statistics of the averaged weights are observed on training views,
/// and dropout draws random numbers for that. A run that ended right there once drew other numbers than
/// one that went on.
#[test]
fn after_it_ended_between_the_last_batch_of_an_epoch_and_the_epochs_end() {
    for options in [
        &[][..],
        &["--mixup", "0.4", "--label-smoothing", "0.1"],
        &["--workers", "3", "--seed", "7"],
        &["--augmentation", "telescope", "--resampling", "antialiased"],
    ] {
        resumes_at_the_end_of_an_epoch(options);
    }
}

fn resumes_at_the_end_of_an_epoch(options: &[&str]) {
    let dir = Dir::with_galaxies();
    let train = |output: &str| {
        let mut command = dir.train(output, 1);
        command.args(["--checkpoint-steps", "1"]).args(options);
        command
    };
    run(&mut train("whole"), 0);

    // A folder stands in the place of the first file that is written after the statistics were observed.
    let taken = dir.path("parts").join("history.csv");
    std::fs::create_dir_all(&taken).unwrap();
    run(&mut train("parts"), 3);
    let before = state(&dir.checkpoint("parts"));
    assert_eq!((&before["epoch"], &before["batch"]), (&0.into(), &5.into()));
    std::fs::remove_dir(&taken).unwrap();
    run(&mut train("parts"), 0);

    let wanted = tensors(&dir.checkpoint("whole"));
    let resumed = tensors(&dir.checkpoint("parts"));
    assert_eq!(resumed.len(), wanted.len());
    for (name, bytes) in &wanted {
        assert!(resumed[name] == *bytes, "{name} differs with {options:?}");
    }
    let measured = |output: &str| state(&dir.checkpoint(output))["result"].clone();
    assert_eq!(measured("parts"), measured("whole"));
}

#[test]
fn but_not_with_other_settings() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("run", 1), 0);
    let output = run(&mut dir.train("run", 2), 2);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("epochs (2 here, 1 there)"), "{message}");
}

#[test]
fn another_seed_is_another_run() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("one", 1), 0);
    run(dir.train("two", 1).args(["--seed", "2"]), 0);
    assert_ne!(
        tensors(&dir.checkpoint("one")),
        tensors(&dir.checkpoint("two"))
    );
}

//! A fold is held out in training, and its galaxies are answered by the network that never saw them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::support::{Dir, TRAIN, program, run};

/// Trains a network with a fold held out.
fn train(dir: &Dir, fold: &str) {
    run(dir.train(fold, 1).args(["--fold", fold]), 0);
}

fn command(dir: &Dir, folds: &[&str], output: &Path) -> Command {
    let mut command = program(Path::new(TRAIN));
    command.args(["fold", "--threads", "1", "--device", "cpu"]);
    command.arg("--labels").arg(dir.labels());
    command.arg("--images").arg(dir.images());
    command.arg("--output").arg(output);
    command.arg("--models");
    command.args(folds.iter().map(|fold| dir.checkpoint(fold)));
    command
}

fn complaint(command: &mut Command) -> String {
    String::from_utf8(run(command, 2).stderr).unwrap()
}

fn read_csv(path: &Path) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(&reader.headers().unwrap()[8], "fold");
    reader.records().map(Result::unwrap).collect()
}

#[test]
fn each_galaxy_is_answered_once_by_the_network_that_held_it_out() {
    let dir = Dir::with_galaxies();
    let folds = ["0", "1", "2", "3", "4"];
    for fold in folds {
        train(&dir, fold);
    }
    let output = dir.path("answers");
    let printed = run(&mut command(&dir, &folds, &output), 0).stdout;
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.contains("50 out of fold images"), "{printed}");

    let rows = read_csv(&output.join("predictions.csv"));
    let ids: BTreeSet<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!((rows.len(), ids.len()), (50, 50));
    let features = std::fs::read(output.join("features.npy")).unwrap();
    let header = String::from_utf8_lossy(&features[..128]);
    // The widths of Table 3 at k = 0.0625.
    assert!(header.contains("'shape': (50, 128)"), "{header}");

    // Each model's own answers to its fold, and those of no other model.
    for fold in folds {
        let alone = dir.path(&format!("alone-{fold}"));
        let mut evaluate = dir.evaluate(fold);
        run(
            evaluate.args(["--fold", fold]).arg("--output").arg(&alone),
            0,
        );
        let text = std::fs::read_to_string(alone.join("predictions.csv")).unwrap();
        let ids: Vec<&str> = text
            .lines()
            .skip(1)
            .filter_map(|l| l.split(',').next())
            .collect();
        let here: Vec<&str> = rows
            .iter()
            .filter(|r| &r[8] == fold)
            .map(|r| &r[0])
            .collect();
        assert_eq!(ids, here);
    }

    // The same answers in fewer folds, compared with themselves.
    let predictions = output.join("predictions.csv");
    let two = dir.path("two");
    let fewer = complaint(
        command(&dir, &["0", "1"], &two)
            .arg("--against")
            .arg(&predictions),
    );
    assert!(
        fewer.contains("has the answers to 50 images, not to these"),
        "{fewer}"
    );
    let same = run(
        command(&dir, &folds, &two)
            .arg("--against")
            .arg(&predictions),
        0,
    )
    .stdout;
    let same = String::from_utf8(same).unwrap();
    assert!(
        same.contains("the same label for 50 of 50 images"),
        "{same}"
    );
    assert!(same.contains("McNemar"), "{same}");
}

#[test]
fn a_model_is_not_measured_on_galaxies_that_it_has_seen() {
    let dir = Dir::with_galaxies();
    train(&dir, "0");
    run(&mut dir.train("whole", 1), 0);
    let output = dir.path("answers");
    let twice = complaint(&mut command(&dir, &["0", "0"], &output));
    assert!(twice.contains("both held out fold 0"), "{twice}");
    let whole = complaint(&mut command(&dir, &["whole"], &output));
    assert!(whole.contains("held out no fold"), "{whole}");
    let other = complaint(dir.evaluate("0").args(["--fold", "1"]));
    assert!(
        other.contains("'0' was trained on fold 1; it held out fold 0"),
        "{other}"
    );
    assert!(!output.exists());
}

#[test]
fn an_exported_model_knows_its_fold() {
    let dir = Dir::with_galaxies();
    train(&dir, "3");
    let model = dir.path("model.onnx");
    let mut export = program(Path::new(TRAIN));
    export
        .arg("export")
        .arg("--checkpoint")
        .arg(dir.checkpoint("3"));
    run(export.arg("--output").arg(&model), 0);
    let mut evaluate = program(Path::new(TRAIN));
    evaluate.args([
        "evaluate",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--fold",
        "3",
    ]);
    evaluate.arg("--labels").arg(dir.labels());
    evaluate.arg("--images").arg(dir.images());
    run(evaluate.arg("--model").arg(&model), 0);
}

//! `evaluate` prints the paper's tables, and its files say the same as they do.

use std::fmt::Write as _;
use std::path::Path;

use galmorph_cutout::Morphology;
use galmorph_train::evaluation::{EVALUATION, Evaluation, tables};

use crate::support::{Dir, run};

/// Evaluates the run in the folder, and returns what was printed.
fn evaluate(dir: &Dir, output: &Path, more: &[&str]) -> String {
    let mut evaluate = dir.evaluate("trial");
    evaluate.arg("--output").arg(output);
    let output = run(evaluate.args(more), 0);
    String::from_utf8(output.stdout).unwrap()
}

fn read_csv(path: &Path) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.records().map(Result::unwrap).collect()
}

#[test]
fn the_tables_are_printed_and_written() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("trial", 2), 0);
    let folder = dir.path("evaluation");
    let printed = evaluate(&dir, &folder, &[]);
    for table in [
        "Table 4.",
        "Table 5.",
        "Table 6.",
        "Table 7.",
        "Calibration",
    ] {
        assert!(printed.contains(table), "{printed}");
    }
    assert!(printed.contains("Zhu et al."), "{printed}");

    let evaluation = Evaluation::read(&folder.join(EVALUATION)).unwrap();
    assert_eq!(evaluation.subject.model, "trial");
    assert_eq!(evaluation.images, 10);
    assert_eq!(evaluation.history.len(), 2);
    assert_eq!(evaluation.test_scales, [180, 200, 220, 240]);
    assert_eq!(evaluation.per_scale.len(), 4);
    assert_eq!(evaluation.roc.len(), Morphology::COUNT);
    // What is read back prints the same, so nothing was lost on the way.
    let alone = std::slice::from_ref(&evaluation);
    for table in [
        tables::table4(&evaluation),
        tables::table5(&evaluation),
        tables::table6(alone),
        tables::table7(alone),
        tables::calibration(&evaluation),
    ] {
        assert!(printed.contains(&table.to_string()), "{table}");
    }

    let predictions = read_csv(&folder.join("predictions.csv"));
    let right = predictions.iter().filter(|row| row[1] == row[2]).count();
    assert_eq!(predictions.len(), 10);
    let accuracy = evaluation.averaged.accuracy.unwrap();
    assert_eq!(accuracy.value, right as f64 / 10.0);
    let sum: f32 = (predictions[0].iter().skip(3))
        .map(|p| p.parse::<f32>().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-5);

    let confusion = read_csv(&folder.join("table5.csv"));
    let diagonal: usize = (confusion.iter().enumerate())
        .map(|(id, row)| row[id + 1].parse::<usize>().unwrap())
        .sum();
    assert_eq!(diagonal, right);
    assert_eq!(read_csv(&folder.join("table4.csv")).len(), 6);
    assert_eq!(read_csv(&folder.join("table6.csv")).len(), 2);
    assert_eq!(read_csv(&folder.join("table7.csv")).len(), 2);
}

#[test]
fn the_symmetries_of_the_square_are_averaged_when_asked_for() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("trial", 1), 0);
    let (plain, symmetric) = (dir.path("plain"), dir.path("symmetric"));
    evaluate(&dir, &plain, &[]);
    let printed = evaluate(&dir, &symmetric, &["--symmetries"]);
    assert!(printed.contains("8 symmetries"), "{printed}");
    let read = |folder: &Path| Evaluation::read(&folder.join(EVALUATION)).unwrap();
    assert_eq!(read(&plain).symmetries, 1);
    assert_eq!(read(&symmetric).symmetries, 8);
    let answers = |folder: &Path| read_csv(&folder.join("predictions.csv"));
    assert_ne!(answers(&plain), answers(&symmetric));
}

#[test]
fn what_is_no_evaluation_is_named() {
    let dir = Dir::with_galaxies();
    let file = dir.path("evaluation.json");
    let complaint = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Evaluation::read(&file).unwrap_err().to_string()
    };
    assert!(complaint("{}").contains("evaluation.json': it states no format"));
    assert!(complaint(r#"{"format": 7}"#).contains("format 7"));
    assert!(complaint(r#"{"format": 1}"#).contains("missing field"));
    assert!(complaint("Table 4").contains("cannot use evaluation"));
}

#[test]
fn a_model_is_compared_with_another_image_by_image() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("trial", 1), 0);
    let (first, second) = (dir.path("first"), dir.path("second"));
    evaluate(&dir, &first, &[]);
    let predictions = first.join("predictions.csv");
    let against = ["--against", predictions.to_str().unwrap()];
    let printed = evaluate(&dir, &second, &against);
    assert!(
        printed.contains("the same label for 10 of 10 images"),
        "{printed}"
    );
    assert!(printed.contains("differ by 0.0000 at most"), "{printed}");

    // One answer moved by hand: all of a galaxy's probability to another class.
    let text = std::fs::read_to_string(&predictions).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let id = lines[1].split(',').next().unwrap();
    let moved = format!("{id},round,none,0,0,0,0,2");
    lines[1] = &moved;
    std::fs::write(&predictions, lines.join("\n")).unwrap();
    let again = [against[0], against[1], "--force"];
    let printed = evaluate(&dir, &second, &again);
    assert!(printed.contains("9 of 10 images"), "{printed}");
    assert!(printed.contains("differ by 1."), "{printed}");

    std::fs::write(&predictions, lines[..10].join("\n")).unwrap();
    let output = run(dir.evaluate("trial").args(against), 2);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaint.contains("has the answers to 9 images, not to these 10"),
        "{complaint}"
    );
}

#[test]
fn accuracy_is_shown_by_the_columns_that_are_asked_for() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("trial", 1), 0);
    // A magnitude for each galaxy, and a survey in another table.
    let labels = std::fs::read_to_string(dir.labels()).unwrap();
    let (mut with, mut surveys) = (
        String::from("GalaxyID,label,split,mag\n"),
        String::from("id,survey\n"),
    );
    for (number, line) in labels.lines().skip(1).enumerate() {
        writeln!(with, "{line},{}", 14.0 + number as f64 / 10.0).unwrap();
        let id = line.split(',').next().unwrap();
        writeln!(surveys, "{id},{}", ["north", "south"][number % 2]).unwrap();
    }
    std::fs::write(dir.labels(), with).unwrap();
    let table = dir.path("surveys.csv");
    std::fs::write(&table, surveys).unwrap();

    let folder = dir.path("evaluation");
    let printed = evaluate(&dir, &folder, &["--by", "mag", "--bins", "2"]);
    assert!(printed.contains("Accuracy by mag"), "{printed}");
    // Two galaxies of each class are measured, the last two of ten.
    assert!(printed.contains("14.8 to 16.8"), "{printed}");
    let json = std::fs::read_to_string(folder.join(EVALUATION)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let by = &json["by"][0];
    assert_eq!(
        (&by["column"], &by["groups"][0]["images"]),
        (&"mag".into(), &5.into())
    );

    let table = table.to_str().unwrap();
    let printed = evaluate(
        &dir,
        &folder,
        &["--force", "--by", "survey", "--by-table", table],
    );
    assert!(
        printed.contains("Accuracy by survey") && printed.contains("north"),
        "{printed}"
    );
    let mut report = crate::support::program(Path::new(crate::support::TRAIN));
    let page = dir.path("report.html");
    run(
        report.arg("report").arg(&folder).arg("--output").arg(&page),
        0,
    );
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<h3>Accuracy by survey</h3>"), "{page}");

    let output = run(dir.evaluate("trial").args(["--by", "size"]), 2);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("has no column 'size' (GalaxyID, label, split, mag)"),
        "{message}"
    );
}

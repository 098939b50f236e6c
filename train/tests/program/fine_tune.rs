//! `fine-tune` makes a better model of a finished one, or none; `learning-curve` says what labels bring.

use std::path::Path;
use std::process::Command;

use galmorph_cutout::{ModelCard, Scaling};
use prost::Message as _;
use tract_onnx::pb::ModelProto;

use crate::support::{Dir, TRAIN, program, run};

/// A network that was hardly trained, as a model with a second output.
fn exported(dir: &Dir) {
    run(&mut dir.train("trial", 1), 0);
    let mut export = program(Path::new(TRAIN));
    export.args(["export", "--weights", "int8", "--checkpoint"]);
    export.arg(dir.checkpoint("trial"));
    run(export.arg("--output").arg(dir.path("trial.onnx")), 0);
    let mut novelty = galaxies(dir, "novelty");
    novelty.args(["--references", "12", "--model"]);
    novelty.arg(dir.path("trial.onnx"));
    run(novelty.arg("--output").arg(dir.path("old.onnx")), 0);
}

/// A command on the labelled galaxies.
fn galaxies(dir: &Dir, name: &str) -> Command {
    let mut command = program(Path::new(TRAIN));
    command.args([name, "--threads", "1", "--device", "cpu"]);
    command.arg("--labels").arg(dir.labels());
    command.arg("--images").arg(dir.images());
    command
}

fn fine_tune(dir: &Dir) -> Command {
    let mut command = galaxies(dir, "fine-tune");
    command.args(["--framing", "paper", "--from"]);
    command.arg(dir.path("old.onnx"));
    command.arg("--output").arg(dir.path("new.onnx"));
    command
}

fn complaint(command: &mut Command) -> String {
    let output = run(command, 2);
    String::from_utf8(output.stderr).unwrap()
}

fn said(command: &mut Command) -> String {
    String::from_utf8(run(command, 0).stdout).unwrap()
}

fn model(path: &Path) -> (ModelProto, ModelCard) {
    let model = ModelProto::decode(std::fs::read(path).unwrap().as_slice()).unwrap();
    let properties = model.metadata_props.iter();
    let properties = properties.map(|p| (p.key.as_str(), p.value.as_str()));
    let card = ModelCard::from_metadata(properties).unwrap();
    (model, card)
}

#[test]
fn a_model_gets_another_last_layer_and_keeps_the_rest() {
    let dir = Dir::with_galaxies();
    exported(&dir);
    let text = said(&mut fine_tune(&dir));
    assert!(text.contains("On 40 galaxies, each answered"), "{text}");
    assert!(text.contains("40 labels are too few"), "{text}");

    let (before, old) = model(&dir.path("old.onnx"));
    let (after, new) = model(&dir.path("new.onnx"));
    assert_eq!((old.name.as_str(), new.name.as_str()), ("trial", "new"));
    assert_eq!(new.preprocessing, old.preprocessing);
    assert_eq!((new.prior, new.novelty), (old.prior, old.novelty));
    assert_eq!((new.bias, new.conformal, new.purity), (None, None, None));
    assert_eq!(new.validation.unwrap().images, 40);
    let is_last = |name: &str| name.starts_with("classes/");
    let rest = |model: &ModelProto| {
        let mut graph = model.graph.clone().unwrap();
        graph.initializer.retain(|tensor| !is_last(&tensor.name));
        graph.node.retain(|node| !is_last(&node.name));
        graph
    };
    assert_eq!(rest(&after), rest(&before));
    let record = after.metadata_props.iter();
    let record = record.filter(|p| p.key == "galmorph.adaptation");
    let record: Vec<&str> = record.map(|property| property.value.as_str()).collect();
    assert_eq!(record.len(), 1);
    let record: serde_json::Value = serde_json::from_str(record[0]).unwrap();
    assert_eq!(record["from"], "trial");
    assert_eq!(record["labels"], serde_json::json!([8, 8, 8, 8, 8]));
    assert!(record["last_layer"]["gained"]["value"].as_f64().unwrap() > 0.0);

    // The same again is the same.
    assert_eq!(said(fine_tune(&dir).arg("--force")), text);
    let (again, _) = model(&dir.path("new.onnx"));
    assert!(again.graph == after.graph);

    // Other programs read it: here the one that measures, and the one that adapts.
    let mut evaluate = galaxies(&dir, "evaluate");
    run(evaluate.arg("--model").arg(dir.path("new.onnx")), 0);
    let mut newer = galaxies(&dir, "fine-tune");
    newer
        .args(["--framing", "paper", "--from"])
        .arg(dir.path("new.onnx"));
    run(newer.arg("--output").arg(dir.path("newer.onnx")), 0);

    // Rounded to 8-bit arithmetic, it still says how it was adapted.
    let mut rounded = program(Path::new(TRAIN));
    rounded.args(["export", "--arithmetic", "int8", "--threads", "1"]);
    rounded.arg("--labels").arg(dir.labels());
    rounded.arg("--images").arg(dir.images());
    rounded.arg("--model").arg(dir.path("new.onnx"));
    run(rounded.arg("--output").arg(dir.path("rounded.onnx")), 0);
    let (rounded, _) = model(&dir.path("rounded.onnx"));
    let adaptation = |model: &ModelProto| {
        let mut properties = model.metadata_props.clone().into_iter();
        properties.find(|property| property.key == "galmorph.adaptation")
    };
    assert_eq!(adaptation(&rounded), adaptation(&again));

    // What was measured of the old model says nothing of the adapted one.
    let evaluation = dir.path("evaluation");
    let mut evaluate = galaxies(&dir, "evaluate");
    evaluate.arg("--model").arg(dir.path("old.onnx"));
    run(evaluate.arg("--output").arg(&evaluation), 0);
    let mut calibrate = program(Path::new(TRAIN));
    calibrate
        .arg("calibrate")
        .arg("--model")
        .arg(dir.path("new.onnx"));
    calibrate.arg("--evaluation").arg(&evaluation);
    let message = complaint(calibrate.arg("--output").arg(dir.path("calibrated.onnx")));
    assert!(message.contains("the model was adapted"), "{message}");
}

#[test]
fn all_layers_learn_where_that_is_clearly_better() {
    let dir = Dir::with_galaxies();
    exported(&dir);
    let all = |rounds: &str| {
        let mut command = fine_tune(&dir);
        command.args(["--layers", "all", "--precision", "f32"]);
        command.args(["--rounds", rounds, "--force"]);
        command
    };
    // The same again is the same, dropout and all.
    assert_eq!(said(&mut all("1")), said(&mut all("1")));

    let text = said(&mut all("10"));
    assert!(text.contains("Then all layers learned."), "{text}");
    assert!(text.contains("Novelty is left out"), "{text}");
    let (_, old) = model(&dir.path("old.onnx"));
    let (after, new) = model(&dir.path("new.onnx"));
    assert_eq!(new.preprocessing, old.preprocessing);
    assert_eq!(new.scaling(), Scaling::NONE);
    assert_eq!((new.prior, new.novelty), (old.prior, None));
    let record = after.metadata_props.iter();
    let record = record.clone().find(|p| p.key == "galmorph.adaptation");
    let record: serde_json::Value = serde_json::from_str(&record.unwrap().value).unwrap();
    let rounds = record["rounds"].as_u64().unwrap();
    assert!((1..=10).contains(&rounds), "{record}");
    let gained = &record["all_layers"]["gained"];
    assert!(gained["low"].as_f64().unwrap() > 0.0, "{record}");

    // Another program reads it.
    let mut evaluate = galaxies(&dir, "evaluate");
    run(evaluate.arg("--model").arg(dir.path("new.onnx")), 0);
}

#[test]
fn too_few_labels_are_an_error() {
    let dir = Dir::with_galaxies();
    exported(&dir);
    let labels = std::fs::read_to_string(dir.labels()).unwrap();
    let first = |count: usize| {
        labels
            .lines()
            .take(1 + count)
            .collect::<Vec<_>>()
            .join("\n")
    };
    // Eight of a class are to train on, and two are left out.
    std::fs::write(dir.labels(), first(23)).unwrap();
    let message = complaint(&mut fine_tune(&dir));
    assert!(
        message.contains("has 19 galaxies to learn from, and at least 20"),
        "{message}"
    );
    let one: String = labels.replace(",1,", ",0,").replace(",2,", ",0,");
    let one: Vec<&str> = one.lines().take(31).collect();
    std::fs::write(dir.labels(), one.join("\n")).unwrap();
    let message = complaint(&mut fine_tune(&dir));
    assert!(
        message.contains("galaxies of one class alone (24 round,"),
        "{message}"
    );
    assert!(!dir.path("new.onnx").exists());

    let mut radius = fine_tune(&dir);
    let message = complaint(radius.args(["--framing", "radius"]));
    assert!(
        message.contains("the radius of each galaxy is not known here"),
        "{message}"
    );
}

#[test]
fn images_that_are_missing_are_an_error_unless_they_are_allowed_to_be() {
    let dir = Dir::with_galaxies();
    exported(&dir);
    for id in [100, 101, 200, 201, 300, 301, 400] {
        std::fs::remove_file(dir.images().join(format!("{id}.jpg"))).unwrap();
    }
    let message = complaint(&mut fine_tune(&dir));
    let wanted = "7 of 40 galaxies have no image in ";
    let named = ": 100 (row 2), 101 (row 3), 200 (row 12), 201 (row 13), 300 (row 22), ...";
    assert!(
        message.contains(wanted) && message.contains(named),
        "{message}"
    );

    let allowed = run(fine_tune(&dir).arg("--allow-missing"), 0);
    let warning = String::from_utf8(allowed.stderr).unwrap();
    let named = format!("{named}; left out");
    assert!(
        warning.contains(wanted) && warning.contains(&named),
        "{warning}"
    );
    let text = String::from_utf8(allowed.stdout).unwrap();
    assert!(text.contains("On 33 galaxies"), "{text}");

    let message = complaint(&mut dir.train("again", 1));
    assert!(
        message.contains("7 of 50 galaxies have no image"),
        "{message}"
    );
    let trained = run(dir.train("again", 1).arg("--allow-missing"), 0);
    let log = String::from_utf8(trained.stderr).unwrap();
    assert!(
        log.contains("train: 33 galaxies (6 round, 6 in_between, 6 cigar, 7 edge_on, 8 spiral)"),
        "{log}"
    );

    // Every command that takes labelled images has it.
    let mut evaluate = galaxies(&dir, "evaluate");
    evaluate.args(["--split", "train", "--allow-missing", "--model"]);
    let text = said(evaluate.arg(dir.path("old.onnx")));
    assert!(text.contains("33"), "{text}");
}

#[test]
fn a_curve_says_what_labels_bring() {
    let dir = Dir::with_galaxies();
    exported(&dir);
    let curve = || {
        let mut command = galaxies(&dir, "learning-curve");
        command.args(["--framing", "paper", "--draws", "3", "--from"]);
        command.arg(dir.path("old.onnx"));
        command
    };
    let file = dir.path("curve.json");
    let text = said(curve().args(["--sizes", "20", "30", "--output"]).arg(&file));
    assert!(
        text.starts_with("3 draws from 40 galaxies; accuracy on 10 that"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let points = json["points"].as_array().unwrap();
    assert_eq!(points.len(), 6);
    assert_eq!(
        (&points[5]["labels"], &points[5]["way"]),
        (&30.into(), &"from_nothing".into())
    );
    let message = complaint(curve().args(["--sizes", "35"]));
    assert!(
        message.contains("leave 5 to measure on beside 35 to adapt to"),
        "{message}"
    );
    let message = complaint(curve().args(["--sizes", "10"]));
    assert!(
        message.contains("--sizes 10: at least 20 labels"),
        "{message}"
    );
}

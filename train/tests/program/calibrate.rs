//! `calibrate` adds to a model what an evaluation says, and nothing that it doesn't.

use std::path::Path;
use std::process::Command;

use galmorph_cutout::{ByClass, Framing, Guarantee, ModelCard, Morphology, Stretch};
use prost::Message as _;
use tract_onnx::pb::ModelProto;

use crate::support::{Dir, TRAIN, program, run};

/// A trained and exported network, and its evaluation on the validation galaxies.
fn exported(dir: &Dir) {
    run(&mut dir.train("trial", 2), 0);
    let mut evaluate = dir.evaluate("trial");
    run(evaluate.arg("--output").arg(dir.path("evaluation")), 0);
    let mut export = program(Path::new(TRAIN));
    export.args(["export", "--stretch", "sdss", "--checkpoint"]);
    export.arg(dir.checkpoint("trial"));
    run(export.arg("--output").arg(dir.path("trial.onnx")), 0);
}

fn calibrate(dir: &Dir, evaluation: &str) -> Command {
    let mut command = program(Path::new(TRAIN));
    command
        .arg("calibrate")
        .arg("--model")
        .arg(dir.path("trial.onnx"));
    command.arg("--evaluation").arg(dir.path(evaluation));
    command.arg("--output").arg(dir.path("calibrated.onnx"));
    command
}

fn complaint(command: &mut Command) -> String {
    let output = run(command, 2);
    String::from_utf8(output.stderr).unwrap()
}

fn model(path: &Path) -> (ModelProto, ModelCard) {
    let model = ModelProto::decode(std::fs::read(path).unwrap().as_slice()).unwrap();
    let properties = model.metadata_props.iter();
    let properties = properties.map(|p| (p.key.as_str(), p.value.as_str()));
    let card = ModelCard::from_metadata(properties).unwrap();
    (model, card)
}

#[test]
fn a_model_gets_thresholds_and_stays_what_it_is_otherwise() {
    let dir = Dir::with_galaxies();
    exported(&dir);
    let (before, plain) = model(&dir.path("trial.onnx"));
    assert_eq!(plain.format, 2);
    assert_eq!(
        (plain.framing, plain.stretch),
        (Some(Framing::Paper), Some(Stretch::Sdss))
    );
    // Eight training galaxies of each class.
    assert_eq!(plain.prior.unwrap().0, [0.2; Morphology::COUNT]);
    assert_eq!((&plain.conformal, &plain.purity), (&None, &None));

    run(
        calibrate(&dir, "evaluation")
            .arg("--labels")
            .arg(dir.labels()),
        0,
    );
    let (after, card) = model(&dir.path("calibrated.onnx"));
    assert_eq!(after.graph, before.graph);
    let conformal = card.conformal.clone().unwrap();
    assert_eq!(conformal.galaxies.0, [2; Morphology::COUNT]);
    // Two galaxies of a class guarantee nothing.
    let least = conformal.thresholds(0.95, Guarantee::ByClass).unwrap();
    assert_eq!(least.0, [0.0; Morphology::COUNT]);
    let purity = card.purity.clone().unwrap();
    assert_eq!(purity.representative, None);
    // What is said of validation is what the evaluation says.
    let validation = card.validation.clone().unwrap();
    assert_eq!(validation.of.as_deref(), Some("validation"));
    assert_eq!(validation.images, 2 * Morphology::COUNT);
    let rest = ModelCard {
        conformal: None,
        purity: None,
        validation: plain.validation.clone(),
        ..card
    };
    assert_eq!(rest, plain);

    // Galaxies as a survey delivers them: here the same ones.
    let representative = dir.path("evaluation").join("predictions.csv");
    let mut again = calibrate(&dir, "evaluation");
    run(
        again
            .args(["--force", "--representative"])
            .arg(representative),
        0,
    );
    let (_, card) = model(&dir.path("calibrated.onnx"));
    let purity = card.purity.unwrap();
    assert_eq!(purity.representative, Some(purity.clean));
}

fn novelty(dir: &Dir) -> Command {
    let mut command = program(Path::new(TRAIN));
    command.args([
        "novelty",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--references",
        "12",
    ]);
    command.arg("--model").arg(dir.path("trial.onnx"));
    command.arg("--labels").arg(dir.labels());
    command.arg("--images").arg(dir.images());
    command.arg("--output").arg(dir.path("novel.onnx"));
    command
}

/// The novelty of some views in tract, and the probabilities.
fn in_tract(path: &Path, views: &tract_onnx::prelude::Tensor) -> Vec<Vec<f32>> {
    use tract_onnx::prelude::*;
    let network = tract_onnx::onnx().model_for_path(path).unwrap();
    let network = network
        .with_input_fact(0, f32::fact(views.shape()).into())
        .unwrap();
    let plan = network.into_optimized().unwrap().into_runnable().unwrap();
    let outputs = plan.run(tvec!(views.clone().into())).unwrap();
    let values = |output: &TValue| output.view().as_slice::<f32>().unwrap().to_vec();
    outputs.iter().map(values).collect()
}

fn in_onnxruntime(path: &Path, views: &[f32], output: &str) -> Vec<f32> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (input, result) = (path.with_extension("in"), path.with_extension("out"));
    let bytes: Vec<u8> = views.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(&input, bytes).unwrap();
    let mut python = program(&package.join("../.venv/bin/python"));
    python
        .arg(package.join("tests/python/run_onnx.py"))
        .args([path, &input, &result]);
    run(python.arg(output), 0);
    let bytes = std::fs::read(result).unwrap();
    let values = bytes.as_chunks().0.iter();
    values.map(|value| f32::from_le_bytes(*value)).collect()
}

#[test]
fn a_model_gets_a_second_output_that_all_runtimes_agree_on() {
    let dir = Dir::with_galaxies();
    exported(&dir);
    run(&mut novelty(&dir), 0);
    let (_, plain) = model(&dir.path("trial.onnx"));
    let (with, card) = model(&dir.path("novel.onnx"));
    let found = card.novelty.clone().unwrap();
    assert_eq!(found.quantiles.len(), 11);
    assert!(
        found.quantiles[0].novelty < found.quantiles[10].novelty,
        "{found:?}"
    );
    let names: Vec<String> = with
        .graph
        .unwrap()
        .output
        .into_iter()
        .map(|o| o.name)
        .collect();
    assert_eq!(names, ["probabilities", "novelty"]);

    let scale = |n: usize| ((n * 7919 % 4801) as f32 / 2400.0 - 1.0) * (1.0 + (n / 36_864) as f32);
    let values: Vec<f32> = (0..3 * 3 * 64 * 64).map(scale).collect();
    let views = tract_onnx::prelude::Tensor::from_shape(&[3, 3, 64, 64], &values).unwrap();
    let ours = in_tract(&dir.path("novel.onnx"), &views);
    assert_eq!(ours[0], in_tract(&dir.path("trial.onnx"), &views)[0]);
    let theirs = in_onnxruntime(&dir.path("novel.onnx"), &values, "novelty");
    assert_eq!((ours[1].len(), theirs.len()), (3, 3));
    for (ours, theirs) in ours[1].iter().zip(&theirs) {
        assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
        // Noise is no galaxy.
        assert!(
            f64::from(*ours) > found.quantiles[0].novelty,
            "{ours} {found:?}"
        );
    }

    // The same again is the same, a second output does not come twice, and the rest of the card stays.
    std::fs::copy(dir.path("novel.onnx"), dir.path("trial.onnx")).unwrap();
    run(novelty(&dir).arg("--force"), 0);
    let (again, _) = model(&dir.path("novel.onnx"));
    assert_eq!(again, model(&dir.path("trial.onnx")).0);
    let rest = ModelCard {
        novelty: None,
        ..card
    };
    assert_eq!(rest, plain);

    // And thresholds leave it as it is.
    run(&mut calibrate(&dir, "evaluation"), 0);
    assert_eq!(model(&dir.path("calibrated.onnx")).1.novelty, Some(found));
}

/// Changes the card of a model file.
fn change(path: &Path, change: impl FnOnce(&mut ModelCard)) {
    let (mut proto, mut card) = model(path);
    change(&mut card);
    for property in &mut proto.metadata_props {
        if property.key == ModelCard::METADATA_KEY {
            property.value = card.to_json().unwrap();
        }
    }
    std::fs::write(path, proto.encode_to_vec()).unwrap();
}

/// Makes a model sure of one and the same answer to all galaxies.
fn make_confident(path: &Path) {
    change(path, |card| {
        card.bias = Some(ByClass([20.0, 0.0, 0.0, 0.0, 0.0]));
    });
}

#[test]
fn a_model_of_confident_answers_gets_a_third_output_that_all_runtimes_agree_on() {
    let dir = Dir::with_validation_galaxies(4);
    exported(&dir);
    make_confident(&dir.path("trial.onnx"));
    run(&mut novelty(&dir), 0);
    let (with, card) = model(&dir.path("novel.onnx"));
    let names = |proto: &ModelProto| -> Vec<String> {
        let outputs = proto.graph.iter().flat_map(|graph| &graph.output);
        outputs.map(|output| output.name.clone()).collect()
    };
    assert_eq!(names(&with), ["probabilities", "novelty", "residual"]);
    let residual = card.residual.clone().unwrap();
    let quantiles = &residual.quantiles[Morphology::Cigar];
    assert!(quantiles[0] < quantiles[20], "{quantiles:?}");
    // No galaxy has this label, so its quantiles are those of all galaxies.
    assert_eq!(quantiles, &residual.quantiles[Morphology::Round]);

    let scale = |n: usize| (n * 7919 % 4801) as f32 / 2400.0 - 1.0;
    let values: Vec<f32> = (0..2 * 3 * 64 * 64).map(scale).collect();
    let views = tract_onnx::prelude::Tensor::from_shape(&[2, 3, 64, 64], &values).unwrap();
    let ours = in_tract(&dir.path("novel.onnx"), &views);
    let theirs = in_onnxruntime(&dir.path("novel.onnx"), &values, "residual");
    assert_eq!((ours[2].len(), theirs.len()), (2, 2));
    for (ours, theirs) in ours[2].iter().zip(&theirs) {
        assert!((ours - theirs).abs() < 1e-4 * theirs, "{ours} {theirs}");
        // Noise is of no camera.
        assert!(f64::from(*ours) > quantiles[10], "{ours} {quantiles:?}");
    }

    // The same again is the same.
    std::fs::copy(dir.path("novel.onnx"), dir.path("trial.onnx")).unwrap();
    run(novelty(&dir).arg("--force"), 0);
    assert_eq!(model(&dir.path("novel.onnx")).0, with);

    // The ranks are those of answers at one temperature.
    run(&mut calibrate(&dir, "evaluation"), 0);
    let calibrated = model(&dir.path("calibrated.onnx")).1;
    assert_eq!(
        (calibrated.residual, calibrated.novelty),
        (None, card.novelty)
    );

    // And they are not kept where nothing can be said of them.
    change(&dir.path("trial.onnx"), |card| {
        (card.bias, card.temperature) = (None, 1e6);
    });
    run(novelty(&dir).arg("--force"), 0);
    let (without, card) = model(&dir.path("novel.onnx"));
    assert_eq!(names(&without), ["probabilities", "novelty"]);
    assert_eq!(card.residual, None);
}

#[test]
fn references_are_of_the_galaxies_that_the_model_was_trained_on() {
    let dir = Dir::with_galaxies();
    exported(&dir);
    let labels = std::fs::read_to_string(dir.labels()).unwrap();
    std::fs::write(dir.labels(), labels.replacen(",train", ",test", 1)).unwrap();
    let message = complaint(&mut novelty(&dir));
    assert!(
        message.contains("was trained on other galaxies"),
        "{message}"
    );
    std::fs::write(dir.labels(), labels).unwrap();
    // 40 galaxies with four views each.
    let message = complaint(novelty(&dir).args(["--references", "161"]));
    assert!(message.contains("fewer than 161 views"), "{message}");
}

#[test]
fn what_says_nothing_of_the_model_is_refused() {
    let dir = Dir::with_galaxies();
    exported(&dir);
    let trained_on = dir.path("trained-on");
    let mut evaluate = dir.evaluate("trial");
    run(
        evaluate
            .args(["--split", "train", "--output"])
            .arg(&trained_on),
        0,
    );
    let message = complaint(&mut calibrate(&dir, "trained-on"));
    assert!(
        message.contains("the galaxies that the model was trained on"),
        "{message}"
    );

    let file = dir.path("evaluation").join("evaluation.json");
    let json = std::fs::read_to_string(&file).unwrap();
    let change = |from: &str, to: &str| {
        assert!(json.contains(from), "{json}");
        std::fs::write(&file, json.replacen(from, to, 1)).unwrap();
        complaint(&mut calibrate(&dir, "evaluation"))
    };
    let message = change("\"split\": \"validation\"", "\"split\": \"fold 1\"");
    assert!(
        message.contains("may have been trained on its galaxies (fold 1)"),
        "{message}"
    );
    let message = change("k=0.0625 N=1", "k=0.125 N=1");
    assert!(
        message.contains("it is of the network zhu2019 k=0.125"),
        "{message}"
    );
    let message = change("\"images\": 10", "\"images\": 11");
    assert!(
        message.contains("predictions of 10 galaxies, and an evaluation of 11"),
        "{message}"
    );
    std::fs::write(&file, &json).unwrap();

    let labels = std::fs::read_to_string(dir.labels()).unwrap();
    let fewer = dir.path("fewer.csv");
    std::fs::write(&fewer, labels.replacen(",train", ",test", 1)).unwrap();
    let message = complaint(calibrate(&dir, "evaluation").arg("--labels").arg(&fewer));
    assert!(
        message.contains("has 39 galaxies to train on, and the model was trained on 40"),
        "{message}"
    );
    assert!(!dir.path("calibrated.onnx").exists());
}

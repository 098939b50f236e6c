//! `export --arithmetic int8` makes a model that every other command takes, from images that the network was trained
//! on and from no others.

use std::path::{Path, PathBuf};
use std::process::Command;

use galmorph_cutout::{ModelCard, QuantisedArithmetic};
use prost::Message as _;
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::DataType;

use crate::support::{Dir, TRAIN, program, run};

fn export(dir: &Dir, from: [&str; 2], to: &str) -> Command {
    let mut command = program(Path::new(TRAIN));
    command.args(["export", from[0]]).arg(dir.path(from[1]));
    command.arg("--output").arg(dir.path(to));
    command
}

fn int8(dir: &Dir, from: [&str; 2], to: &str) -> Command {
    let mut command = export(dir, from, to);
    command.args([
        "--arithmetic",
        "int8",
        "--threads",
        "1",
        "--calibration-images",
        "20",
    ]);
    command.arg("--labels").arg(dir.labels());
    command.arg("--images").arg(dir.images());
    command
}

const CHECKPOINT: [&str; 2] = ["--checkpoint", "run/checkpoint.safetensors"];

fn with_data(dir: &Dir, command: &str, model: &str) -> Command {
    let mut with_data = program(Path::new(TRAIN));
    with_data.args([command, "--threads", "1", "--device", "cpu"]);
    with_data.arg("--labels").arg(dir.labels());
    with_data.arg("--images").arg(dir.images());
    with_data.arg("--model").arg(dir.path(model));
    with_data
}

fn card(path: PathBuf) -> ModelCard {
    let model = ModelProto::decode(std::fs::read(path).unwrap().as_slice()).unwrap();
    let properties = model.metadata_props.iter();
    ModelCard::from_metadata(properties.map(|p| (p.key.as_str(), p.value.as_str()))).unwrap()
}

/// The largest magnitude of the whole numbers that the weights of convolutions are, four axes of them.
fn largest_weight(path: &Path) -> u8 {
    let model = ModelProto::decode(std::fs::read(path).unwrap().as_slice()).unwrap();
    let tensors = model.graph.unwrap().initializer;
    let weights = tensors
        .iter()
        .filter(|tensor| tensor.data_type == DataType::Int8 as i32 && tensor.dims.len() == 4);
    let magnitudes = weights.flat_map(|tensor| &tensor.raw_data);
    let magnitudes = magnitudes.map(|byte| byte.cast_signed().unsigned_abs());
    magnitudes.max().unwrap()
}

fn complaint(command: &mut Command) -> String {
    String::from_utf8(run(command, 2).stderr).unwrap()
}

#[test]
fn a_model_in_8_bits_says_so_and_is_measured_anew() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("run", 1), 0);
    run(&mut export(&dir, CHECKPOINT, "exact.onnx"), 0);
    let exact = card(dir.path("exact.onnx"));
    assert!(exact.validation.is_some() && exact.quantisation.is_none());

    run(&mut int8(&dir, CHECKPOINT, "first.onnx"), 0);
    run(&mut int8(&dir, ["--model", "exact.onnx"], "second.onnx"), 0);
    for name in ["first", "second"] {
        let rounded = card(dir.path(&format!("{name}.onnx")));
        let quantisation = rounded.quantisation.clone().unwrap();
        assert_eq!(quantisation.arithmetic, QuantisedArithmetic::Int8);
        assert_eq!(quantisation.images, 20);
        assert_eq!((rounded.name.as_str(), &rounded.validation), (name, &None));
        assert_eq!(rounded.scaling(), exact.scaling());
        assert_eq!(rounded.training, exact.training);
    }

    let mut seven = int8(&dir, CHECKPOINT, "seven.onnx");
    run(seven.args(["--weight-bits", "7"]), 0);
    for (name, bits, largest) in [("first", 8, 127), ("seven", 7, 63)] {
        let quantisation = card(dir.path(&format!("{name}.onnx"))).quantisation;
        assert_eq!(quantisation.unwrap().weight_bits, bits);
        // The largest of a channel is as large as it may be.
        assert_eq!(largest_weight(&dir.path(&format!("{name}.onnx"))), largest);
    }

    // What was left out can be had again.
    let evaluation = dir.path("evaluation");
    run(
        with_data(&dir, "evaluate", "second.onnx")
            .arg("--output")
            .arg(&evaluation),
        0,
    );
    let mut novelty = with_data(&dir, "novelty", "second.onnx");
    run(
        novelty
            .args(["--references", "8"])
            .arg("--output")
            .arg(dir.path("novel.onnx")),
        0,
    );
    let calibrate = |evaluation: &Path| {
        let mut calibrate = program(Path::new(TRAIN));
        calibrate
            .arg("calibrate")
            .arg("--model")
            .arg(dir.path("novel.onnx"));
        calibrate.arg("--evaluation").arg(evaluation);
        calibrate.arg("--output").arg(dir.path("whole.onnx"));
        calibrate
    };
    run(&mut calibrate(&evaluation), 0);
    let whole = card(dir.path("whole.onnx"));
    assert!(whole.novelty.is_some() && whole.conformal.is_some());
    assert!(whole.quantisation.is_some());
    let validation = whole.validation.unwrap();
    assert_eq!(validation.images, 10);
    assert!(validation.calibration.is_some());

    // What was measured of the exact network is not of this one.
    let of_exact = dir.path("of_exact");
    let mut evaluate = with_data(&dir, "evaluate", "exact.onnx");
    run(evaluate.arg("--output").arg(&of_exact), 0);
    let message = complaint(calibrate(&of_exact).arg("--force"));
    assert!(message.contains("rounded to 8-bit arithmetic"), "{message}");
}

#[test]
fn what_cannot_be_rounded_is_refused() {
    let dir = Dir::with_galaxies();
    run(&mut dir.train("run", 1), 0);
    run(&mut export(&dir, CHECKPOINT, "exact.onnx"), 0);
    run(&mut int8(&dir, CHECKPOINT, "rounded.onnx"), 0);

    let says = |command: &mut Command, expected: &str| {
        let message = complaint(command);
        assert!(message.contains(expected), "{message}");
        assert!(!dir.path("out.onnx").exists());
    };
    let mut without_images = export(&dir, CHECKPOINT, "out.onnx");
    for words in [["--weight-bits", "7"], ["--calibration-images", "9"]] {
        let mut plain = export(&dir, CHECKPOINT, "plain.onnx");
        says(plain.args(words), "are for --arithmetic int8");
    }
    says(
        without_images.args(["--arithmetic", "int8"]),
        "give --labels and --images",
    );
    says(
        &mut export(&dir, ["--model", "exact.onnx"], "out.onnx"),
        "is exported already",
    );
    let again = ["--model", "rounded.onnx"];
    says(
        &mut int8(&dir, again, "out.onnx"),
        "in 8-bit arithmetic already",
    );
    let mut start = dir.train("next", 1);
    start.arg("--start-from").arg(dir.path("rounded.onnx"));
    says(&mut start, "another network");

    // A galaxy more to train on is one that the model may be measured on.
    let labels = std::fs::read_to_string(dir.labels()).unwrap();
    let other = labels.replacen(",validation", ",train", 1);
    std::fs::write(dir.labels(), other).unwrap();
    says(
        &mut int8(&dir, CHECKPOINT, "out.onnx"),
        "other galaxies or images than these",
    );
}

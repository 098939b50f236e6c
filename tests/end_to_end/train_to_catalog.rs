//! From one program to the other: labelled images, a trained network, ONNX, the daemon, the catalog.
//!
//! This test belongs to the package of the training program, whose library it needs. The daemon is the
//! program of another package, so cargo doesn't build it for this test; but it puts the programs of all
//! packages into one folder. So the daemon is the file `galmorph` next to `galmorph-train`. `cargo
//! nextest run --workspace` builds both; for this test alone, run `cargo build -p galmorph` first.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[path = "../../train/tests/program/support.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod support;

use std::path::{Path, PathBuf};

use galmorph_cutout::{Limits, Preprocessing, Probabilities, Resampling, decode};
use galmorph_train::evaluation::Classifier;
use galmorph_train::onnx;
use galmorph_train::torch::Precision;
use galmorph_train::training::Run;
use tch::Device;

use support::{Dir, TRAIN, program, run};

fn daemon() -> PathBuf {
    let path = Path::new(TRAIN).with_file_name("galmorph");
    assert!(
        path.exists(),
        "{} is not built: cargo build -p galmorph",
        path.to_string_lossy()
    );
    path
}

/// What torch answers for the views of an image file, at the run's temperature.
fn torch_answer(checkpoint: &Path, preprocessing: &Preprocessing, image: &Path) -> Probabilities {
    tch::set_num_threads(1);
    let (run, network) = Run::load(checkpoint, Device::Cpu).unwrap();
    let classifier = Classifier {
        network: &network,
        weights: &run.average,
        precision: Precision::F32,
        device: Device::Cpu,
    };
    let image = decode(&std::fs::read(image).unwrap(), &Limits::default()).unwrap();
    let rows = classifier.probabilities(&preprocessing.views(&image), preprocessing.view_shape());
    let temperature = run.state.temperature.unwrap();
    let answer = Probabilities::average(&rows, temperature).unwrap();
    let raw = Probabilities::average(&rows, 1.0).unwrap();
    let difference = (answer.confidence() - raw.confidence()).abs();
    assert!(difference > 1e-3, "the temperature would not show");
    answer
}

/// Gives a run a temperature that shows: on so few images the fitted one may be none.
fn with_temperature(checkpoint: &Path, temperature: f32) {
    let (mut run, _) = Run::load(checkpoint, Device::Cpu).unwrap();
    assert!(run.state.temperature.is_some(), "no temperature was fitted");
    run.state.temperature = Some(temperature);
    run.save(checkpoint).unwrap();
}

#[test]
fn a_network_trained_here_answers_in_the_catalog_as_it_does_in_torch() {
    let preprocessing = answers_as_in_torch(&[]);
    assert_eq!(preprocessing, Preprocessing::default());
}

#[test]
fn so_does_one_with_a_single_antialiased_view() {
    let views = ["--test-scales", "150", "--resize", "36"];
    let views = [&views[..], &["--resampling", "antialiased"]].concat();
    let network = ["--network", "basic-resnet side=32 width=4 n1=1 n2=1 n3=1"];
    let training = ["--augmentation", "telescope", "--mixup", "0.2"];
    let preprocessing = answers_as_in_torch(&[&views[..], &network, &training].concat());
    assert_eq!(preprocessing.view_count(), 1);
    assert_eq!((preprocessing.resize, preprocessing.crop), (36, 32));
    assert_eq!(preprocessing.resampling, Resampling::Antialiased);
}

/// Trains a network with these arguments, has the daemon classify with it, and compares its answers.
/// Returns the preprocessing of the model's card.
fn answers_as_in_torch(arguments: &[&str]) -> Preprocessing {
    let dir = Dir::with_galaxies();
    run(dir.train("run", 2).args(arguments), 0);
    with_temperature(&dir.checkpoint("run"), 2.5);
    let model = dir.path("tiny.onnx");
    let mut export = program(Path::new(TRAIN));
    export
        .arg("export")
        .arg("--checkpoint")
        .arg(dir.checkpoint("run"));
    run(export.arg("--output").arg(&model), 0);
    let exported = onnx::decode(&std::fs::read(&model).unwrap(), Device::Cpu).unwrap();
    let preprocessing = exported.card.preprocessing;

    let catalog = dir.path("catalog.sqlite");
    let mut watch = program(&daemon());
    watch.arg("watch").arg(dir.images()).arg("--drain");
    // As exact as torch is.
    watch.args(["--precision", "f32"]);
    // The network was trained on these images as they are.
    watch.args(["--framing", "paper"]);
    watch
        .arg("--model")
        .arg(&model)
        .arg("--catalog")
        .arg(&catalog);
    run(&mut watch, 0);

    let mut query = program(&daemon());
    query.arg("query").arg("--catalog").arg(&catalog);
    let output = run(query.args(["--format", "csv"]), 0);
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 50);

    for row in rows.iter().step_by(10) {
        assert_eq!(&row[column("model")], "tiny");
        let image = Path::new(&row[column("path")]);
        let torch = torch_answer(&dir.checkpoint("run"), &preprocessing, image);
        assert_eq!(&row[column("label")], torch.label().name());
        let names = [
            "p_round",
            "p_in_between",
            "p_cigar",
            "p_edge_on",
            "p_spiral",
        ];
        for (name, wanted) in names.iter().zip(torch.values()) {
            let value: f32 = row[column(name)].parse().unwrap();
            assert!(
                (value - wanted).abs() < 1e-4,
                "{name}: {value} against {wanted}"
            );
        }
    }
    preprocessing
}

//! An exported network answers the same in torch, in tract and in ONNX Runtime.
//!
//! The weights are random, the running statistics too: a batch normalisation that took its mean for
//! its shift would pass with the start values.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[path = "runtimes/eight_bits.rs"]
mod eight_bits;

use std::path::Path;
use std::process::Command;

use galmorph_cutout::{ModelCard, Preprocessing};
use galmorph_train::evaluation::Classifier;
use galmorph_train::network::{
    Architecture, Builder, Convolution, LocalResponseNorm, Network, Pool, Role,
};
use galmorph_train::onnx::{self, Storage};
use galmorph_train::torch::{Mode, Precision, TensorError, Weights, forward};
use tch::{Device, Kind, Tensor};
use tract_onnx::prelude::{DatumExt, Framework, InferenceModelExt, IntoRunnable, tvec};

const VIEWS: usize = 3;
const TOLERANCE: f32 = 1e-4;

type Rows = Vec<[f32; 5]>;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `count` views of noise for a network, row-major.
fn noise(network: &Network, count: usize) -> Vec<f32> {
    let noise = Tensor::randn(shape_of(network, count), (Kind::Float, Device::Cpu));
    Vec::try_from(noise.view(-1)).unwrap()
}

/// The shape of `count` views.
fn shape_of(network: &Network, count: usize) -> [i64; 4] {
    let [channels, height, width] = network.view_shape().map(|n| n as i64);
    [count as i64, channels, height, width]
}

fn random_weights(network: &Network) -> Weights {
    let mut weights = Weights::start(network, Device::Cpu);
    let random: Vec<(String, Tensor)> = weights
        .iter()
        .map(|(parameter, tensor)| {
            let value = match parameter.role {
                Role::Bias => tensor.randn_like() * 0.1,
                Role::Offset { start } => tensor.randn_like() * 0.1 + start,
                _ => tensor.detach().copy(),
            };
            (parameter.name.clone(), value)
        })
        .collect();
    weights
        .fill(|name| {
            let (_, value) = random.iter().find(|(other, _)| other == name).unwrap();
            Ok::<_, TensorError>(value.shallow_clone())
        })
        .unwrap();
    // The statistics of a first batch, so that the activations keep their size from layer to layer.
    let mode = Mode::Training {
        statistics_decay: 0.0,
    };
    let views = Tensor::from_slice(&noise(network, 16)).view(shape_of(network, 16));
    tch::no_grad(|| {
        let logits = forward(network, &weights, &views, Precision::F32, mode);
        // Logits that differ by about one, so that every class has its share.
        for (_, tensor) in weights
            .iter()
            .filter(|(p, _)| p.name.starts_with("classes/"))
        {
            let _ = tensor.shallow_clone().g_div_(&logits.std(true));
        }
    });
    weights
}

fn card() -> ModelCard {
    ModelCard::new("random", "random", Preprocessing::default())
}

/// With the batch fixed, as the daemon does, or left symbolic.
fn in_tract(model: &Path, shape: [usize; 3], views: &[f32], fixed_batch: bool) -> Rows {
    let [channels, height, width] = shape;
    let shape = [VIEWS, channels, height, width];
    let mut network = tract_onnx::onnx().model_for_path(model).unwrap();
    if fixed_batch {
        network = network.with_input_fact(0, f32::fact(shape).into()).unwrap();
    }
    let plan = network.into_optimized().unwrap().into_runnable().unwrap();
    let input = tract_onnx::prelude::Tensor::from_shape(&shape, views).unwrap();
    let output = plan.run(tvec!(input.into())).unwrap();
    let flat = output[0].view();
    flat.as_slice::<f32>().unwrap().as_chunks().0.to_vec()
}

fn in_onnxruntime(model: &Path, views: &[f32]) -> Rows {
    let python = package().join("../.venv/bin/python");
    assert!(python.exists(), "no .venv/: run scripts/setup");
    let (input, output) = (model.with_extension("in"), model.with_extension("out"));
    let bytes: Vec<u8> = views.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(&input, bytes).unwrap();
    let status = Command::new(python)
        .arg(package().join("tests/python/run_onnx.py"))
        .args([model, &input, &output])
        .status()
        .unwrap();
    assert!(status.success());
    let bytes = std::fs::read(output).unwrap();
    let values: Vec<f32> = (bytes.as_chunks().0.iter())
        .map(|value| f32::from_le_bytes(*value))
        .collect();
    values.as_chunks().0.to_vec()
}

fn assert_close(ours: &Rows, theirs: &Rows, who: &str) {
    assert_eq!(ours.len(), theirs.len(), "{who}");
    for (a, b) in ours.iter().flatten().zip(theirs.iter().flatten()) {
        assert!((a - b).abs() < TOLERANCE, "{who}: {b} and not {a}");
    }
}

fn all_runtimes_agree_on(network: &Network, name: &str) {
    tch::set_num_threads(1);
    tch::manual_seed(5);
    let weights = random_weights(network);
    let views = noise(network, VIEWS);

    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.onnx");
    let bytes = onnx::encode(network, &weights, &card(), Storage::F32).unwrap();
    std::fs::write(&model, bytes).unwrap();

    let classifier = Classifier {
        network,
        weights: &weights,
        precision: Precision::F32,
        device: Device::Cpu,
    };
    let torch = classifier.probabilities(&views, network.view_shape());
    for row in &torch {
        let largest = row.iter().copied().fold(0.0, f32::max);
        assert!(
            largest < 0.999,
            "{name}: {row:?} is saturated, and would hide a difference"
        );
    }
    let close =
        |theirs: &Rows, who: &str| assert_close(&torch, theirs, &format!("{name} in {who}"));
    close(
        &in_tract(&model, network.view_shape(), &views, true),
        "tract",
    );
    close(
        &in_tract(&model, network.view_shape(), &views, false),
        "tract with a symbolic batch",
    );
    close(&in_onnxruntime(&model, &views), "onnxruntime");
}

#[test]
fn on_every_network() {
    for name in Architecture::all().map(|architecture| architecture.name()) {
        // The default width takes too long here.
        let text = name.replace("zhu2019", "zhu2019 k=0.25 N=2");
        let network = text.parse::<Architecture>().unwrap().describe();
        all_runtimes_agree_on(&network, &text);
    }
}

#[test]
fn on_a_residual_network_of_other_depth_with_dropout() {
    let text = "zhu2019 k=0.1 N=1 drop=0.5";
    let network = text.parse::<Architecture>().unwrap().describe();
    all_runtimes_agree_on(&network, text);
}

#[test]
fn on_every_kind_of_layer() {
    all_runtimes_agree_on(&every_kind_of_layer(), "every kind of layer");
}

/// Every kind of layer, with parameters at which a mistake would show. The networks' own local response
/// normalisation, for example, hardly differs from a constant.
fn every_kind_of_layer() -> Network {
    let (mut net, views) = Builder::new(64);
    let norm = LocalResponseNorm {
        size: 3,
        alpha: 0.7,
        beta: 0.6,
        bias: 0.5,
    };
    let flat = Convolution::new(8, [1, 6]).same().without_bias();
    let mut x = net.convolution_relu("flat", views, flat);
    x = net.local_response_norm("norm", x, norm);
    let largest = net.max_pool("largest", x, Pool::new(3, 2).same());
    let mean = net.average_pool("mean", x, Pool::new(5, 2).same());
    x = net.concatenate("together", &[largest, mean, largest]);
    let turned = net.rotate("turned", x, 30.0);
    x = net.viewpoints("viewpoints", &[x, turned], 20);
    x = net.convolution_relu("tall", x, Convolution::new(4, [5, 2]).stride(3));
    x = net.batch_norm_relu("last", x);
    x = net.join_viewpoints("joined", x);
    x = net.linear("maxout/pieces", x, 30);
    x = net.maxout("maxout", x, 3);
    net.linear("classes", x, 5);
    net.finish()
}

#[test]
fn bf16_answers_are_near_those_of_f32() {
    tch::set_num_threads(1);
    let residual = "zhu2019 k=0.25".parse::<Architecture>().unwrap();
    for network in [residual.describe(), every_kind_of_layer()] {
        tch::manual_seed(6);
        let weights = random_weights(&network);
        let views = noise(&network, 8);
        let answers = |precision| {
            let classifier = Classifier {
                network: &network,
                weights: &weights,
                precision,
                device: Device::Cpu,
            };
            classifier.probabilities(&views, network.view_shape())
        };
        let (exact, short) = (answers(Precision::F32), answers(Precision::Bf16));
        let differences = exact.iter().flatten().zip(short.iter().flatten());
        let largest = differences.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest < 0.05, "{largest}");
        assert!(largest > 0.0, "bf16 was not used");
    }
}

#[test]
fn eight_bit_weights_are_expanded_alike_everywhere() {
    tch::set_num_threads(1);
    tch::manual_seed(7);
    let architecture = "zhu2019 k=0.25 N=1";
    let network = architecture.parse::<Architecture>().unwrap().describe();
    let weights = random_weights(&network);
    let views = noise(&network, VIEWS);
    let card = ModelCard {
        network: architecture.into(),
        ..card()
    };
    let whole = onnx::encode(&network, &weights, &card, Storage::F32).unwrap();
    let short = onnx::encode(&network, &weights, &card, Storage::Int8).unwrap();
    assert!(short.len() * 3 < whole.len());

    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.onnx");
    std::fs::write(&model, &short).unwrap();
    let read_back = onnx::decode(&short, Device::Cpu).unwrap();
    let torch = Classifier {
        network: &network,
        weights: &read_back.weights,
        precision: Precision::F32,
        device: Device::Cpu,
    }
    .probabilities(&views, network.view_shape());
    assert_close(
        &torch,
        &in_tract(&model, network.view_shape(), &views, true),
        "tract",
    );
    assert_close(&torch, &in_onnxruntime(&model, &views), "onnxruntime");
}

#[test]
fn a_model_reads_back_as_it_was_written() {
    tch::manual_seed(8);
    let architecture = "zhu2019 k=0.1 N=1 drop=0.5";
    let network = architecture.parse::<Architecture>().unwrap().describe();
    let weights = random_weights(&network);
    let card = ModelCard {
        network: architecture.into(),
        ..card()
    };
    let bytes = onnx::encode(&network, &weights, &card, Storage::F32).unwrap();
    let read_back = onnx::decode(&bytes, Device::Cpu).unwrap();
    assert_eq!(read_back.card, card);
    assert_eq!(read_back.network, network);
    for ((parameter, a), (_, b)) in weights.iter().zip(read_back.weights.iter()) {
        assert_eq!(a, b, "{}", parameter.name);
    }
    assert!(onnx::decode(b"no model", Device::Cpu).is_err());
}

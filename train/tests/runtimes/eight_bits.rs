//! A network that was rounded to 8-bit arithmetic answers in ONNX Runtime and in tract as torch says that it
//! must, and nearly as the exact one. ONNX Runtime multiplies whole numbers; torch and tract compute the same in f32.

use std::collections::HashMap;

use galmorph_cutout::{ModelCard, Quantisation, QuantisedArithmetic};
use galmorph_train::evaluation::Classifier;
use galmorph_train::network::{Architecture, Network};
use galmorph_train::onnx::{self, Storage};
use galmorph_train::quantisation::{Quantised, WeightBits, quantise};
use galmorph_train::torch::{Precision, Weights};
use prost::Message;
use tch::{Device, Tensor};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

use super::{
    Rows, VIEWS, card, every_kind_of_layer, in_onnxruntime, in_tract, noise, random_weights,
    shape_of,
};

/// Pre-activation and pooling, and convolutions with their batch normalisation and means of 3x3 pixels.
const NETWORKS: [&str; 2] = [
    "zhu2019 k=0.1 N=1 drop=0.5",
    "basic-resnet side=32 width=8 n2=1",
];

struct Trial {
    exact: (Network, Weights),
    rounded: Quantised,
    /// The network's input, row-major.
    views: Vec<f32>,
    bytes: Vec<u8>,
}

fn rounded(network: Network, name: &str, bits: WeightBits) -> Trial {
    tch::set_num_threads(1);
    tch::manual_seed(9);
    let weights = random_weights(&network);
    let batch = |count| Tensor::from_slice(&noise(&network, count)).view(shape_of(&network, count));
    let rounded = quantise(&network, &weights, &[batch(32), batch(16)], bits);
    let card = ModelCard {
        network: name.into(),
        quantisation: Some(Quantisation {
            arithmetic: QuantisedArithmetic::Int8,
            images: 48,
            weight_bits: bits.count(),
        }),
        ..card()
    };
    let bytes = onnx::encode(&rounded.network, &rounded.weights, &card, Storage::F32).unwrap();
    let views = noise(&network, VIEWS);
    Trial {
        exact: (network, weights),
        rounded,
        views,
        bytes,
    }
}

fn rounded_by_name(name: &str) -> Trial {
    let network = name.parse::<Architecture>().unwrap().describe();
    rounded(network, name, WeightBits::Eight)
}

fn in_torch(network: &Network, weights: &Weights, views: &[f32]) -> Rows {
    let classifier = Classifier {
        network,
        weights,
        precision: Precision::F32,
        device: Device::Cpu,
    };
    classifier.probabilities(views, network.view_shape())
}

fn largest_difference(ours: &Rows, theirs: &Rows) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.iter().flatten().zip(theirs.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn runtimes_agree_on(model: &Trial, name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.onnx");
    std::fs::write(&file, &model.bytes).unwrap();
    let torch = in_torch(&model.rounded.network, &model.rounded.weights, &model.views);
    let exact = in_torch(&model.exact.0, &model.exact.1, &model.views);
    let change = largest_difference(&torch, &exact);
    // A rounding of 8 bits can be seen, and is small.
    assert!((1e-4..0.1).contains(&change), "{name}: {change} beside f32");
    // A value halfway between two whole numbers may become either, as sums are added in another order.
    let shape = model.exact.0.view_shape();
    let others = [
        (in_onnxruntime(&file, &model.views), "onnxruntime"),
        (in_tract(&file, shape, &model.views, true), "tract"),
        (
            in_tract(&file, shape, &model.views, false),
            "tract with a symbolic batch",
        ),
    ];
    for (theirs, who) in others {
        let off = largest_difference(&torch, &theirs);
        assert!(off < 0.01, "{name} in {who}: {off}");
    }
}

#[test]
fn all_runtimes_agree_on_networks_in_8_bit_arithmetic() {
    for name in NETWORKS {
        runtimes_agree_on(&rounded_by_name(name), name);
    }
    for bits in [WeightBits::Eight, WeightBits::Seven] {
        let model = rounded(every_kind_of_layer(), "every kind", bits);
        runtimes_agree_on(&model, "every kind");
    }
}

#[test]
fn a_model_in_8_bit_arithmetic_reads_back_as_it_was_written() {
    for name in NETWORKS {
        let model = rounded_by_name(name);
        let read_back = onnx::decode(&model.bytes, Device::Cpu).unwrap();
        assert_eq!(read_back.network, model.rounded.network);
        for ((parameter, a), (_, b)) in model.rounded.weights.iter().zip(read_back.weights.iter()) {
            // Steps are of 24 bits, and so is a bias: the last may differ.
            assert!(
                a.allclose(b, 1e-6, 0.0, false),
                "{name}: {}",
                parameter.name
            );
        }
    }
}

/// The operators of a graph by what they make, and its constants by name.
struct Graph {
    nodes: HashMap<String, NodeProto>,
    constants: HashMap<String, TensorProto>,
}

impl Graph {
    fn of(bytes: &[u8]) -> Self {
        let graph: GraphProto = ModelProto::decode(bytes).unwrap().graph.unwrap();
        let nodes = graph.node.into_iter();
        let constants = graph.initializer.into_iter();
        Self {
            nodes: nodes.map(|node| (node.output[0].clone(), node)).collect(),
            constants: constants
                .map(|tensor| (tensor.name.clone(), tensor))
                .collect(),
        }
    }

    fn kind(&self, value: &str) -> &str {
        self.nodes.get(value).map_or("input", |node| &node.op_type)
    }

    /// The floats of a constant.
    fn floats(&self, name: &str) -> Vec<f32> {
        let bytes = self.constants[name].raw_data.as_chunks().0;
        bytes
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }

    /// The constant that an operator of this name expands, and its kind.
    fn expands(&self, value: &str) -> (&NodeProto, DataType) {
        assert_eq!(self.kind(value), "DequantizeLinear", "{value}");
        let node = &self.nodes[value];
        let constant = &self.constants[&node.input[0]];
        let zeros = &self.constants[&node.input[2]].raw_data;
        assert!(zeros.iter().all(|byte| *byte == 0), "{value}");
        (node, DataType::try_from(constant.data_type).unwrap())
    }
}

/// What the engine and other runtimes look for.
#[test]
fn whole_numbers_stand_where_runtimes_look_for_them() {
    for name in NETWORKS {
        let graph = Graph::of(&rounded_by_name(name).bytes);
        let mut convolutions = 0;
        for node in graph.nodes.values() {
            let inputs = &node.input;
            match node.op_type.as_str() {
                "Conv" => {
                    convolutions += 1;
                    let input = &graph.nodes[&inputs[0]];
                    assert_eq!(input.op_type, "DequantizeLinear");
                    let (weight, kind) = graph.expands(&inputs[1]);
                    assert_eq!(kind, DataType::Int8);
                    let (bias, kind) = graph.expands(&inputs[2]);
                    assert_eq!(kind, DataType::Int32);
                    let step = graph.floats(&input.input[1])[0];
                    let steps = graph.floats(&weight.input[1]);
                    let products: Vec<f32> = steps.iter().map(|s| s * step).collect();
                    assert_eq!(graph.floats(&bias.input[1]), products);
                }
                "Add" | "MaxPool" | "AveragePool" | "GlobalAveragePool" | "BatchNormalization" => {
                    let taken = inputs.len().min(if node.op_type == "Add" { 2 } else { 1 });
                    for input in &inputs[..taken] {
                        assert_eq!(graph.kind(input), "DequantizeLinear", "{}", node.name);
                    }
                }
                "QuantizeLinear" => {
                    let zero_point = graph.constants[&inputs[2]].raw_data[0];
                    let made_by = graph.kind(&inputs[0]);
                    if made_by == "Relu" {
                        assert_eq!(zero_point, 0, "{}", node.name);
                    }
                    if made_by == "MaxPool" || made_by == "AveragePool" {
                        let pooled = &graph.nodes[&graph.nodes[&inputs[0]].input[0]];
                        assert_eq!(graph.floats(&inputs[1]), graph.floats(&pooled.input[1]));
                        assert_eq!(zero_point, graph.constants[&pooled.input[2]].raw_data[0]);
                    }
                }
                "Relu" => {
                    let before = graph.kind(&inputs[0]);
                    let joins = ["Conv", "Add", "BatchNormalization"].contains(&before);
                    assert!(joins, "{}: a ReLU of {before}", node.name);
                }
                _ => {}
            }
        }
        assert!(convolutions > 5, "{name}");
    }
}

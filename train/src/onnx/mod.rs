//! Writes a [`Network`] as ONNX.
//!
//! Opset 13 and IR version 8, which every runtime of the last years reads; a symbolic batch `N`; batch
//! normalisation left as it is, so that the file holds the trained weights and nothing derived from
//! them, in 32 bits or in 8 ([`Storage`]). The graph's input is `views` and its output `probabilities`,
//! after a softmax.

mod decode;
mod quantised;

use galmorph_cutout::{CardError, ModelCard, Morphology};
use prost::Message;
use tch::{Kind, Tensor};
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

pub use decode::{Decoded, decode};

use crate::network::{BATCH_NORM_EPSILON, Convolution, Layer, Network, Node, Parameter};
use crate::torch::Weights;

/// The graph's input, `[N, 3, 64, 64]`.
pub const INPUT: &str = "views";

/// The graph's output, `[N, 5]`.
pub const OUTPUT: &str = "probabilities";

const OPSET: i64 = 13;
const IR_VERSION: i64 = 8;

/// How the weights of convolutions and linear layers are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Storage {
    /// 32 bits, as they were trained.
    #[default]
    F32,
    /// 8 bits and a scale for each output channel, expanded to f32 on loading.
    Int8,
}

/// The bytes of an ONNX file that holds the network, its weights and the card.
pub fn encode(
    network: &Network,
    weights: &Weights,
    card: &ModelCard,
    storage: Storage,
) -> Result<Vec<u8>, CardError> {
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "galmorph-train".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: vec![StringStringEntryProto {
            key: ModelCard::METADATA_KEY.into(),
            value: card.to_json()?,
        }],
        graph: Some(graph(network, weights, &card.name, storage)),
        ..ModelProto::default()
    };
    Ok(model.encode_to_vec())
}

fn graph(network: &Network, weights: &Weights, name: &str, storage: Storage) -> GraphProto {
    let mut nodes = Vec::new();
    let mut initializers = Vec::new();
    for (parameter, tensor) in weights.iter() {
        if storage == Storage::Int8 && quantised::applies_to(parameter) {
            eight_bits(parameter, tensor, &mut nodes, &mut initializers);
        } else {
            initializers.push(initializer(&parameter.name, tensor));
        }
    }
    for (index, node) in network.nodes.iter().enumerate() {
        operators(network, index, node, &mut nodes);
    }
    let logits = network.nodes.last().map_or(INPUT, |node| &node.name);
    nodes.push(operator(
        "Softmax",
        OUTPUT,
        vec![logits.to_owned()],
        vec![integer("axis", 1)],
    ));

    let side = |shape: usize| Some(shape as i64);
    let input = network.nodes[0].shape;
    GraphProto {
        name: name.to_owned(),
        node: nodes,
        initializer: initializers,
        input: vec![value(
            INPUT,
            &[
                None,
                side(input.channels),
                side(input.height),
                side(input.width),
            ],
        )],
        output: vec![value(OUTPUT, &[None, side(Morphology::COUNT)])],
        ..GraphProto::default()
    }
}

/// Appends the ONNX operators that compute one node, the last of them under the node's name.
fn operators(network: &Network, index: usize, node: &Node, nodes: &mut Vec<NodeProto>) {
    let mut inputs: Vec<String> = node
        .inputs
        .iter()
        .map(|input| network.nodes[*input].name.clone())
        .collect();
    let parameters = network.parameters_of(index).into_iter().map(|p| p.name);
    let (kind, attributes) = match node.layer {
        // Nothing to compute; dropout is for training alone and passes its input on.
        Layer::Input => return,
        Layer::Dropout { .. } => ("Identity", vec![]),
        Layer::Convolution(convolution) => ("Conv", convolution_attributes(convolution)),
        Layer::BatchNorm => (
            "BatchNormalization",
            vec![float("epsilon", BATCH_NORM_EPSILON as f32)],
        ),
        Layer::Relu => ("Relu", vec![]),
        Layer::MaxPool { size, stride } => (
            "MaxPool",
            vec![
                integers("kernel_shape", &[size, size]),
                integers("strides", &[stride, stride]),
            ],
        ),
        Layer::GlobalAveragePool => ("GlobalAveragePool", vec![]),
        Layer::Add => ("Add", vec![]),
        Layer::Linear { .. } => {
            let flat = format!("{}/flatten", node.name);
            let flatten = vec![integer("axis", 1)];
            nodes.push(operator("Flatten", &flat, inputs, flatten));
            inputs = vec![flat];
            ("Gemm", vec![integer("transB", 1)])
        }
    };
    inputs.extend(parameters);
    nodes.push(operator(kind, &node.name, inputs, attributes));
}

fn convolution_attributes(convolution: Convolution) -> Vec<AttributeProto> {
    let Convolution {
        kernel,
        stride,
        padding: (before, after),
        ..
    } = convolution;
    vec![
        integers("kernel_shape", &[kernel, kernel]),
        integers("strides", &[stride, stride]),
        integers("pads", &[before, before, after, after]),
    ]
}

fn operator(
    kind: &str,
    name: &str,
    input: Vec<String>,
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        name: name.to_owned(),
        op_type: kind.to_owned(),
        input,
        output: vec![name.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}

fn integers(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values.iter().map(|value| *value as i64).collect(),
        ..AttributeProto::default()
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Float as i32,
        f: value,
        ..AttributeProto::default()
    }
}

fn initializer(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: tensor.size(),
        data_type: DataType::Float as i32,
        raw_data: little_endian(tensor),
        ..TensorProto::default()
    }
}

/// Stores a tensor in 8 bits, and the operator that expands it under its own name.
fn eight_bits(
    parameter: &Parameter,
    tensor: &Tensor,
    nodes: &mut Vec<NodeProto>,
    initializers: &mut Vec<TensorProto>,
) {
    let (values, steps) = quantised::quantise(tensor);
    let (values_name, steps_name) = quantised::names(&parameter.name);
    initializers.push(TensorProto {
        name: values_name.clone(),
        dims: values.size(),
        data_type: DataType::Int8 as i32,
        raw_data: int8_bytes(&values),
        ..TensorProto::default()
    });
    initializers.push(initializer(&steps_name, &steps));
    nodes.push(operator(
        "DequantizeLinear",
        &parameter.name,
        vec![values_name, steps_name],
        vec![integer("axis", 0)],
    ));
}

fn int8_bytes(tensor: &Tensor) -> Vec<u8> {
    let flat = tensor.to_device(tch::Device::Cpu).contiguous().view(-1);
    let mut values = vec![0_i8; flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values.into_iter().map(i8::cast_unsigned).collect()
}

/// A tensor's values in row-major order, as f32 in little-endian bytes.
pub fn little_endian(tensor: &Tensor) -> Vec<u8> {
    let flat = tensor
        .detach()
        .to_device(tch::Device::Cpu)
        .to_kind(Kind::Float)
        .contiguous()
        .view(-1);
    let mut values = vec![0.0_f32; flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A float value of the graph; a dimension of `None` is the batch.
fn value(name: &str, shape: &[Option<i64>]) -> ValueInfoProto {
    let dim = shape
        .iter()
        .map(|length| Dimension {
            value: Some(match length {
                Some(length) => dimension::Value::DimValue(*length),
                None => dimension::Value::DimParam("N".into()),
            }),
            ..Dimension::default()
        })
        .collect();
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(TensorShapeProto { dim }),
            })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

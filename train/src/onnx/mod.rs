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

use crate::network::{
    BATCH_NORM_EPSILON, Convolution, Layer, Network, Node, Parameter, Pool, viewpoint,
};
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
    let mut writer = Writer {
        network,
        nodes: Vec::new(),
        constants: Vec::new(),
    };
    for (parameter, tensor) in weights.iter() {
        if storage == Storage::Int8 && quantised::applies_to(parameter) {
            writer.eight_bits(parameter, tensor);
        } else {
            writer.constants.push(floats(&parameter.name, tensor));
        }
    }
    for index in 0..network.nodes.len() {
        writer.write(index);
    }
    let logits = network.nodes.last().map_or(INPUT, |node| &node.name);
    let softmax = vec![integer("axis", 1)];
    writer.operator("Softmax", OUTPUT, vec![logits.to_owned()], softmax);

    let side = |shape: usize| Some(shape as i64);
    let input = network.nodes[0].shape;
    GraphProto {
        name: name.to_owned(),
        node: writer.nodes,
        initializer: writer.constants,
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

/// Where the ONNX operators of a network gather.
struct Writer<'a> {
    network: &'a Network,
    nodes: Vec<NodeProto>,
    /// What operators take besides activations and weights.
    constants: Vec<TensorProto>,
}

impl Writer<'_> {
    /// Appends the operators that compute one node, the last of them under the node's name.
    fn write(&mut self, index: usize) {
        let network = self.network;
        let node = &network.nodes[index];
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
                vec![float("epsilon", BATCH_NORM_EPSILON)],
            ),
            Layer::Relu => ("Relu", vec![]),
            Layer::MaxPool(pool) => ("MaxPool", pool_attributes(pool)),
            Layer::AveragePool(pool) => {
                let mut attributes = pool_attributes(pool);
                attributes.push(integer("count_include_pad", 0));
                ("AveragePool", attributes)
            }
            Layer::GlobalAveragePool => ("GlobalAveragePool", vec![]),
            Layer::LocalResponseNorm(norm) => (
                "LRN",
                vec![
                    integer("size", norm.size as i64),
                    float("alpha", norm.alpha),
                    float("beta", norm.beta),
                    float("bias", norm.bias),
                ],
            ),
            Layer::Add => ("Add", vec![]),
            Layer::Concatenate => ("Concat", vec![integer("axis", 1)]),
            Layer::Linear { .. } => {
                let flat = within(node, "flatten");
                inputs = vec![self.operator("Flatten", &flat, inputs, vec![integer("axis", 1)])];
                ("Gemm", vec![integer("transB", 1)])
            }
            Layer::Maxout { pieces } => {
                let name = within(node, "pieces");
                let shape = [0, pieces as i64, node.shape.size() as i64];
                inputs = vec![self.reshape(&name, inputs, &shape)];
                let attributes = vec![integers("axes", &[1]), integer("keepdims", 0)];
                ("ReduceMax", attributes)
            }
            Layer::Rotate { degrees } => {
                inputs = self.rotated_taps(node, inputs, degrees);
                ("ReduceSum", vec![integer("keepdims", 0)])
            }
            Layer::Viewpoints { crop } => {
                inputs = self.cut_viewpoints(node, inputs, crop);
                ("Reshape", vec![])
            }
            Layer::JoinViewpoints => {
                let shape = [-1, node.shape.size() as i64];
                inputs.push(self.whole_numbers(&within(node, "shape"), &[2], &shape));
                ("Reshape", vec![])
            }
        };
        inputs.extend(parameters);
        self.operator(kind, &node.name, inputs, attributes);
    }

    /// The pixels that a rotation mixes, `[N, channels, taps, side, side]`, times their weights; and
    /// the axis to sum over.
    fn rotated_taps(&mut self, node: &Node, inputs: Vec<String>, degrees: f64) -> Vec<String> {
        let side = node.shape.height;
        let name = |part: &str| within(node, part);
        let rotation = viewpoint::rotation(side, degrees);
        let shape = [viewpoint::TAPS, side, side].map(|length| length as i64);

        let pixels = self.pixels(&name("pixels"), inputs, side);
        let indices = self.whole_numbers(&name("indices"), &shape, &rotation.indices);
        let taken = vec![pixels, indices];
        let taken = self.operator("Gather", &name("taken"), taken, vec![integer("axis", 2)]);
        let weights = Tensor::from_slice(&rotation.weights).view(shape);
        let weights = self.constant(floats(&name("weights"), &weights));
        let weighted = self.operator("Mul", &name("weighted"), vec![taken, weights], vec![]);
        vec![weighted, self.whole_numbers(&name("axes"), &[1], &[2])]
    }

    /// The viewpoints of all inputs, `[N, viewpoints, channels, crop, crop]`, and the shape in which
    /// they are the batch.
    fn cut_viewpoints(&mut self, node: &Node, inputs: Vec<String>, crop: usize) -> Vec<String> {
        let name = |part: &str| within(node, part);
        let side = self.network.nodes[node.inputs[0]].shape.height;
        let corners = viewpoint::corners(side, crop);
        let square = crop as i64;
        let shape = [viewpoint::CORNERS as i64, square, square];
        let indices = self.whole_numbers(&name("indices"), &shape, &corners);
        let cut = inputs.into_iter().enumerate().map(|(number, input)| {
            let pixels = self.pixels(&name(&format!("pixels{number}")), vec![input], side);
            let taken = name(&format!("taken{number}"));
            let inputs = vec![pixels, indices.clone()];
            self.operator("Gather", &taken, inputs, vec![integer("axis", 2)])
        });
        let cut = cut.collect();
        let all = self.operator("Concat", &name("all"), cut, vec![integer("axis", 2)]);
        let order = vec![integers("perm", &[0, 2, 1, 3, 4])];
        let ordered = self.operator("Transpose", &name("ordered"), vec![all], order);
        let shape = [-1, node.shape.channels as i64, square, square];
        vec![ordered, self.whole_numbers(&name("shape"), &[4], &shape)]
    }

    /// `[N, channels, side, side]` as `[N, channels, side x side]`.
    fn pixels(&mut self, name: &str, inputs: Vec<String>, side: usize) -> String {
        self.reshape(name, inputs, &[0, 0, (side * side) as i64])
    }

    /// Appends a reshape, where a length of 0 is that of the input.
    fn reshape(&mut self, name: &str, mut inputs: Vec<String>, shape: &[i64]) -> String {
        inputs.push(self.whole_numbers(&format!("{name}:shape"), &[shape.len() as i64], shape));
        self.operator("Reshape", name, inputs, vec![])
    }

    /// Stores a weight in 8 bits, and the operator that expands it under its own name.
    fn eight_bits(&mut self, parameter: &Parameter, tensor: &Tensor) {
        let (values, steps) = quantised::quantise(tensor);
        let (values_name, steps_name) = quantised::names(&parameter.name);
        let values = self.constant(TensorProto {
            name: values_name,
            dims: values.size(),
            data_type: DataType::Int8 as i32,
            raw_data: int8_bytes(&values),
            ..TensorProto::default()
        });
        let steps = self.constant(floats(&steps_name, &steps));
        let axis = vec![integer("axis", 0)];
        self.operator(
            "DequantizeLinear",
            &parameter.name,
            vec![values, steps],
            axis,
        );
    }

    /// Appends a constant of whole numbers, and returns its name.
    fn whole_numbers(&mut self, name: &str, shape: &[i64], values: &[i64]) -> String {
        self.constant(TensorProto {
            name: name.to_owned(),
            dims: shape.to_vec(),
            data_type: DataType::Int64 as i32,
            raw_data: values.iter().flat_map(|n| n.to_le_bytes()).collect(),
            ..TensorProto::default()
        })
    }

    fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.constants.push(tensor);
        name
    }

    /// Appends an operator, and returns the name of its output.
    fn operator(
        &mut self,
        kind: &str,
        name: &str,
        input: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.nodes.push(NodeProto {
            name: name.to_owned(),
            op_type: kind.to_owned(),
            input,
            output: vec![name.to_owned()],
            attribute,
            ..NodeProto::default()
        });
        name.to_owned()
    }
}

/// The name of a value that a node's operators pass among themselves. No node's name has a colon, so
/// that it can't be another's.
fn within(node: &Node, part: &str) -> String {
    format!("{}:{part}", node.name)
}

fn convolution_attributes(convolution: Convolution) -> Vec<AttributeProto> {
    let Convolution {
        kernel,
        stride,
        padding: [rows, columns],
        ..
    } = convolution;
    vec![
        integers("kernel_shape", &kernel),
        integers("strides", &[stride, stride]),
        integers("pads", &[rows.0, columns.0, rows.1, columns.1]),
    ]
}

fn pool_attributes(pool: Pool) -> Vec<AttributeProto> {
    vec![
        integers("kernel_shape", &[pool.size; 2]),
        integers("strides", &[pool.stride; 2]),
        integers("pads", &[pool.padding; 4]),
    ]
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

fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Float as i32,
        f: value as f32,
        ..AttributeProto::default()
    }
}

fn floats(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: tensor.size(),
        data_type: DataType::Float as i32,
        raw_data: little_endian(tensor),
        ..TensorProto::default()
    }
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

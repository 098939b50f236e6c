//! From the nodes of a network to ONNX operators.

use tch::Tensor;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

use super::proto::{float, floats, int8_bytes, integer, integers};
use super::quantised;
use crate::network::{
    BATCH_NORM_EPSILON, Convolution, Layer, Network, Node, Parameter, Pool, viewpoint,
};

/// Collects the ONNX operators of a network.
pub(super) struct Writer<'a> {
    pub(super) network: &'a Network,
    pub(super) nodes: Vec<NodeProto>,
    /// Weights, and the other constants that operators take.
    pub(super) constants: Vec<TensorProto>,
}

impl<'a> Writer<'a> {
    /// Begins without any operator.
    pub(super) fn new(network: &'a Network) -> Self {
        Self {
            network,
            nodes: Vec::new(),
            constants: Vec::new(),
        }
    }

    /// Appends the operators that compute one node. The last of them has the node's name.
    pub(super) fn write(&mut self, index: usize) {
        let network = self.network;
        let node = &network.nodes[index];
        let mut inputs: Vec<String> = node
            .inputs
            .iter()
            .map(|input| network.nodes[*input].name.clone())
            .collect();
        // A convolution in 8 bits takes weights and biases that its steps have been multiplied into.
        let taken = match node.layer {
            Layer::Convolution(_) => 2,
            _ => usize::MAX,
        };
        let parameters = network.parameters_of(index).into_iter().map(|p| p.name);
        let parameters = parameters.take(taken);
        let (kind, attributes) = match node.layer {
            // Computes nothing. Dropout only acts in training.
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
            Layer::Quantise => {
                inputs.extend(parameters.clone());
                let name = within(node, "integers");
                inputs = vec![self.operator("QuantizeLinear", &name, inputs, vec![])];
                ("DequantizeLinear", vec![])
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

    /// Appends a weight in 8 bits, and the operator that expands it. The result has the weight's name.
    pub(super) fn eight_bits(&mut self, parameter: &Parameter, tensor: &Tensor) {
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

    pub(super) fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.constants.push(tensor);
        name
    }

    /// Appends an operator, and returns the name of its output.
    pub(super) fn operator(
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

/// The name of a value between the operators of one node. The colon keeps it apart from the names of
/// nodes, which have none.
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

//! Networks, each described once.
//!
//! A network is a plain list of typed layers, with the inputs of each. Two interpreters walk the same
//! list: `torch` runs it, `onnx` writes it. So an exported model can't differ from the trained one, and
//! a new network is one file that only describes, and its line in the list below.
//!
//! A description ends at the logits, which training needs. `onnx` adds the softmax.
//!
//! The networks of the paper take views of 64 x 64 pixels. All networks have five classes, and all start
//! from the random weights of He et al. 2015 (a maxout layer from those of `LeCun` et al. 1998), with
//! biases of zero. The files don't repeat these differences from their sources. `docs/networks.md`
//! compares the networks.

mod architecture;
mod bottleneck;
mod builder;
mod eight_bits;
mod layer;
#[cfg(test)]
mod tests;
pub(crate) mod viewpoint;

pub use architecture::{Architecture, ArchitectureError};
pub use builder::Builder;
pub(crate) use eight_bits::{Folded, eight_bits};
pub(crate) use layer::{BATCH_NORM_DECAY, BATCH_NORM_EPSILON};
pub use layer::{Convolution, Layer, LocalResponseNorm, Pool, Shape};

// Every network, in the order in which they are listed to people. To add one, write its file and add its
// line here.
architecture::networks! {
    zhu2019::Zhu2019,
    plain7::Plain7,
    alexnet::AlexNet,
    resnet50_v2::ResNet50V2,
    vgg16::Vgg16,
    inception_v3::InceptionV3,
    dieleman::Dieleman,
    basic_resnet::BasicResNet,
}

/// One layer in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// A unique name, such as `conv2/unit1/conv3x3`. Weights and ONNX values are named after it.
    pub(crate) name: String,
    /// What it computes.
    pub(crate) layer: Layer,
    /// The nodes whose outputs it takes, by index. All of them come before it.
    pub(crate) inputs: Vec<usize>,
    /// The shape of its output.
    pub(crate) shape: Shape,
}

/// A network: nodes in an order in which they can be computed. The first node is the input, the last
/// one gives the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The nodes.
    pub(crate) nodes: Vec<Node>,
}

/// A tensor that belongs to a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The node's name and the tensor's: `conv1/weight`.
    pub name: String,
    /// The tensor's shape in torch's order: `[out, in, height, width]` for a convolution.
    pub shape: Vec<i64>,
    /// What training does with it.
    pub role: Role,
}

/// What training does with a [`Parameter`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// Learned with weight decay. Starts with normally distributed values.
    Weight {
        /// The standard deviation of the start values.
        deviation: f64,
    },
    /// Added to the sums of a convolution or a linear layer. Learned without weight decay, from 0 on.
    Bias,
    /// A scale or a shift of batch normalisation. Learned without weight decay. Starts with one value.
    Offset {
        /// The start value.
        start: f64,
    },
    /// Observed and not learned: the running mean and variance of batch normalisation, and the steps and
    /// zero points of 8-bit arithmetic.
    Statistic {
        /// The start value.
        start: f64,
    },
}

impl Network {
    /// Every tensor of the network, node by node.
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        (0..self.nodes.len())
            .flat_map(|index| self.parameters_of(index))
            .collect()
    }

    /// The tensors of one node.
    pub(crate) fn parameters_of(&self, index: usize) -> Vec<Parameter> {
        let node = &self.nodes[index];
        let parameter = |name: &str, shape: &[usize], role| Parameter {
            name: format!("{}/{name}", node.name),
            shape: shape.iter().map(|n| *n as i64).collect(),
            role,
        };
        let bias = |outputs| parameter("bias", &[outputs], Role::Bias);
        match node.layer {
            Layer::Convolution(convolution) => {
                let channels = self.input_shape(node).channels;
                let (filters, [rows, columns]) = (convolution.filters, convolution.kernel);
                let shape = [filters, channels, rows, columns];
                let mut parameters = vec![parameter(
                    "weight",
                    &shape,
                    he(convolution.fan_in(channels)),
                )];
                if convolution.bias {
                    parameters.push(bias(filters));
                }
                if convolution.eight_bits {
                    let start = Role::Statistic { start: 1.0 };
                    parameters.push(parameter("weight/step", &[filters], start));
                }
                parameters
            }
            Layer::Linear { outputs } => {
                let features = self.input_shape(node).size();
                let start = if self.is_largest_taken(index) {
                    lecun(features)
                } else {
                    he(features)
                };
                let weight = parameter("weight", &[outputs, features], start);
                vec![weight, bias(outputs)]
            }
            Layer::BatchNorm => {
                let channels = [node.shape.channels];
                vec![
                    parameter("scale", &channels, Role::Offset { start: 1.0 }),
                    parameter("shift", &channels, Role::Offset { start: 0.0 }),
                    parameter("mean", &channels, Role::Statistic { start: 0.0 }),
                    parameter("variance", &channels, Role::Statistic { start: 1.0 }),
                ]
            }
            Layer::Quantise => vec![
                parameter("step", &[], Role::Statistic { start: 1.0 }),
                parameter("zero_point", &[], Role::Statistic { start: 0.0 }),
            ],
            _ => Vec::new(),
        }
    }

    /// The number of learned values.
    pub(crate) fn learned_values(&self) -> usize {
        self.parameters()
            .iter()
            .filter(|p| !matches!(p.role, Role::Statistic { .. }))
            .map(|p| p.shape.iter().product::<i64>() as usize)
            .sum()
    }

    /// Multiply-adds of the convolutions and linear layers for one view, over all its viewpoints.
    pub(crate) fn multiply_adds(&self) -> usize {
        self.nodes
            .iter()
            .map(|node| {
                let fan_in = match node.layer {
                    Layer::Convolution(c) => c.fan_in(self.input_shape(node).channels),
                    Layer::Linear { .. } => self.input_shape(node).size(),
                    _ => 0,
                };
                fan_in * node.shape.size() * node.shape.viewpoints
            })
            .sum()
    }

    /// The shape of a view, `[channels, height, width]`.
    pub fn view_shape(&self) -> [usize; 3] {
        let shape = self.nodes[0].shape;
        [shape.channels, shape.height, shape.width]
    }

    /// The node whose values the last layer makes the logits of: the features of a view.
    pub(crate) fn features(&self) -> usize {
        self.nodes
            .last()
            .map_or(0, |logits| logits.inputs.first().copied().unwrap_or(0))
    }

    /// Whether a maxout reads the node.
    fn is_largest_taken(&self, index: usize) -> bool {
        self.nodes
            .iter()
            .any(|node| matches!(node.layer, Layer::Maxout { .. }) && node.inputs.contains(&index))
    }

    /// The shape of a node's first input.
    fn input_shape(&self, node: &Node) -> Shape {
        self.nodes[node.inputs[0]].shape
    }
}

/// He et al. 2015: keeps the variance of the activations from layer to layer, through each ReLU.
fn he(fan_in: usize) -> Role {
    Role::Weight {
        deviation: (2.0 / fan_in as f64).sqrt(),
    }
}

/// `LeCun` et al. 1998: keeps the variance through a layer without a ReLU. The larger of two such
/// outputs, which maxout takes, has the same mean square.
fn lecun(fan_in: usize) -> Role {
    Role::Weight {
        deviation: (1.0 / fan_in as f64).sqrt(),
    }
}

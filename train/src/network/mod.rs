//! Networks, described once.
//!
//! A network is a plain list of typed layers and what each takes as input. Two interpreters walk the
//! same list: [`torch`](crate::torch) runs it, [`onnx`](crate::onnx) writes it. So an exported model
//! can't drift from the trained one, and a new network is one file that only describes.
//!
//! The description ends at the logits: training wants them, and the softmax that every network ends
//! in is added by the ONNX interpreter.
//!
//! All networks take views of 64 x 64 pixels and answer five classes, and all start from the values of
//! He et al. 2015 (a maxout layer from those of `LeCun` et al. 1998) with biases of zero. These two
//! differences from their sources are not repeated in their files; `docs/networks.md` compares the
//! networks.

mod alexnet;
mod architecture;
mod bottleneck;
mod builder;
mod dieleman;
mod inception_v3;
mod layer;
mod plain7;
mod resnet50_v2;
mod vgg16;
pub mod viewpoint;
mod zhu2019;

pub use alexnet::AlexNet;
pub use architecture::Architecture;
pub use builder::Builder;
pub use dieleman::Dieleman;
pub use inception_v3::InceptionV3;
pub use layer::{
    BATCH_NORM_DECAY, BATCH_NORM_EPSILON, Convolution, Layer, LocalResponseNorm, Pool, Shape,
};
pub use plain7::Plain7;
pub use resnet50_v2::ResNet50V2;
pub use vgg16::Vgg16;
pub use zhu2019::Zhu2019;

/// One layer in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Unique, such as `conv2/unit1/conv3x3`; weights and ONNX values are named by it.
    pub name: String,
    /// What it computes.
    pub layer: Layer,
    /// The nodes that it takes, by index; all before it.
    pub inputs: Vec<usize>,
    /// The shape of its output.
    pub shape: Shape,
}

/// A network: nodes in an order in which they can be computed. The first is the input, the last
/// gives the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// A tensor that belongs to a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The node's name and the tensor's: `conv1/weight`.
    pub name: String,
    /// The tensor's shape, as torch has it: `[out, in, height, width]` for a convolution.
    pub shape: Vec<i64>,
    /// What becomes of it in training.
    pub role: Role,
}

/// What becomes of a [`Parameter`] in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// Learned, and held small by weight decay; starts normal with this standard deviation.
    Weight {
        /// The standard deviation of the start values.
        deviation: f64,
    },
    /// Learned without decay; starts at this value.
    Offset {
        /// The start value.
        start: f64,
    },
    /// Not learned but observed (batch normalisation's running mean and variance); starts at this
    /// value.
    Statistic {
        /// The start value.
        start: f64,
    },
}

impl Network {
    /// Every tensor of the network, node by node.
    pub fn parameters(&self) -> Vec<Parameter> {
        (0..self.nodes.len())
            .flat_map(|index| self.parameters_of(index))
            .collect()
    }

    /// The tensors of one node.
    pub fn parameters_of(&self, index: usize) -> Vec<Parameter> {
        let node = &self.nodes[index];
        let parameter = |name: &str, shape: &[usize], role| Parameter {
            name: format!("{}/{name}", node.name),
            shape: shape.iter().map(|n| *n as i64).collect(),
            role,
        };
        let bias = |outputs| parameter("bias", &[outputs], Role::Offset { start: 0.0 });
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
            _ => Vec::new(),
        }
    }

    /// How many values are learned.
    pub fn learned_values(&self) -> usize {
        self.parameters()
            .iter()
            .filter(|p| !matches!(p.role, Role::Statistic { .. }))
            .map(|p| p.shape.iter().product::<i64>() as usize)
            .sum()
    }

    /// Multiply-adds of the convolutions and linear layers for one view, all its viewpoints together.
    pub fn multiply_adds(&self) -> usize {
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

/// He et al. 2015: the variance of a layer's outputs stays that of its inputs through rectified units.
fn he(fan_in: usize) -> Role {
    Role::Weight {
        deviation: (2.0 / fan_in as f64).sqrt(),
    }
}

/// `LeCun` et al. 1998: the variance of a layer's outputs is that of its inputs. So is the mean square of
/// the larger of two such outputs, of which nothing is rectified away.
fn lecun(fan_in: usize) -> Role {
    Role::Weight {
        deviation: (1.0 / fan_in as f64).sqrt(),
    }
}

#[cfg(test)]
mod tests;

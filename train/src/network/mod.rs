//! Networks, described once.
//!
//! A network is a plain list of typed layers and what each takes as input. Two interpreters walk the
//! same list: [`torch`](crate::torch) runs it, [`onnx`](crate::onnx) writes it. So an exported model
//! can't drift from the trained one, and a new network is one file that only describes.
//!
//! The description ends at the logits: training wants them, and the softmax that every network ends
//! in is added by the ONNX interpreter.

mod architecture;
mod zhu2019;

pub use architecture::Architecture;
pub use zhu2019::Zhu2019;

/// The size of one image's activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels, or features.
    pub channels: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
}

impl Shape {
    /// How many values.
    pub const fn size(self) -> usize {
        self.channels * self.height * self.width
    }
}

/// What a node computes. Images are `[N, channels, height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// The views, whitened.
    Input,
    /// A 2-D convolution with a bias.
    Convolution(Convolution),
    /// Batch normalisation over each channel, with a scale and a shift; see [`BATCH_NORM_EPSILON`].
    BatchNorm,
    /// `max(x, 0)`.
    Relu,
    /// The largest value of each `size` x `size` square, every `stride` pixels, without padding. With
    /// a size of 1 it takes every `stride`th pixel.
    MaxPool {
        /// The side of the square, in pixels.
        size: usize,
        /// The distance between squares, in pixels.
        stride: usize,
    },
    /// The mean of each channel: `[N, channels, 1, 1]`.
    GlobalAveragePool,
    /// The sum of two inputs of the same shape.
    Add,
    /// While training, zeroes each value with this probability and scales the rest up; otherwise
    /// nothing.
    Dropout {
        /// The probability to *drop* a value (the paper's 0.8 is TensorFlow's probability to keep).
        drop_probability: f64,
    },
    /// A matrix and a bias over all values of the input: `[N, outputs]`.
    Linear {
        /// How many outputs.
        outputs: usize,
    },
}

/// The parameters of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Output channels.
    pub filters: usize,
    /// The side of the kernel, in pixels.
    pub kernel: usize,
    /// The distance between outputs, in pixels.
    pub stride: usize,
    /// Zeros added before and after each row and column. They differ where an even kernel keeps the
    /// size.
    pub padding: (usize, usize),
}

/// Added to the variance, as in the authors' code.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

/// How much of the running mean and variance is kept at each training step, as in the authors' code;
/// less at the start of a run.
pub const BATCH_NORM_DECAY: f64 = 0.997;

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
        match node.layer {
            Layer::Convolution(Convolution {
                filters, kernel, ..
            }) => {
                let channels = self.input_shape(node).channels;
                let fan_in = channels * kernel * kernel;
                vec![
                    parameter("weight", &[filters, channels, kernel, kernel], he(fan_in)),
                    parameter("bias", &[filters], Role::Offset { start: 0.0 }),
                ]
            }
            Layer::Linear { outputs } => {
                let features = self.input_shape(node).size();
                vec![
                    parameter("weight", &[outputs, features], he(features)),
                    parameter("bias", &[outputs], Role::Offset { start: 0.0 }),
                ]
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

    /// Multiply-adds of the convolutions and linear layers for one view.
    pub fn multiply_adds(&self) -> usize {
        self.nodes
            .iter()
            .map(|node| match node.layer {
                Layer::Convolution(c) => {
                    self.input_shape(node).channels * c.kernel * c.kernel * node.shape.size()
                }
                Layer::Linear { outputs } => self.input_shape(node).size() * outputs,
                _ => 0,
            })
            .sum()
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

/// Writes a [`Network`] down, layer by layer.
///
/// Each method adds a node under a unique name and returns its index, to be given to the next. Shapes
/// are worked out as the network grows; a description that doesn't fit together is a defect of the
/// program, and panics where it is written.
pub struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    /// Begins with the input, `[N, 3, side, side]`.
    pub fn new(side: usize) -> (Self, usize) {
        let shape = Shape {
            channels: 3,
            height: side,
            width: side,
        };
        let input = Node {
            name: "views".into(),
            layer: Layer::Input,
            inputs: Vec::new(),
            shape,
        };
        (Self { nodes: vec![input] }, 0)
    }

    /// Adds a convolution.
    pub fn convolution(&mut self, name: &str, input: usize, convolution: Convolution) -> usize {
        let Convolution {
            filters,
            kernel,
            stride,
            padding: (before, after),
        } = convolution;
        let from = self.nodes[input].shape;
        let size = |length: usize| (length + before + after - kernel) / stride + 1;
        let shape = Shape {
            channels: filters,
            height: size(from.height),
            width: size(from.width),
        };
        self.push(name, Layer::Convolution(convolution), vec![input], shape)
    }

    /// Adds a batch normalisation followed by a rectification, as `<name>/bn` and `<name>/relu`.
    pub fn batch_norm_relu(&mut self, name: &str, input: usize) -> usize {
        let shape = self.nodes[input].shape;
        let norm = self.push(&format!("{name}/bn"), Layer::BatchNorm, vec![input], shape);
        self.push(&format!("{name}/relu"), Layer::Relu, vec![norm], shape)
    }

    /// Adds a maximum pooling.
    pub fn max_pool(&mut self, name: &str, input: usize, size: usize, stride: usize) -> usize {
        let from = self.nodes[input].shape;
        let shape = Shape {
            height: (from.height - size) / stride + 1,
            width: (from.width - size) / stride + 1,
            ..from
        };
        self.push(name, Layer::MaxPool { size, stride }, vec![input], shape)
    }

    /// Adds the mean over each channel.
    pub fn global_average_pool(&mut self, name: &str, input: usize) -> usize {
        let shape = Shape {
            height: 1,
            width: 1,
            ..self.nodes[input].shape
        };
        self.push(name, Layer::GlobalAveragePool, vec![input], shape)
    }

    /// Adds a sum of two nodes.
    ///
    /// # Panics
    /// If their shapes differ.
    pub fn add(&mut self, name: &str, a: usize, b: usize) -> usize {
        let shape = self.nodes[a].shape;
        assert_eq!(shape, self.nodes[b].shape, "{name} adds unequal shapes");
        self.push(name, Layer::Add, vec![a, b], shape)
    }

    /// Adds a dropout, or nothing when nothing is dropped.
    pub fn dropout(&mut self, name: &str, input: usize, drop_probability: f64) -> usize {
        if drop_probability == 0.0 {
            return input;
        }
        let shape = self.nodes[input].shape;
        let layer = Layer::Dropout { drop_probability };
        self.push(name, layer, vec![input], shape)
    }

    /// Adds a fully connected layer.
    pub fn linear(&mut self, name: &str, input: usize, outputs: usize) -> usize {
        let shape = Shape {
            channels: outputs,
            height: 1,
            width: 1,
        };
        self.push(name, Layer::Linear { outputs }, vec![input], shape)
    }

    /// The shape of a node's output.
    pub fn shape(&self, node: usize) -> Shape {
        self.nodes[node].shape
    }

    /// Ends the description; the last node added gives the logits.
    pub fn finish(self) -> Network {
        Network { nodes: self.nodes }
    }

    fn push(&mut self, name: &str, layer: Layer, inputs: Vec<usize>, shape: Shape) -> usize {
        assert!(
            self.nodes.iter().all(|node| node.name != name),
            "two nodes are called {name}"
        );
        self.nodes.push(Node {
            name: name.to_owned(),
            layer,
            inputs,
            shape,
        });
        self.nodes.len() - 1
    }
}

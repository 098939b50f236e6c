//! A part of a network, as this engine sees it: [`fuse`](mod@fuse) leaves fewer passes over memory, and
//! [`lower`](mod@lower) makes a program of what is left. [`eight_bits`] says which convolutions multiply bytes.
//!
//! Nodes stand in topological order: each comes after those that it needs.

mod eight_bits;
mod functions;
mod fuse;
mod lower;

use crate::convolution::ConvSpec;
use crate::convolution::layout::Dims;
use crate::microkernel::epilogue::Activation;
use crate::microkernel::epilogue::function::Function;
use crate::program::Quantisation;
use crate::program::pool::{Pooling, Window};
pub(crate) use lower::{Kernels, WeightSource, lower};

/// The position of a node.
pub(crate) type NodeId = usize;

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// An input of the graph, by its number.
    Input(usize),
    Convolution(Box<FusedConvolution>),
    Depthwise(Box<FusedDepthwise>),
    /// Batch normalisation, ReLU, or both.
    Activate {
        input: NodeId,
        activation: Activation,
    },
    /// A function of each value.
    Function {
        input: NodeId,
        function: Function,
    },
    Add {
        left: NodeId,
        right: NodeId,
    },
    /// The product of two values, of which the right one may have a single pixel.
    Multiply {
        left: NodeId,
        right: NodeId,
    },
    Pool {
        input: NodeId,
        pooling: Pooling,
        window: Window,
    },
    /// Layer normalisation: each pixel's channels less their mean, by their standard deviation. Scale and shift are an
    /// activation.
    LayerNorm {
        input: NodeId,
        /// What is added to the square of the standard deviation.
        epsilon: f32,
    },
    /// The channels of several nodes, one after the other.
    Concat(Vec<NodeId>),
    /// Some channels of a node, from the first that is named on.
    Slice {
        input: NodeId,
        first: usize,
    },
    /// Nothing any more: it has become part of another node.
    Fused,
}

/// A convolution, or a sum of several, and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FusedConvolution {
    /// What is added up. All have outputs of one size. One that pools is the only one.
    pub(crate) terms: Vec<Term>,
    pub(crate) bias: Vec<f32>,
    /// Where the sum is rounded before a residual is added.
    pub(crate) rounding: Option<Quantisation>,
    /// A node whose values are added, after the pooling.
    pub(crate) residual: Option<NodeId>,
    /// Whether a ReLU follows.
    pub(crate) relu: bool,
    /// What follows after that.
    pub(crate) function: Option<Function>,
}

/// A convolution of which each channel has a window of its own, and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FusedDepthwise {
    pub(crate) input: NodeId,
    pub(crate) window: Window,
    pub(crate) weights: WeightId,
    /// A factor for the weights of each channel.
    pub(crate) scale: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    /// Whether a ReLU follows.
    pub(crate) relu: bool,
    /// What follows after that.
    pub(crate) function: Option<Function>,
}

/// One convolution of a sum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) input: NodeId,
    pub(crate) spec: ConvSpec,
    pub(crate) weights: WeightId,
    /// A factor for the weights of each output channel.
    pub(crate) scale: Vec<f32>,
    /// The step of each output channel, where the weights are whole numbers of eight bits of them.
    pub(crate) steps: Option<Vec<f32>>,
}

/// The weights of a convolution, by their number in a [`WeightSource`]. They may be large, so they are read
/// only when they are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeightId(pub(crate) usize);

/// A node: what it computes, the dimensions of its output, and how that is rounded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) dims: Dims,
    pub(crate) quantisation: Option<Quantisation>,
}

/// The nodes, and those whose values are the outputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) outputs: Vec<NodeId>,
}

impl FusedConvolution {
    fn is_pooled(&self) -> bool {
        self.terms.iter().any(|term| term.spec.pooling != [1, 1])
    }

    /// Has the weights and the bias scale and shift each channel.
    fn fold(&mut self, scale: &[f32], shift: &[f32]) {
        for (channel, (scale, shift)) in scale.iter().zip(shift).enumerate() {
            for term in &mut self.terms {
                term.scale[channel] *= scale;
            }
            self.bias[channel] = self.bias[channel] * scale + shift;
        }
    }
}

impl Op {
    /// The nodes that it needs.
    fn inputs(&self) -> Vec<NodeId> {
        match self {
            Self::Input(_) | Self::Fused => Vec::new(),
            Self::Convolution(convolution) => {
                let inputs = convolution.terms.iter().map(|term| term.input);
                inputs.chain(convolution.residual).collect()
            }
            Self::Depthwise(depthwise) => vec![depthwise.input],
            Self::Activate { input, .. }
            | Self::Function { input, .. }
            | Self::LayerNorm { input, .. }
            | Self::Pool { input, .. }
            | Self::Slice { input, .. } => vec![*input],
            Self::Add { left, right } | Self::Multiply { left, right } => vec![*left, *right],
            Self::Concat(inputs) => inputs.clone(),
        }
    }
}

impl Graph {
    /// Adds a node and returns its position.
    pub(crate) fn push(&mut self, op: Op, dims: Dims) -> NodeId {
        self.nodes.push(Node {
            op,
            dims,
            quantisation: None,
        });
        self.nodes.len() - 1
    }

    /// Adds a node that rounds the values of another one, and returns its position.
    pub(crate) fn push_quantisation(
        &mut self,
        input: NodeId,
        quantisation: Quantisation,
    ) -> NodeId {
        let dims = self.nodes[input].dims;
        let activation = Activation {
            scale: vec![1.0; dims.channels],
            shift: vec![0.0; dims.channels],
            relu: false,
        };
        let id = self.push(Op::Activate { input, activation }, dims);
        self.nodes[id].quantisation = Some(quantisation);
        id
    }

    /// Changes the number of images of all nodes.
    pub(crate) fn resize(&mut self, batch: usize) {
        for node in &mut self.nodes {
            node.dims.batch = batch;
        }
    }

    /// The nodes that need a node.
    fn users(&self, id: NodeId) -> Vec<NodeId> {
        let uses = |node: &Node| node.op.inputs().contains(&id);
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| uses(node))
            .map(|(user, _)| user)
            .collect()
    }

    /// Whether exactly one other node needs this one, as one of its inputs, and the graph's outputs don't.
    fn has_single_use(&self, id: NodeId) -> bool {
        let inputs = self.nodes.iter().flat_map(|node| node.op.inputs());
        !self.outputs.contains(&id) && inputs.filter(|input| *input == id).count() == 1
    }
}

#[cfg(test)]
mod tests;

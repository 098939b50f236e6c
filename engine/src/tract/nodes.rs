//! What a pattern becomes in the engine's graph, and where its weights are.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use super::constants::Constants;
use super::pattern::{Pattern, Weights};
use crate::convolution::ConvSpec;
use crate::convolution::layout::Dims;
use crate::graph::{self, FusedConvolution, FusedDepthwise, Graph, Term, WeightId, WeightSource};

/// Adds the nodes that compute a pattern of images. Returns the one whose values are the pattern's.
pub(super) fn push(
    graph: &mut Graph,
    pattern: &Pattern,
    images: &[graph::NodeId],
    dims: Dims,
    weights: &mut ModelWeights<'_>,
) -> graph::NodeId {
    match pattern {
        Pattern::Identity => images[0],
        Pattern::Quantise(quantisation) => graph.push_quantisation(images[0], *quantisation),
        Pattern::Convolution { groups, .. } if *groups > 1 => {
            push_groups(graph, pattern, images[0], dims, weights)
        }
        _ => graph.push(graph_op(pattern, images, weights), dims),
    }
}

/// Adds a convolution in groups: one for each, of some of the channels, and the channels of all.
fn push_groups(
    graph: &mut Graph,
    pattern: &Pattern,
    image: graph::NodeId,
    dims: Dims,
    weights: &mut ModelWeights<'_>,
) -> graph::NodeId {
    let Pattern::Convolution {
        spec,
        weights: of_pattern,
        bias,
        groups,
        steps: _,
    } = pattern
    else {
        unreachable!("only convolutions have groups")
    };
    let of_image = graph.nodes[image].dims;
    let inputs = of_image.channels / groups;
    let channels = spec.channels / groups;
    let group = |number: usize| {
        let slice = graph::Op::Slice {
            input: image,
            first: number * inputs,
        };
        let part = graph.push(
            slice,
            Dims {
                channels: inputs,
                ..of_image
            },
        );
        let weights = weights.push_part(*of_pattern, number, *groups);
        let bias = &bias[number * channels..][..channels];
        let spec = ConvSpec { channels, ..*spec };
        let op = convolution(part, spec, weights, bias, None);
        graph.push(op, Dims { channels, ..dims })
    };
    let parts = (0..*groups).map(group).collect();
    graph.push(graph::Op::Concat(parts), dims)
}

fn convolution(
    input: graph::NodeId,
    spec: ConvSpec,
    weights: WeightId,
    bias: &[f32],
    steps: Option<Vec<f32>>,
) -> graph::Op {
    graph::Op::Convolution(Box::new(FusedConvolution {
        terms: vec![Term {
            input,
            spec,
            weights,
            scale: vec![1.0; spec.channels],
            steps,
        }],
        bias: bias.to_vec(),
        rounding: None,
        residual: None,
        relu: false,
        function: None,
    }))
}

fn graph_op(
    pattern: &Pattern,
    images: &[graph::NodeId],
    weights: &mut ModelWeights<'_>,
) -> graph::Op {
    match pattern {
        Pattern::Convolution {
            spec,
            weights: of_pattern,
            bias,
            steps,
            groups: _,
        } => convolution(
            images[0],
            *spec,
            weights.push(*of_pattern),
            bias,
            steps.clone(),
        ),
        Pattern::Depthwise {
            window,
            weights: of_pattern,
            bias,
        } => graph::Op::Depthwise(Box::new(FusedDepthwise {
            input: images[0],
            window: *window,
            weights: weights.push(*of_pattern),
            scale: vec![1.0; bias.len()],
            bias: bias.clone(),
            relu: false,
            function: None,
        })),
        Pattern::Function(function) => graph::Op::Function {
            input: images[0],
            function: function.clone(),
        },
        Pattern::LayerNorm { epsilon } => graph::Op::LayerNorm {
            input: images[0],
            epsilon: *epsilon,
        },
        Pattern::Multiply => graph::Op::Multiply {
            left: images[0],
            right: images[1],
        },
        Pattern::Slice(first) => graph::Op::Slice {
            input: images[0],
            first: *first,
        },
        Pattern::Identity | Pattern::Quantise(_) => unreachable!("`push` adds it"),
        Pattern::Activate(activation) => graph::Op::Activate {
            input: images[0],
            activation: activation.clone(),
        },
        Pattern::Add => graph::Op::Add {
            left: images[0],
            right: images[1],
        },
        Pattern::Pool { pooling, window } => graph::Op::Pool {
            input: images[0],
            pooling: *pooling,
            window: *window,
        },
        Pattern::Concat => graph::Op::Concat(images.to_vec()),
    }
}

/// The weights of a region's convolutions, by [`WeightId`].
pub(super) struct ModelWeights<'a> {
    constants: &'a Constants<'a>,
    all: Vec<Part>,
}

/// The weights of one group of a convolution, of as many.
struct Part {
    of: Weights,
    number: usize,
    groups: usize,
}

impl<'a> ModelWeights<'a> {
    pub(super) fn new(constants: &'a Constants<'a>) -> Self {
        Self {
            constants,
            all: Vec::new(),
        }
    }

    fn push(&mut self, weights: Weights) -> WeightId {
        self.push_part(weights, 0, 1)
    }

    fn push_part(&mut self, of: Weights, number: usize, groups: usize) -> WeightId {
        self.all.push(Part { of, number, groups });
        WeightId(self.all.len() - 1)
    }
}

impl WeightSource for ModelWeights<'_> {
    type Error = TractError;

    fn read(&self, WeightId(id): WeightId, pack: &mut dyn FnMut(&[f32])) -> TractResult<()> {
        let Part { of, number, groups } = self.all[id];
        let tensor = self.constants.weights(of)?;
        let tensor = tensor.try_as_plain_ram()?;
        let values = tensor.as_slice::<f32>()?;
        let len = values.len() / groups;
        pack(&values[number * len..][..len]);
        Ok(())
    }
}

//! Lowering: from a graph to a program. It decides how each value is stored, makes the buffers for that, and
//! turns each node into a step that stores its values wherever they are needed.
//!
//! Concatenations, and activations of what a step computes or of what is put together, need no step: the steps before
//! them store their values where they belong, activated on the way ([`slices`]). Where many concatenations begin alike,
//! they share one buffer, and their activations are steps ([`chains`]).

mod chains;
mod slices;
mod storage;

use super::eight_bits::grid;
use super::{Graph, NodeId, Op, Term, WeightId};
use crate::convolution::Convolution;
use crate::convolution::depthwise::Depthwise;
use crate::convolution::element_wise::ElementWise;
use crate::convolution::layout::Layout;
use crate::microkernel::aligned::AlignedVec;
use crate::microkernel::dtype::Stored;
use crate::microkernel::epilogue::{ChannelSlice, Grid};
use crate::microkernel::{Kernel, Unit};
use crate::program::pool::Window;
use crate::program::{Action, BufferId, Program, Step, StepOutput};
use storage::{Planned, Storage};

/// Reads weights, one tensor at a time, so that the expanded weights of a whole network are never in memory
/// at once.
pub(crate) trait WeightSource {
    type Error;

    /// Calls `pack` once with the weights, `[output channels][input channels][rows][columns]`.
    fn read(&self, weights: WeightId, pack: &mut dyn FnMut(&[f32])) -> Result<(), Self::Error>;
}

/// The kernels of a program: of floating point, and of eight bits where the graph says so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    pub(crate) float: Kernel,
    pub(crate) int8: Kernel,
}

/// Makes a program of a graph, and packs the weights for the kernels.
///
/// # Errors
///
/// Errors are those of reading the weights.
pub(crate) fn lower<W: WeightSource>(
    graph: &Graph,
    kernels: Kernels,
    weights: &W,
) -> Result<Program, W::Error> {
    let split = split(graph);
    let mut lowering = Lowering {
        graph,
        kernels,
        split,
        buffers: Vec::new(),
        storage: vec![Storage::default(); graph.nodes.len()],
        chains: chains::longest(graph),
    };
    lowering.allocate_all();
    let (mut steps, mut ids) = (Vec::new(), Vec::new());
    let mut packed_len = 0;
    for id in 0..graph.nodes.len() {
        if let Some(step) = lowering.step(id) {
            if let Action::Convolution { convolution, .. } = &step.action {
                packed_len += convolution.packed_len();
            }
            steps.push(step);
            ids.push(id);
        }
    }
    let packed = lowering.pack(packed_len, &mut steps, &ids, weights)?;
    let by_image = ids.iter().take_while(|id| **id < split).count();
    let batch = graph.nodes.first().map_or(0, |node| node.dims.batch);
    let output = |id: &NodeId| (graph.nodes[*id].dims, lowering.plain(*id));
    let outputs = graph.outputs.iter().map(output).collect();
    let buffers: Vec<_> = lowering
        .buffers
        .iter()
        .map(|of| (of.layout, of.stored))
        .collect();
    Ok(Program::new(
        steps, by_image, batch, &buffers, packed, outputs,
    ))
}

struct Lowering<'a> {
    graph: &'a Graph,
    kernels: Kernels,
    // The nodes before this one are computed image by image.
    split: NodeId,
    buffers: Vec<Planned>,
    storage: Vec<Storage>,
    // Of each concatenation that begins another one or is begun by one, the longest that it begins, or itself.
    chains: Vec<Option<NodeId>>,
}

impl Lowering<'_> {
    /// The packed weights of all convolutions, one after the other, `len` units at most. Each tensor is read and dropped
    /// before the next.
    fn pack<W: WeightSource>(
        &self,
        len: usize,
        steps: &mut [Step],
        ids: &[NodeId],
        weights: &W,
    ) -> Result<AlignedVec<Unit>, W::Error> {
        let mut packed = AlignedVec::default();
        packed.grow(len);
        let mut end = 0;
        for (step, id) in steps.iter_mut().zip(ids) {
            if let (Action::Depthwise { depthwise, .. }, Op::Depthwise(fused)) =
                (&mut step.action, &self.graph.nodes[*id].op)
            {
                weights.read(fused.weights, &mut |weights| {
                    depthwise.pack(weights, &fused.scale);
                })?;
            }
            if let (
                Action::Convolution {
                    convolution,
                    weights: first,
                    ..
                },
                Op::Convolution(fused),
            ) = (&mut step.action, &self.graph.nodes[*id].op)
            {
                *first = end;
                let packed = &mut packed[end..];
                if let Some(of) = self.graph.eight_bits(fused) {
                    weights.read(of.term.weights, &mut |weights| {
                        convolution.pack_steps(weights, of.steps, of.input.zero_point, packed);
                    })?;
                } else {
                    for (number, term) in fused.terms.iter().enumerate() {
                        weights.read(term.weights, &mut |weights| {
                            convolution.pack(number, weights, &term.scale, packed);
                        })?;
                    }
                }
                end += convolution.packed_len();
            }
        }
        Ok(packed)
    }

    /// The step that computes a node; `None` if none is needed.
    fn step(&self, id: NodeId) -> Option<Step> {
        let node = &self.graph.nodes[id];
        let mut quantisation = self.graph.quantisation_of(id);
        let action = match &node.op {
            Op::Input(number) => Action::Load(*number),
            Op::Convolution(_) => self.convolution(id)?,
            Op::Depthwise(_) => self.depthwise(id)?,
            Op::Function { input, function } => {
                Action::Function(self.source(*input), function.clone())
            }
            Op::Activate { .. } if self.is_applied_on_store(id) => return None,
            Op::Activate { input, .. } => {
                // After the activation, so it is part of the slices.
                quantisation = None;
                Action::Copy(self.source(*input))
            }
            Op::LayerNorm { input, epsilon } => Action::LayerNorm(self.source(*input), *epsilon),
            Op::Add { left, right } => Action::Add(self.source(*left), self.source(*right)),
            Op::Multiply { left, right } => {
                Action::Multiply(self.source(*left), self.source(*right))
            }
            Op::Slice { input, first } => Action::Slice(self.source(*input), *first),
            Op::Pool {
                input,
                pooling,
                window,
            } => Action::Pool {
                input: self.source(*input),
                pooling: *pooling,
                window: *window,
            },
            Op::Concat(_) | Op::Fused => return None,
        };
        let outputs = self.outputs(id);
        let action = match quantisation {
            None => self.by_epilogue(id, &action, &outputs).unwrap_or(action),
            Some(_) => action,
        };
        Some(Step::new(action, node.dims, quantisation, outputs))
    }

    /// The same action by the epilogue of a kernel, if that can do it: nothing is read or stored in eight bits.
    fn by_epilogue(&self, id: NodeId, action: &Action, outputs: &[StepOutput]) -> Option<Action> {
        let (input, other, function) = match action {
            Action::Copy(input) => (input, None, None),
            Action::Function(input, function) => (input, None, Some(function.clone())),
            Action::Add(left, right) => (left, Some(right), None),
            _ => return None,
        };
        let is_float = |buffer: BufferId| !matches!(self.buffers[buffer].stored, Stored::U8 { .. });
        let is_stored_so = |output: &StepOutput| {
            let is_exact = |slice: &ChannelSlice| slice.rounding.is_none();
            is_float(output.buffer) && output.slices.iter().all(is_exact)
        };
        let mut read = std::iter::once(input).chain(other);
        if !read.all(|operand| is_float(operand.buffer)) || !outputs.iter().all(is_stored_so) {
            return None;
        }
        let layout = &self.buffers[input.buffer].layout;
        let channels = self.graph.nodes[id].dims.channels;
        let element_wise = ElementWise::new(self.kernels.float, layout, channels)?;
        Some(Action::ElementWise {
            element_wise: Box::new(element_wise),
            input: input.buffer,
            residual: other.map(|other| other.buffer),
            function,
        })
    }

    fn convolution(&self, id: NodeId) -> Option<Action> {
        let node = &self.graph.nodes[id];
        let Op::Convolution(fused) = &node.op else {
            return None;
        };
        let eight_bits = self.graph.eight_bits(fused);
        let is_eight_bits = eight_bits.is_some();
        let input = |term: &Term| {
            if is_eight_bits {
                self.quanta(term.input)
            } else {
                self.operand(term.input)
            }
        };
        let inputs: Vec<BufferId> = fused.terms.iter().map(input).collect();
        let layout = |input: &BufferId| Layout {
            batch: if id < self.split { 1 } else { node.dims.batch },
            ..self.buffers[*input].layout
        };
        let specs = fused.terms.iter().map(|term| term.spec);
        let terms: Vec<_> = specs.zip(inputs.iter().map(layout)).collect();
        let residual = fused.residual;
        let (convolution, residual, grid, relu) = if let Some(of) = eight_bits {
            let unit = fused.rounding.or(node.quantisation);
            let rescaling = of.rescaling(&fused.bias, unit.map_or(1.0, |of| of.quantum));
            let convolution = Convolution::new(self.kernels.int8, &terms, &fused.bias);
            let added = residual.and_then(|residual| self.graph.quantisation_of(residual));
            let grid = grid(fused, node.quantisation, added);
            (
                convolution.rescaled(rescaling),
                residual.map(|residual| self.source(residual).buffer),
                grid,
                // Else it is the least of what the value is rounded to.
                fused.relu && grid.after.is_none(),
            )
        } else {
            let convolution = Convolution::new(self.kernels.float, &terms, &fused.bias);
            let residual = residual.map(|residual| self.plain(residual));
            (convolution, residual, Grid::default(), fused.relu)
        };
        Some(Action::Convolution {
            convolution: Box::new(convolution),
            weights: 0,
            inputs,
            residual,
            relu,
            function: fused.function.clone(),
            grid,
        })
    }

    fn depthwise(&self, id: NodeId) -> Option<Action> {
        let node = &self.graph.nodes[id];
        let Op::Depthwise(fused) = &node.op else {
            return None;
        };
        let input = self.plain(fused.input);
        let layout = Layout {
            batch: if id < self.split { 1 } else { node.dims.batch },
            ..self.buffers[input].layout
        };
        let Window {
            size,
            strides,
            padding,
        } = fused.window;
        let kernel = self.kernels.float;
        let depthwise = Depthwise::new(kernel, size, strides, padding, &layout, &fused.bias);
        Some(Action::Depthwise {
            depthwise: Box::new(depthwise),
            input,
            relu: fused.relu,
            function: fused.function.clone(),
        })
    }
}

/// The first node with more weights than values. It and those after it are computed for the whole batch, so
/// that each weight is read once; those before it image by image, so that what lies between two steps stays
/// in the cache.
fn split(graph: &Graph) -> NodeId {
    let batch = graph.nodes.first().map_or(0, |node| node.dims.batch);
    let image_len = |id: NodeId| {
        let dims = graph.nodes[id].dims;
        dims.height * dims.width * dims.channels
    };
    let is_heavy = |id: &NodeId| match &graph.nodes[*id].op {
        Op::Convolution(convolution) => {
            let weights = |term: &Term| {
                let inputs = graph.nodes[term.input].dims.channels;
                term.spec.weight_count(inputs)
            };
            let weights: usize = convolution.terms.iter().map(weights).sum();
            let inputs = convolution.terms.iter().map(|term| image_len(term.input));
            weights > inputs.sum::<usize>() + image_len(*id)
        }
        _ => false,
    };
    if batch < 2 || graph.nodes.iter().any(|node| node.dims.batch != batch) {
        return 0;
    }
    // Without such a node all are computed for the whole batch.
    (0..graph.nodes.len()).find(is_heavy).unwrap_or_default()
}

//! Lowering: from a graph to a program. It decides how each value is stored, makes the buffers for that, and
//! turns each node into a step that stores its values wherever they are needed.
//!
//! Concatenations, and activations of what a step computes, need no step: the step before them stores its
//! values where they belong, activated on the way.

use std::collections::BTreeMap;

use super::{Graph, NodeId, Op, Term, WeightId};
use crate::convolution::Convolution;
use crate::convolution::layout::{Border, Dims, Layout};
use crate::microkernel::aligned::AlignedVec;
use crate::microkernel::epilogue::ChannelSlice;
use crate::microkernel::{DType, Kernel, Unit};
use crate::program::{Action, BufferId, Program, Step, StepOutput};

/// Reads weights, one tensor at a time, so that the expanded weights of a whole network are never in memory
/// at once.
pub(crate) trait WeightSource {
    type Error;

    /// Calls `pack` once with the weights, `[output channels][input channels][rows][columns]`.
    fn read(&self, weights: WeightId, pack: &mut dyn FnMut(&[f32])) -> Result<(), Self::Error>;
}

/// Makes a program of a graph, and packs the weights for a kernel.
///
/// # Errors
///
/// Errors are those of reading the weights.
pub(crate) fn lower<W: WeightSource>(
    graph: &Graph,
    kernel: Kernel,
    weights: &W,
) -> Result<Program, W::Error> {
    let split = split(graph);
    let mut lowering = Lowering {
        graph,
        kernel,
        split,
        buffers: Vec::new(),
        storage: vec![Storage::default(); graph.nodes.len()],
    };
    for id in 0..graph.nodes.len() {
        lowering.allocate(id);
    }
    let (mut steps, mut ids) = (Vec::new(), Vec::new());
    let mut packed_len = 0;
    for id in 0..graph.nodes.len() {
        if let Some(mut step) = lowering.step(id) {
            if let Action::Convolution {
                convolution,
                weights,
                ..
            } = &mut step.action
            {
                *weights = packed_len;
                packed_len += convolution.packed_len();
            }
            steps.push(step);
            ids.push(id);
        }
    }
    let packed = lowering.pack(packed_len, &steps, &ids, weights)?;
    let by_image = ids.iter().take_while(|id| **id < split).count();
    let batch = graph.nodes.first().map_or(0, |node| node.dims.batch);
    let output = |id: &NodeId| (graph.nodes[*id].dims, lowering.plain(*id));
    let outputs = graph.outputs.iter().map(output).collect();
    let buffers = lowering.buffers;
    Ok(Program::new(
        steps, by_image, batch, &buffers, packed, outputs,
    ))
}

/// The buffers that a node's values are stored in. With kernels that multiply f32 both may be the same.
#[derive(Debug, Clone, Copy, Default)]
struct Storage {
    /// As f32: for sums, poolings, activations and outputs.
    plain: Option<BufferId>,
    /// As what the kernel multiplies, with a border: for convolutions.
    operand: Option<BufferId>,
}

struct Lowering<'a> {
    graph: &'a Graph,
    kernel: Kernel,
    // The nodes before this one are computed image by image.
    split: NodeId,
    buffers: Vec<(Layout, DType)>,
    storage: Vec<Storage>,
}

impl Lowering<'_> {
    #[allow(
        clippy::expect_used,
        reason = "another buffer would give wrong answers without a sign"
    )]
    fn plain(&self, id: NodeId) -> BufferId {
        let plain = self.storage[id].plain;
        plain.expect("`allocate` gives an f32 buffer to every node that is read as f32")
    }

    #[allow(
        clippy::expect_used,
        reason = "another buffer would give wrong answers without a sign"
    )]
    fn operand(&self, id: NodeId) -> BufferId {
        let operand = self.storage[id].operand;
        operand.expect("`allocate` gives a buffer to every node that a convolution reads")
    }

    /// Whether a node is an activation that another step applies when it stores its own values.
    fn is_applied_on_store(&self, id: NodeId) -> bool {
        let Op::Activate { input, .. } = &self.graph.nodes[id].op else {
            return false;
        };
        // The first is no step, and the second may apply an activation of its own already.
        !matches!(
            self.graph.nodes[*input].op,
            Op::Concat(_) | Op::Activate { .. }
        )
    }

    /// Decides how a node's values are stored, from what its users do with them, and makes the buffers.
    fn allocate(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        if node.op == Op::Fused {
            return;
        }
        let (mut is_plain, mut is_operand) = (self.graph.outputs.contains(&id), false);
        let (mut border, mut overread) = (Border::default(), 0);
        let Dims {
            height,
            width,
            channels,
            ..
        } = node.dims;
        for user in self.graph.users(id) {
            match &self.graph.nodes[user].op {
                Op::Convolution(convolution) => {
                    for term in convolution.terms.iter().filter(|term| term.input == id) {
                        is_operand = true;
                        border = border.union(term.spec.padding);
                        overread = overread.max(term.spec.overread(self.kernel, channels));
                    }
                    is_plain |= convolution.residual == Some(id);
                }
                // The values are stored in the concatenation's own buffers.
                Op::Concat(_) => {}
                Op::Activate { .. } => is_plain |= !self.is_applied_on_store(user),
                _ => is_plain = true,
            }
        }
        let batch = self.batch_of(id);
        let layout = Layout {
            border,
            gap: Layout::gap_for(overread, batch),
            ..Layout::plain(batch, height, width, channels)
        };
        let dtype = self.kernel.dtype();
        let mut storage = Storage::default();
        if is_operand {
            self.buffers.push((layout, dtype));
            storage.operand = Some(self.buffers.len() - 1);
        }
        if is_plain {
            storage.plain = storage.operand.filter(|_| dtype == DType::F32).or_else(|| {
                let layout = Layout::plain(batch, height, width, channels);
                self.buffers.push((layout, DType::F32));
                Some(self.buffers.len() - 1)
            });
        }
        self.storage[id] = storage;
    }

    /// How many images of a node are stored at a time: one where it and all its users are computed image by
    /// image.
    fn batch_of(&self, id: NodeId) -> usize {
        let is_by_image = |id: NodeId| {
            let users = self.graph.users(id);
            id < self.split && users.iter().all(|user| *user < self.split)
        };
        if is_by_image(id) && !self.graph.outputs.contains(&id) {
            1
        } else {
            self.graph.nodes[id].dims.batch
        }
    }

    /// The buffers that a node's values are stored in, each once, with all slices.
    fn outputs(&self, id: NodeId) -> Vec<StepOutput> {
        let mut outputs: BTreeMap<BufferId, Vec<ChannelSlice>> = BTreeMap::new();
        for (buffer, slice) in self.slices(id) {
            outputs.entry(buffer).or_default().push(slice);
        }
        let output = |(buffer, slices)| StepOutput { buffer, slices };
        outputs.into_iter().map(output).collect()
    }

    /// All slices of buffers that a node's values are stored in: its own buffers, and those of the
    /// concatenations and activations that need no step.
    fn slices(&self, id: NodeId) -> Vec<(BufferId, ChannelSlice)> {
        let Storage { plain, operand } = self.storage[id];
        let operand = operand.filter(|_| operand != plain);
        let whole = ChannelSlice {
            offset: 0,
            activation: None,
        };
        let own = plain.into_iter().chain(operand);
        let mut slices: Vec<(BufferId, ChannelSlice)> =
            own.map(|buffer| (buffer, whole.clone())).collect();
        for user in self.graph.users(id) {
            match &self.graph.nodes[user].op {
                Op::Concat(parts) => {
                    let mut first = 0;
                    for part in parts {
                        if *part == id {
                            for (buffer, mut slice) in self.slices(user) {
                                slice.offset += first;
                                slices.push((buffer, slice));
                            }
                        }
                        first += self.graph.nodes[*part].dims.channels;
                    }
                }
                Op::Activate { activation, .. } if self.is_applied_on_store(user) => {
                    for (buffer, mut slice) in self.slices(user) {
                        slice.activation = Some(activation.clone());
                        slices.push((buffer, slice));
                    }
                }
                _ => {}
            }
        }
        slices
    }

    /// The packed weights of all convolutions, `len` units. Each tensor is read and dropped before the next.
    fn pack<W: WeightSource>(
        &self,
        len: usize,
        steps: &[Step],
        ids: &[NodeId],
        weights: &W,
    ) -> Result<AlignedVec<Unit>, W::Error> {
        let mut packed = AlignedVec::default();
        packed.grow(len);
        for (step, id) in steps.iter().zip(ids) {
            if let (
                Action::Convolution {
                    convolution,
                    weights: first,
                    ..
                },
                Op::Convolution(fused),
            ) = (&step.action, &self.graph.nodes[*id].op)
            {
                for (number, term) in fused.terms.iter().enumerate() {
                    weights.read(term.weights, &mut |weights| {
                        convolution.pack(number, weights, &term.scale, &mut packed[*first..]);
                    })?;
                }
            }
        }
        Ok(packed)
    }

    /// The step that computes a node; `None` if none is needed.
    fn step(&self, id: NodeId) -> Option<Step> {
        let node = &self.graph.nodes[id];
        let mut outputs = self.outputs(id);
        let action = match &node.op {
            Op::Input(number) => Action::Load(*number),
            Op::Convolution(fused) => {
                let inputs: Vec<BufferId> = fused
                    .terms
                    .iter()
                    .map(|term| self.operand(term.input))
                    .collect();
                let layout = |input: &BufferId| Layout {
                    batch: if id < self.split { 1 } else { node.dims.batch },
                    ..self.buffers[*input].0
                };
                let specs = fused.terms.iter().map(|term| term.spec);
                let terms: Vec<_> = specs.zip(inputs.iter().map(layout)).collect();
                let convolution = Convolution::new(self.kernel, &terms, &fused.bias);
                Action::Convolution {
                    convolution: Box::new(convolution),
                    weights: 0,
                    inputs,
                    residual: fused.residual.map(|residual| self.plain(residual)),
                    relu: fused.relu,
                }
            }
            Op::Activate { .. } if self.is_applied_on_store(id) => return None,
            Op::Activate { input, activation } => {
                for slice in outputs.iter_mut().flat_map(|output| &mut output.slices) {
                    slice.activation = Some(activation.clone());
                }
                Action::Copy(self.plain(*input))
            }
            Op::Add { left, right } => Action::Add(self.plain(*left), self.plain(*right)),
            Op::Pool {
                input,
                pooling,
                window,
            } => Action::Pool {
                input: self.plain(*input),
                pooling: *pooling,
                window: *window,
            },
            Op::Concat(_) | Op::Fused => return None,
        };
        Some(Step::new(action, node.dims, outputs))
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

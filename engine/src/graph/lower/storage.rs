//! How each value is stored, and the buffers for that.

use super::Lowering;
use crate::convolution::layout::{Border, Dims, Layout};
use crate::graph::{NodeId, Op};
use crate::microkernel::DType;
use crate::microkernel::dtype::Stored;
use crate::program::{BufferId, Operand};

/// The buffers that a node's values are stored in. With kernels that multiply f32 both may be the same.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Storage {
    /// As f32: for sums, poolings, activations and outputs.
    pub(super) plain: Option<BufferId>,
    /// As what the kernel multiplies, with a border: for convolutions.
    pub(super) operand: Option<BufferId>,
    /// In eight bits, with a border, if they are rounded to that: for all but outputs and convolutions of f32.
    pub(super) quanta: Option<BufferId>,
}

/// A buffer to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    pub(super) layout: Layout,
    pub(super) stored: Stored,
    /// What one is in it.
    pub(super) quantum: f32,
}

impl Lowering<'_> {
    #[allow(
        clippy::expect_used,
        reason = "another buffer would give wrong answers without a sign"
    )]
    pub(super) fn plain(&self, id: NodeId) -> BufferId {
        let plain = self.storage[id].plain;
        plain.expect("`allocate` gives an f32 buffer to every node that is read as f32")
    }

    #[allow(
        clippy::expect_used,
        reason = "another buffer would give wrong answers without a sign"
    )]
    pub(super) fn operand(&self, id: NodeId) -> BufferId {
        let operand = self.storage[id].operand;
        operand.expect("`allocate` gives a buffer to every node that a convolution reads")
    }

    #[allow(
        clippy::expect_used,
        reason = "another buffer would give wrong answers without a sign"
    )]
    pub(super) fn quanta(&self, id: NodeId) -> BufferId {
        let quanta = self.storage[id].quanta;
        quanta.expect("`allocate` gives a buffer to every node that is read in eight bits")
    }

    /// What a step that is no convolution reads of a node.
    pub(super) fn source(&self, id: NodeId) -> Operand {
        let quantisation = self.graph.quantisation_of(id);
        let buffer = match quantisation {
            Some(_) => self.quanta(id),
            None => self.plain(id),
        };
        let quantum = quantisation.map_or(1.0, |of| of.quantum);
        Operand { buffer, quantum }
    }

    /// Decides how all values are stored.
    pub(super) fn allocate_all(&mut self) {
        for id in 0..self.graph.nodes.len() {
            self.allocate(id);
        }
        for id in 0..self.graph.nodes.len() {
            if let Some(longest) = self.chains[id] {
                self.storage[id].plain = self.storage[longest].plain;
            }
        }
    }

    /// Decides how a node's values are stored, from what its users do with them, and makes the buffers.
    fn allocate(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        if node.op == Op::Fused {
            return;
        }
        let quantisation = self.graph.quantisation_of(id);
        let (mut is_plain, mut is_operand) = (self.graph.outputs.contains(&id), false);
        let mut is_quanta = false;
        let (mut border, mut overread) = (Border::default(), 0);
        let mut plain_border = Border::default();
        let Dims {
            height,
            width,
            channels,
            ..
        } = node.dims;
        for user in self.graph.users(id) {
            let mut is_read = false;
            match &self.graph.nodes[user].op {
                Op::Convolution(convolution) => {
                    let is_eight_bits = self.graph.eight_bits(convolution).is_some();
                    for term in convolution.terms.iter().filter(|term| term.input == id) {
                        border = border.union(term.spec.padding);
                        if is_eight_bits {
                            is_quanta = true;
                        } else {
                            is_operand = true;
                            let kernel = self.kernels.float;
                            overread = overread.max(term.spec.overread(kernel, channels));
                        }
                    }
                    if convolution.residual == Some(id) {
                        is_read |= is_eight_bits;
                        is_plain |= !is_eight_bits;
                    }
                }
                Op::Depthwise(depthwise) => {
                    is_plain = true;
                    plain_border = plain_border.union(depthwise.window.padding);
                }
                // The values are stored in the concatenation's own buffers.
                Op::Concat(_) => {}
                Op::Activate { .. } => is_read = !self.is_applied_on_store(user),
                _ => is_read = true,
            }
            is_quanta |= is_read && quantisation.is_some();
            is_plain |= is_read && quantisation.is_none();
        }
        if let Some(longest) = self.chains[id] {
            // The others are in its buffer.
            is_plain = longest == id;
        }
        // A buffer that others share has room for as many images as any of them.
        let members = (0..self.chains.len()).filter(|member| self.chains[*member] == Some(id));
        let batches = members.chain([id]).map(|member| self.batch_of(member));
        let batch = batches.max().unwrap_or_default();
        let plain = Layout::plain(batch, height, width, channels);
        let mut storage = Storage::default();
        if let Some(quantisation) = quantisation.filter(|_| is_quanta) {
            storage.quanta = Some(self.buffers.len());
            self.buffers.push(Planned {
                layout: Layout { border, ..plain },
                stored: Stored::U8 {
                    zero_point: quantisation.zero_point,
                },
                quantum: quantisation.quantum,
            });
        }
        let mut buffer = |layout, stored| {
            self.buffers.push(Planned {
                layout,
                stored,
                quantum: 1.0,
            });
            Some(self.buffers.len() - 1)
        };
        let dtype = self.kernels.float.dtype();
        if is_operand && dtype == DType::F32 {
            // One buffer for both.
            border = border.union(plain_border);
        }
        if is_operand {
            let layout = Layout {
                border,
                gap: Layout::gap_for(overread, batch),
                ..plain
            };
            let is_bf16 = dtype == DType::Bf16;
            storage.operand = buffer(layout, if is_bf16 { Stored::Bf16 } else { Stored::F32 });
        }
        if is_plain {
            let shared = storage.operand.filter(|_| dtype == DType::F32);
            storage.plain = shared.or_else(|| {
                let border = plain_border;
                buffer(Layout { border, ..plain }, Stored::F32)
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
}

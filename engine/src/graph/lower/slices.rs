//! Where a step stores its values, and what is done to them on the way: in its own buffers, and in those of the
//! concatenations and activations that need no step.

use std::collections::BTreeMap;

use super::{Lowering, Storage};
use crate::graph::{NodeId, Op};
use crate::microkernel::dtype::Stored;
use crate::microkernel::epilogue::{Activation, Bounds, ChannelSlice, Rounding};
use crate::program::{BufferId, Quantisation, StepOutput};

/// What is done to a value on the way to a buffer.
#[derive(Debug, Clone)]
struct Way {
    /// The buffer's channel that the first value becomes.
    offset: usize,
    /// How many channels there are.
    channels: usize,
    activation: Option<Activation>,
    bounds: Option<Bounds>,
    /// What one is, after all that.
    unit: f32,
}

impl Lowering<'_> {
    /// Whether a node is an activation that another step applies when it stores its own values.
    pub(super) fn is_applied_on_store(&self, id: NodeId) -> bool {
        let Op::Activate { input, .. } = &self.graph.nodes[id].op else {
            return false;
        };
        let is_rounded = self.graph.nodes[id].quantisation.is_some();
        match &self.graph.nodes[*input].op {
            // It may apply an activation of its own already.
            Op::Activate { .. } => false,
            // It stores its values with an epilogue of f32, which doesn't round.
            Op::Depthwise(_) => !is_rounded,
            // As that.
            Op::Convolution(convolution) => {
                !is_rounded || self.graph.eight_bits(convolution).is_some()
            }
            // It is no step: those of its parts store their channels, unless they apply one of their own already.
            Op::Concat(parts) => {
                let is_as_it_is = |part: &NodeId| {
                    let node = &self.graph.nodes[*part];
                    let is_step = !matches!(node.op, Op::Activate { .. } | Op::Concat(_));
                    is_step && self.graph.quantisation_of(*part).is_none()
                };
                let is_chained = self.chains[*input].is_some();
                !is_rounded && !is_chained && parts.iter().all(is_as_it_is)
            }
            _ => true,
        }
    }

    /// The buffers that a node's values are stored in, each once, with all slices.
    pub(super) fn outputs(&self, id: NodeId) -> Vec<StepOutput> {
        let ways = match &self.graph.nodes[id].op {
            // What is copied is the input, as it is.
            Op::Activate { activation, .. } => {
                let copied = Way {
                    unit: 1.0,
                    ..self.as_it_is(id)
                };
                self.activated(id, activation, &copied)
            }
            _ => self.ways(id, &self.as_it_is(id)),
        };
        let mut outputs: BTreeMap<BufferId, Vec<ChannelSlice>> = BTreeMap::new();
        for (buffer, way) in ways {
            let slices: &mut Vec<ChannelSlice> = outputs.entry(buffer).or_default();
            let slice = self.slice(buffer, way);
            // Concatenations that begin alike share a buffer.
            if !slices.contains(&slice) {
                slices.push(slice);
            }
        }
        let output = |(buffer, slices)| StepOutput { buffer, slices };
        outputs.into_iter().map(output).collect()
    }

    /// A node's own values. If they are rounded, they are whole numbers of quanta.
    fn as_it_is(&self, id: NodeId) -> Way {
        Way {
            offset: 0,
            channels: self.graph.nodes[id].dims.channels,
            activation: None,
            bounds: None,
            unit: self.unit(id),
        }
    }

    fn unit(&self, id: NodeId) -> f32 {
        let quantisation = self.graph.quantisation_of(id);
        quantisation.map_or(1.0, |of| of.quantum)
    }

    /// All ways of a node's values to buffers, after a first part.
    fn ways(&self, id: NodeId, first: &Way) -> Vec<(BufferId, Way)> {
        let Storage {
            plain,
            operand,
            quanta,
        } = self.storage[id];
        let operand = operand.filter(|_| operand != plain);
        let own = plain.into_iter().chain(operand).chain(quanta);
        let mut ways: Vec<(BufferId, Way)> = own.map(|buffer| (buffer, first.clone())).collect();
        for user in self.graph.users(id) {
            match &self.graph.nodes[user].op {
                Op::Concat(parts) => {
                    let mut offset = first.offset;
                    for part in parts {
                        if *part == id {
                            let first = Way {
                                offset,
                                ..first.clone()
                            };
                            ways.extend(self.ways(user, &first));
                        }
                        offset += self.graph.nodes[*part].dims.channels;
                    }
                }
                Op::Activate { activation, .. } if self.is_applied_on_store(user) => {
                    ways.extend(self.activated(user, activation, first));
                }
                _ => {}
            }
        }
        ways
    }

    /// All ways of an activation's values to buffers, from the values before it: all of its channels, or those of a part of
    /// a concatenation.
    fn activated(&self, id: NodeId, activation: &Activation, before: &Way) -> Vec<(BufferId, Way)> {
        let quantisation = self.graph.quantisation_of(id);
        let own = self.unit(id);
        let (offset, channels) = (before.offset, before.channels);
        let of_part = |values: &[f32], factor| times(&values[offset..][..channels], factor);
        let first = Way {
            offset,
            channels,
            activation: Some(Activation {
                scale: of_part(&activation.scale, before.unit / own),
                shift: of_part(&activation.shift, 1.0 / own),
                relu: activation.relu,
            }),
            bounds: quantisation.map(Quantisation::bounds),
            unit: own,
        };
        self.ways(id, &first)
    }

    /// The slice of a buffer that a way leads to, in the buffer's unit.
    fn slice(&self, buffer: BufferId, way: Way) -> ChannelSlice {
        let Way {
            offset,
            mut activation,
            bounds,
            unit,
            ..
        } = way;
        let planned = self.buffers[buffer];
        let factor = unit / planned.quantum;
        let rounding = bounds.map(|bounds| Rounding { bounds, factor });
        // A store in eight bits rounds by itself.
        let is_stored_so = |rounding: &Rounding| {
            matches!(planned.stored, Stored::U8 { zero_point }
                if factor == 1.0 && rounding.bounds == Bounds::of(zero_point))
        };
        if rounding.is_none() && factor != 1.0 {
            let channels = planned.layout.channels;
            let plain = Activation {
                scale: vec![1.0; channels],
                shift: vec![0.0; channels],
                relu: false,
            };
            let mut scaled = activation.unwrap_or(plain);
            scaled.scale = times(&scaled.scale, factor);
            scaled.shift = times(&scaled.shift, factor);
            activation = Some(scaled);
        }
        ChannelSlice {
            offset,
            activation,
            rounding: rounding.filter(|rounding| !is_stored_so(rounding)),
        }
    }
}

fn times(values: &[f32], factor: f32) -> Vec<f32> {
    values.iter().map(|value| value * factor).collect()
}

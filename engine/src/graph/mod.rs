//! A part of a network as this engine sees it, and what of it can be done in one go.
//!
//! Nodes stand in an order in which each comes after those it needs. The simplifications keep what is
//! computed, up to rounding, and leave fewer passes over memory: a scale and shift becomes part of the
//! convolution before it, a sum of convolutions is one with several inputs, and another sum part of the
//! convolution that computes one of its terms; and of what is pooled, all but the greatest values are never
//! written.

use tract_onnx::prelude::OutletId;

use crate::convolution::layout::Border;
use crate::convolution::{Shape, can_pool};
use crate::microkernel::epilogue::Activation;

/// The position of a node.
pub(crate) type Id = usize;

/// Images of a batch: how many, and their rows, columns and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

/// What a pooling makes of the values of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    Max,
    Sum,
    /// Their mean; with the padding's zeros, or without.
    Mean {
        counts_padding: bool,
    },
}

/// The window of a pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) size: [usize; 2],
    pub(crate) strides: [usize; 2],
    pub(crate) padding: Border,
}

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// An input of the whole, by its number.
    Input(usize),
    Convolution(Box<Convolve>),
    /// A scale and shift of each channel, and perhaps a ReLU.
    Activate {
        input: Id,
        activation: Activation,
    },
    Add {
        left: Id,
        right: Id,
    },
    Pool {
        input: Id,
        pooling: Pooling,
        window: Window,
    },
    /// Channels of several, one after the other.
    Concat(Vec<Id>),
    /// Became part of another.
    Gone,
}

/// Where the weights of a convolution are in tract's model: they may be large, and are read when they are
/// packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weights {
    pub(crate) outlet: OutletId,
    /// Whether they are `[input channels][channels]`, and not `[channels][input channels][rows][columns]`.
    pub(crate) turned: bool,
}

/// A convolution, or a sum of some, and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Convolve {
    /// What is added up: of one size each, and but for a single one, not pooled.
    pub(crate) terms: Vec<Term>,
    pub(crate) bias: Vec<f32>,
    /// What is added to it, where it was pooled.
    pub(crate) residual: Option<Id>,
    /// Whether negative values become zero then.
    pub(crate) relu: bool,
}

/// A convolution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) input: Id,
    pub(crate) shape: Shape,
    pub(crate) weights: Weights,
    /// What the weights of each channel are multiplied with.
    pub(crate) scale: Vec<f32>,
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) work: Work,
    pub(crate) size: Size,
}

/// The nodes, and which of them are wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) outputs: Vec<Id>,
}

impl Convolve {
    /// Whether only the greatest values of windows are kept.
    fn is_pooled(&self) -> bool {
        self.terms.iter().any(|term| term.shape.pooling != [1, 1])
    }
}

impl Work {
    /// The nodes that it needs.
    pub(crate) fn inputs(&self) -> Vec<Id> {
        match self {
            Self::Input(_) | Self::Gone => Vec::new(),
            Self::Convolution(convolve) => {
                let inputs = convolve.terms.iter().map(|term| term.input);
                inputs.chain(convolve.residual).collect()
            }
            Self::Activate { input, .. } | Self::Pool { input, .. } => vec![*input],
            Self::Add { left, right } => vec![*left, *right],
            Self::Concat(inputs) => inputs.clone(),
        }
    }
}

impl Graph {
    /// Adds a node and returns its position.
    pub(crate) fn push(&mut self, work: Work, size: Size) -> Id {
        self.nodes.push(Node { work, size });
        self.nodes.len() - 1
    }

    /// The nodes that need a node.
    pub(crate) fn users(&self, id: Id) -> Vec<Id> {
        let uses = |node: &Node| node.work.inputs().contains(&id);
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| uses(node))
            .map(|(user, _)| user)
            .collect()
    }

    /// Whether one node alone needs this one, once.
    fn is_of_one(&self, id: Id) -> bool {
        let inputs = self.nodes.iter().flat_map(|node| node.work.inputs());
        !self.outputs.contains(&id) && inputs.filter(|input| *input == id).count() == 1
    }

    /// Does what can be done in one go in one go.
    pub(crate) fn simplify(&mut self) {
        for id in 0..self.nodes.len() {
            self.merge_activations(id);
            self.activate_in_convolution(id);
            self.add_in_convolution(id);
            self.pool_in_convolution(id);
        }
    }

    /// A scale and shift after another, between which no ReLU is, are one.
    fn merge_activations(&mut self, id: Id) {
        let Work::Activate { input, activation } = &self.nodes[id].work else {
            return;
        };
        let before = *input;
        let Work::Activate {
            input,
            activation: first,
        } = &self.nodes[before].work
        else {
            return;
        };
        if first.relu || !self.is_of_one(before) {
            return;
        }
        let (input, mut both) = (*input, activation.clone());
        for channel in 0..both.scale.len() {
            both.shift[channel] += both.scale[channel] * first.shift[channel];
            both.scale[channel] *= first.scale[channel];
        }
        self.nodes[id].work = Work::Activate {
            input,
            activation: both,
        };
        self.nodes[before].work = Work::Gone;
    }

    /// A convolution whose values are only wanted scaled and shifted has other weights. One that pools
    /// keeps them where a scale is negative: the greatest value would be the smallest.
    fn activate_in_convolution(&mut self, id: Id) {
        let Work::Activate { input, activation } = &self.nodes[id].work else {
            return;
        };
        let before = *input;
        let Work::Convolution(convolve) = &self.nodes[before].work else {
            return;
        };
        if convolve.relu || !self.is_of_one(before) {
            return;
        }
        let scales = activation
            .scale
            .iter()
            .any(|scale| scale.to_bits() != 1.0_f32.to_bits());
        if convolve.residual.is_some() && scales {
            return;
        }
        let keeps_order = activation.scale.iter().all(|scale| *scale >= 0.0);
        if convolve.is_pooled() && !keeps_order {
            return;
        }
        let mut convolve = convolve.clone();
        for (channel, scale) in activation.scale.iter().enumerate() {
            for term in &mut convolve.terms {
                term.scale[channel] *= scale;
            }
            convolve.bias[channel] = convolve.bias[channel] * scale + activation.shift[channel];
        }
        convolve.relu = activation.relu;
        self.nodes[id].work = Work::Convolution(convolve);
        self.nodes[before].work = Work::Gone;
    }

    /// A convolution whose values are only wanted added to others adds them itself.
    fn add_in_convolution(&mut self, id: Id) {
        let Work::Add { left, right } = self.nodes[id].work else {
            return;
        };
        // The later one, so that what it adds is there.
        let (later, other) = (left.max(right), left.min(right));
        for (one, other) in [(later, other), (other, later)] {
            if let Work::Convolution(convolve) = &self.nodes[one].work
                && !convolve.relu
                && convolve.residual.is_none()
                && one != other
                && self.is_of_one(one)
            {
                let mut convolve = convolve.clone();
                if let Some(added) = self.as_terms(other, &convolve) {
                    convolve.terms.extend(added.terms);
                    for (bias, added) in convolve.bias.iter_mut().zip(added.bias) {
                        *bias += added;
                    }
                    convolve.residual = added.residual;
                    self.nodes[other].work = Work::Gone;
                } else {
                    convolve.residual = Some(other);
                }
                self.nodes[id].work = Work::Convolution(convolve);
                self.nodes[one].work = Work::Gone;
                return;
            }
        }
    }

    /// A convolution whose values are only wanted added to those of another, if both can be added up as they
    /// are.
    fn as_terms(&self, id: Id, to: &Convolve) -> Option<Convolve> {
        let Work::Convolution(convolve) = &self.nodes[id].work else {
            return None;
        };
        let is_plain = !convolve.relu && !convolve.is_pooled() && !to.is_pooled();
        (is_plain && self.is_of_one(id)).then(|| (**convolve).clone())
    }

    /// A convolution of which only the greatest values of windows side by side are wanted keeps no others.
    fn pool_in_convolution(&mut self, id: Id) {
        let Work::Pool {
            input: before,
            pooling: Pooling::Max,
            window,
        } = self.nodes[id].work
        else {
            return;
        };
        let Work::Convolution(convolve) = &self.nodes[before].work else {
            return;
        };
        let side_by_side = window.size == window.strides && window.padding == Border::default();
        let is_plain = convolve.residual.is_none() && !convolve.is_pooled();
        let is_single = convolve.terms.len() == 1;
        if side_by_side && can_pool(window.size) && is_plain && is_single && self.is_of_one(before)
        {
            let mut convolve = convolve.clone();
            convolve.terms[0].shape.pooling = window.size;
            self.nodes[id].work = Work::Convolution(convolve);
            self.nodes[before].work = Work::Gone;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        batch: 1,
        height: 2,
        width: 2,
        channels: 1,
    };

    fn convolution(input: Id) -> Work {
        let term = Term {
            input,
            shape: Shape {
                window: [1, 1],
                strides: [1, 1],
                padding: Border::default(),
                channels: 1,
                pooling: [1, 1],
            },
            weights: Weights {
                outlet: OutletId::new(0, 0),
                turned: false,
            },
            scale: vec![1.0],
        };
        Work::Convolution(Box::new(Convolve {
            terms: vec![term],
            bias: vec![1.0],
            residual: None,
            relu: false,
        }))
    }

    fn activate(input: Id, scale: f32, shift: f32, relu: bool) -> Work {
        Work::Activate {
            input,
            activation: Activation {
                scale: vec![scale],
                shift: vec![shift],
                relu,
            },
        }
    }

    fn of(graph: &Graph, id: Id) -> &Convolve {
        match &graph.nodes[id].work {
            Work::Convolution(convolve) => convolve,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scale_shift_and_relu_become_part_of_the_convolution() {
        let mut graph = Graph::default();
        let x = graph.push(Work::Input(0), SIZE);
        let y = graph.push(convolution(x), SIZE);
        let y = graph.push(activate(y, 2.0, 0.0, false), SIZE);
        let y = graph.push(activate(y, 1.0, 0.5, false), SIZE);
        let y = graph.push(activate(y, 1.0, 0.0, true), SIZE);
        graph.outputs.push(y);
        graph.simplify();
        let convolve = of(&graph, y);
        assert_eq!(
            (convolve.terms[0].scale[0], convolve.bias[0], convolve.relu),
            (2.0, 2.5, true)
        );
        assert_eq!(convolve.terms[0].input, x);
    }

    #[test]
    fn a_sum_becomes_part_of_the_later_convolution() {
        let mut graph = Graph::default();
        let x = graph.push(Work::Input(0), SIZE);
        let a = graph.push(convolution(x), SIZE);
        let b = graph.push(convolution(x), SIZE);
        let sum = graph.push(Work::Add { left: b, right: a }, SIZE);
        // Batch normalisation of the sum, which is wanted itself as well.
        let y = graph.push(activate(sum, 2.0, 0.0, true), SIZE);
        // And what is added is wanted as well.
        graph.outputs.extend([a, sum, y]);
        graph.simplify();
        assert_eq!(of(&graph, sum).residual, Some(a));
        assert_eq!(of(&graph, a).residual, None);
        assert_eq!(graph.nodes[b].work, Work::Gone);
        assert!(matches!(graph.nodes[y].work, Work::Activate { .. }));
    }

    #[test]
    fn convolutions_that_are_only_added_up_are_one() {
        let mut graph = Graph::default();
        let (image, other) = (
            graph.push(Work::Input(0), SIZE),
            graph.push(Work::Input(1), SIZE),
        );
        let one = graph.push(convolution(image), SIZE);
        let two = graph.push(convolution(other), SIZE);
        let sum = graph.push(
            Work::Add {
                left: one,
                right: two,
            },
            SIZE,
        );
        let sum = graph.push(
            Work::Add {
                left: image,
                right: sum,
            },
            SIZE,
        );
        let output = graph.push(activate(sum, 1.0, 0.5, true), SIZE);
        graph.outputs.push(output);
        graph.simplify();
        let convolve = of(&graph, output);
        let inputs: Vec<Id> = convolve.terms.iter().map(|term| term.input).collect();
        assert_eq!(inputs, [other, image]);
        assert_eq!((convolve.bias[0], convolve.residual), (2.5, Some(image)));
        assert!(convolve.relu);
        // One that is rectified is not what it was added up to.
        let third = graph.push(convolution(other), SIZE);
        let last = graph.push(
            Work::Add {
                left: output,
                right: third,
            },
            SIZE,
        );
        graph.outputs = vec![last];
        graph.simplify();
        let convolve = of(&graph, last);
        assert_eq!((convolve.terms.len(), convolve.residual), (1, Some(output)));
    }

    fn pool(input: Id, size: [usize; 2], strides: [usize; 2], padding: Border) -> Work {
        let window = Window {
            size,
            strides,
            padding,
        };
        Work::Pool {
            input,
            pooling: Pooling::Max,
            window,
        }
    }

    #[test]
    fn a_pooling_with_windows_side_by_side_becomes_part_of_the_convolution() {
        let mut graph = Graph::default();
        let x = graph.push(Work::Input(0), SIZE);
        let y = graph.push(convolution(x), SIZE);
        let y = graph.push(activate(y, -2.0, 0.0, true), SIZE);
        let y = graph.push(pool(y, [2, 1], [2, 1], Border::default()), SIZE);
        graph.outputs.push(y);
        graph.simplify();
        let convolve = of(&graph, y);
        assert_eq!(convolve.terms[0].shape.pooling, [2, 1]);
        assert_eq!((convolve.terms[0].scale[0], convolve.relu), (-2.0, true));
        // A second one would need values that are no longer there.
        let z = graph.push(pool(y, [2, 2], [2, 2], Border::default()), SIZE);
        graph.outputs = vec![z];
        graph.simplify();
        assert!(matches!(graph.nodes[z].work, Work::Pool { .. }));
    }

    #[test]
    fn other_poolings_stay() {
        let padded = Border {
            bottom: 1,
            ..Border::default()
        };
        let others = [
            pool(1, [3, 3], [2, 2], Border::default()),
            pool(1, [2, 2], [2, 2], padded),
            // No block of pixels is of whole windows.
            pool(1, [3, 3], [3, 3], Border::default()),
            Work::Pool {
                input: 1,
                pooling: Pooling::Mean {
                    counts_padding: false,
                },
                window: Window {
                    size: [2, 2],
                    strides: [2, 2],
                    padding: Border::default(),
                },
            },
        ];
        for other in others {
            let mut graph = Graph::default();
            let x = graph.push(Work::Input(0), SIZE);
            graph.push(convolution(x), SIZE);
            let y = graph.push(other, SIZE);
            graph.outputs.push(y);
            let before = graph.clone();
            graph.simplify();
            assert_eq!(graph, before);
        }
    }

    #[test]
    fn a_convolution_that_pools_takes_what_keeps_the_order() {
        for (scale, is_part) in [(2.0, true), (-2.0, false)] {
            let mut graph = Graph::default();
            let x = graph.push(Work::Input(0), SIZE);
            let other = graph.push(convolution(x), SIZE);
            let y = graph.push(convolution(x), SIZE);
            let y = graph.push(pool(y, [2, 2], [2, 2], Border::default()), SIZE);
            let y = graph.push(activate(y, scale, 0.0, false), SIZE);
            let sum = graph.push(
                Work::Add {
                    left: other,
                    right: y,
                },
                SIZE,
            );
            graph.outputs.extend([other, sum]);
            graph.simplify();
            assert_eq!(graph.nodes[y].work == Work::Gone, is_part);
            let pooling = of(&graph, if is_part { sum } else { y - 1 });
            assert_eq!(pooling.terms[0].shape.pooling, [2, 2]);
            assert_eq!(pooling.residual, is_part.then_some(other));
        }
    }

    #[test]
    fn what_is_wanted_as_it_is_stays() {
        let mut graph = Graph::default();
        let x = graph.push(Work::Input(0), SIZE);
        let y = graph.push(convolution(x), SIZE);
        let z = graph.push(activate(y, 2.0, 0.0, true), SIZE);
        let pooled = graph.push(pool(y, [2, 2], [2, 2], Border::default()), SIZE);
        graph.outputs.extend([y, z, pooled]);
        let before = graph.clone();
        graph.simplify();
        assert_eq!(graph, before);
        let twice = graph.push(Work::Add { left: y, right: y }, SIZE);
        graph.outputs = vec![twice];
        graph.simplify();
        assert!(matches!(graph.nodes[twice].work, Work::Add { .. }));
    }
}

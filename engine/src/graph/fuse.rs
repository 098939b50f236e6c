//! Fusion: what one pass over memory can do becomes one node. What is computed stays the same, up to rounding.
//!
//! | before | after |
//! |---|---|
//! | activation of an activation without ReLU | one activation |
//! | activation of a convolution | other weights and bias, and perhaps ReLU in the epilogue |
//! | sum of two convolutions | one convolution with two terms |
//! | sum of a convolution and anything else | a residual in the epilogue |
//! | max pooling, side by side, of a convolution | pooling in the epilogue; most values are never written |
//! | every so many pixels of every so many pixels | one such step |
//! | convolution with a window of one pixel, of every so many pixels | a convolution with strides |
//!
//! A node can be fused into the one that uses it only where nothing else needs its values.

use super::{FusedConvolution, Graph, NodeId, Op};
use crate::convolution::can_pool;
use crate::convolution::layout::Border;
use crate::program::pool::Pooling;

impl Graph {
    /// Fuses all that can be fused.
    pub(crate) fn fuse(&mut self) {
        // Topological order: when a node's turn comes, its inputs are fused already.
        for id in 0..self.nodes.len() {
            self.skip_at_once(id);
            self.skip_by_strides(id);
            self.merge_activations(id);
            self.fold_activation(id);
            self.fuse_sum(id);
            self.fuse_pooling(id);
        }
    }

    /// The input and strides of a node that only skips pixels, if a single node needs it.
    fn skipping(&self, id: NodeId) -> Option<(NodeId, [usize; 2])> {
        match &self.nodes[id].op {
            Op::Pool { input, window, .. } if window.skips() && self.has_single_use(id) => {
                Some((*input, window.strides))
            }
            _ => None,
        }
    }

    /// Merges a step that only skips pixels into the one after it.
    fn skip_at_once(&mut self, id: NodeId) {
        let Op::Pool {
            input: before,
            window,
            ..
        } = self.nodes[id].op
        else {
            return;
        };
        let Some((first, [down, across])) = self.skipping(before).filter(|_| window.skips()) else {
            return;
        };
        if let Op::Pool { input, window, .. } = &mut self.nodes[id].op {
            *input = first;
            window.strides = [down * window.strides[0], across * window.strides[1]];
        }
        self.nodes[before].op = Op::Fused;
    }

    /// Has a convolution whose window is one pixel skip pixels itself.
    fn skip_by_strides(&mut self, id: NodeId) {
        let Op::Convolution(convolution) = &self.nodes[id].op else {
            return;
        };
        let [term] = convolution.terms.as_slice() else {
            return;
        };
        let before = term.input;
        let is_pixel = term.spec.window == [1, 1] && term.spec.padding == Border::default();
        let Some((input, [down, across])) = self.skipping(before).filter(|_| is_pixel) else {
            return;
        };
        if let Op::Convolution(convolution) = &mut self.nodes[id].op {
            let term = &mut convolution.terms[0];
            term.input = input;
            term.spec.strides = [down * term.spec.strides[0], across * term.spec.strides[1]];
        }
        self.nodes[before].op = Op::Fused;
    }

    /// Merges a scale and shift into the one after it, where no ReLU is between them.
    fn merge_activations(&mut self, id: NodeId) {
        let Op::Activate { input, activation } = &self.nodes[id].op else {
            return;
        };
        let before = *input;
        let Op::Activate {
            input,
            activation: first,
        } = &self.nodes[before].op
        else {
            return;
        };
        if first.relu || !self.has_single_use(before) {
            return;
        }
        let (input, mut both) = (*input, activation.clone());
        for channel in 0..both.scale.len() {
            both.shift[channel] += both.scale[channel] * first.shift[channel];
            both.scale[channel] *= first.scale[channel];
        }
        self.nodes[id].op = Op::Activate {
            input,
            activation: both,
        };
        self.nodes[before].op = Op::Fused;
    }

    /// Folds a scale and shift into the weights and bias of the convolution before it.
    fn fold_activation(&mut self, id: NodeId) {
        let Op::Activate { input, activation } = &self.nodes[id].op else {
            return;
        };
        let before = *input;
        let Op::Convolution(convolution) = &self.nodes[before].op else {
            return;
        };
        if convolution.relu || !self.has_single_use(before) {
            return;
        }
        // A residual is not multiplied with the weights, so it can't be scaled by them.
        let scales = activation
            .scale
            .iter()
            .any(|scale| scale.to_bits() != 1.0_f32.to_bits());
        if convolution.residual.is_some() && scales {
            return;
        }
        // A negative scale would turn the greatest value of a pooling window into the smallest.
        let keeps_order = activation.scale.iter().all(|scale| *scale >= 0.0);
        if convolution.is_pooled() && !keeps_order {
            return;
        }
        let mut convolution = convolution.clone();
        for (channel, scale) in activation.scale.iter().enumerate() {
            for term in &mut convolution.terms {
                term.scale[channel] *= scale;
            }
            convolution.bias[channel] =
                convolution.bias[channel] * scale + activation.shift[channel];
        }
        convolution.relu = activation.relu;
        self.nodes[id].op = Op::Convolution(convolution);
        self.nodes[before].op = Op::Fused;
    }

    /// Fuses a sum into a convolution that is one of its operands.
    fn fuse_sum(&mut self, id: NodeId) {
        let Op::Add { left, right } = self.nodes[id].op else {
            return;
        };
        // The later one first: when it runs, the other operand is there.
        let (later, other) = (left.max(right), left.min(right));
        for (one, other) in [(later, other), (other, later)] {
            if let Op::Convolution(convolution) = &self.nodes[one].op
                && !convolution.relu
                && convolution.residual.is_none()
                && one != other
                && self.has_single_use(one)
            {
                let mut convolution = convolution.clone();
                if let Some(added) = self.as_terms(other, &convolution) {
                    convolution.terms.extend(added.terms);
                    for (bias, added) in convolution.bias.iter_mut().zip(added.bias) {
                        *bias += added;
                    }
                    convolution.residual = added.residual;
                    self.nodes[other].op = Op::Fused;
                } else {
                    convolution.residual = Some(other);
                }
                self.nodes[id].op = Op::Convolution(convolution);
                self.nodes[one].op = Op::Fused;
                return;
            }
        }
    }

    /// A copy of a convolution whose terms can become terms of another one, `to`; `None` if they can't.
    fn as_terms(&self, id: NodeId, to: &FusedConvolution) -> Option<FusedConvolution> {
        let Op::Convolution(convolution) = &self.nodes[id].op else {
            return None;
        };
        // All that happens between the products and the sum must be linear.
        let is_plain = !convolution.relu && !convolution.is_pooled() && !to.is_pooled();
        (is_plain && self.has_single_use(id)).then(|| (**convolution).clone())
    }

    /// Fuses a max pooling, whose windows are side by side, into the convolution before it.
    fn fuse_pooling(&mut self, id: NodeId) {
        let Op::Pool {
            input: before,
            pooling: Pooling::Max,
            window,
        } = self.nodes[id].op
        else {
            return;
        };
        let Op::Convolution(convolution) = &self.nodes[before].op else {
            return;
        };
        let side_by_side = window.size == window.strides && window.padding == Border::default();
        let is_plain = convolution.residual.is_none() && !convolution.is_pooled();
        let is_single = convolution.terms.len() == 1;
        if side_by_side
            && can_pool(window.size)
            && is_plain
            && is_single
            && self.has_single_use(before)
        {
            let mut convolution = convolution.clone();
            convolution.terms[0].spec.pooling = window.size;
            self.nodes[id].op = Op::Convolution(convolution);
            self.nodes[before].op = Op::Fused;
        }
    }
}

//! Fusion: what one pass over memory can do becomes one node. What is computed stays the same, up to rounding.
//!
//! | before | after |
//! |---|---|
//! | activation of an activation without ReLU | one activation |
//! | activation of a convolution | other weights and bias, and perhaps ReLU in the epilogue |
//! | sum of two convolutions | one convolution with two terms |
//! | sum of a convolution and anything else | a residual in the epilogue |
//! | activation or function of a concatenation of convolutions | the same of each of them |
//! | function of a convolution, depthwise or not | the function in the epilogue |
//! | max pooling, side by side, of a convolution | pooling in the epilogue; most values are never written |
//! | every so many pixels of every so many pixels | one such step |
//! | convolution with a window of one pixel, of every so many pixels | a convolution with strides |
//!
//! | values that are rounded to eight bits | the same values, rounded by the node that computes them |
//!
//! A node can be fused into the one that uses it only where nothing else needs its values. What is rounded stays so:
//! nothing is fused across.

use super::{FusedConvolution, Graph, Node, NodeId, Op};
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
            self.fold_into_depthwise(id);
            self.fold_into_parts(id);
            self.fuse_limit(id);
            self.fuse_function(id);
            self.fuse_sum(id);
            self.fuse_pooling(id);
            self.fuse_quantisation(id);
        }
    }

    /// The input and strides of a node that only skips pixels, if a single node needs it.
    fn skipping(&self, id: NodeId) -> Option<(NodeId, [usize; 2])> {
        match &self.nodes[id].op {
            Op::Pool { input, window, .. } if window.skips() && self.has_single_use(id) => {
                let own = self.nodes[id].quantisation;
                let is_rounded = own.is_some() && own != self.quantisation_of(*input);
                (!is_rounded).then_some((*input, window.strides))
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
        let is_rounded = self.nodes[before].quantisation.is_some();
        if first.relu || is_rounded || !self.has_single_use(before) {
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
        let is_rounded = self.nodes[before].quantisation.is_some();
        let is_linear = !convolution.relu && convolution.function.is_none();
        if !is_linear || is_rounded || !self.has_single_use(before) {
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
        // Nor is the sum of a rounded one and a residual shifted by its bias.
        if convolution.rounding.is_some() && activation.shift.iter().any(|shift| *shift != 0.0) {
            return;
        }
        // A negative scale would turn the greatest value of a pooling window into the smallest.
        let keeps_order = activation.scale.iter().all(|scale| *scale >= 0.0);
        if convolution.is_pooled() && !keeps_order {
            return;
        }
        let mut convolution = convolution.clone();
        convolution.fold(&activation.scale, &activation.shift);
        convolution.relu = activation.relu;
        // Sums of f32 are rounded by a step of its own.
        if self.nodes[id].quantisation.is_some() && self.eight_bits(&convolution).is_none() {
            return;
        }
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
                && convolution.function.is_none()
                && convolution.residual.is_none()
                && one != other
                && self.has_single_use(one)
            {
                let quantisation = self.nodes[one].quantisation;
                let is_eight_bits = self.eight_bits(convolution).is_some();
                // What is of eight bits has no sign for what is not a number, so nothing else is added to it.
                if (quantisation.is_some() || is_eight_bits)
                    && !(is_eight_bits && self.quantisation_of(other).is_some())
                {
                    continue;
                }
                let mut convolution = convolution.clone();
                convolution.rounding = quantisation;
                let added = self.as_terms(other, &convolution);
                if let Some(added) = added.filter(|_| !is_eight_bits) {
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
        let is_plain = !convolution.relu && convolution.function.is_none();
        let is_plain = is_plain && !convolution.is_pooled() && !to.is_pooled();
        let is_plain = is_plain
            && self.nodes[id].quantisation.is_none()
            && self.eight_bits(convolution).is_none();
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
        let is_plain = convolution.residual.is_none()
            && convolution.function.is_none()
            && !convolution.is_pooled();
        let is_single = convolution.terms.len() == 1;
        // Bytes are pooled as sums, before they are scaled.
        let keeps_order = self.eight_bits(convolution).is_none()
            || convolution.terms[0].scale.iter().all(|scale| *scale >= 0.0);
        if side_by_side
            && keeps_order
            && can_pool(window.size)
            && is_plain
            && is_single
            && self.has_single_use(before)
        {
            let mut convolution = convolution.clone();
            convolution.terms[0].spec.pooling = window.size;
            self.nodes[id].op = Op::Convolution(convolution);
            self.nodes[id].quantisation = self.nodes[before].quantisation;
            self.nodes[before].op = Op::Fused;
        }
    }

    /// Has the node that computes values round them.
    fn fuse_quantisation(&mut self, id: NodeId) {
        let Node {
            op: Op::Activate { input, activation },
            quantisation: Some(quantisation),
            ..
        } = &self.nodes[id]
        else {
            return;
        };
        let before = *input;
        if !activation.is_identity() || !self.has_single_use(before) {
            return;
        }
        let is_rounded_so = self.quantisation_of(before) == Some(*quantisation);
        let can_round = match &self.nodes[before].op {
            Op::Convolution(convolution) => self.eight_bits(convolution).is_some(),
            Op::Input(_)
            | Op::Activate { .. }
            | Op::Function { .. }
            | Op::LayerNorm { .. }
            | Op::Add { .. }
            | Op::Multiply { .. }
            | Op::Pool { .. } => true,
            Op::Depthwise(_) | Op::Concat(_) | Op::Slice { .. } | Op::Fused => false,
        };
        if is_rounded_so || can_round && self.nodes[before].quantisation.is_none() {
            self.nodes[id].op = std::mem::replace(&mut self.nodes[before].op, Op::Fused);
        }
    }
}

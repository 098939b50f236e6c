//! Fusion of functions of single values, and of what follows a depthwise convolution.

use super::{Graph, NodeId, Op};
use crate::microkernel::epilogue::function::Function;

impl Graph {
    /// Has the convolution before a function apply it.
    pub(super) fn fuse_function(&mut self, id: NodeId) {
        let Op::Function { input, function } = &self.nodes[id].op else {
            return;
        };
        let (input, function) = (*input, function.clone());
        if self.nodes[id].quantisation.is_some() || !self.can_take(input) {
            return;
        }
        let mut op = self.nodes[input].op.clone();
        let place = match &mut op {
            // Sums of whole numbers have an epilogue of their own.
            Op::Convolution(convolution) if self.eight_bits(convolution).is_none() => {
                &mut convolution.function
            }
            Op::Depthwise(depthwise) => &mut depthwise.function,
            _ => return,
        };
        let Some(both) = after(place.as_ref(), function) else {
            return;
        };
        *place = Some(both);
        self.nodes[id].op = op;
        self.nodes[input].op = Op::Fused;
    }

    /// Has the convolution before a ReLU apply it, where that has a limit already.
    pub(super) fn fuse_limit(&mut self, id: NodeId) {
        let Op::Activate { input, activation } = &self.nodes[id].op else {
            return;
        };
        let (input, is_relu) = (*input, activation.relu && activation.is_linear_identity());
        if !is_relu || self.nodes[id].quantisation.is_some() || !self.can_take(input) {
            return;
        }
        let mut op = self.nodes[input].op.clone();
        let place = match &mut op {
            Op::Convolution(convolution) => &mut convolution.function,
            Op::Depthwise(depthwise) => &mut depthwise.function,
            _ => return,
        };
        let relu = Function::Limit {
            least: 0.0,
            most: f32::INFINITY,
        };
        let Some(both) = place.as_ref().and_then(|first| after(Some(first), relu)) else {
            return;
        };
        *place = Some(both);
        self.nodes[id].op = op;
        self.nodes[input].op = Op::Fused;
    }

    /// Folds a scale and shift into the weights and bias of the depthwise convolution before it.
    pub(super) fn fold_into_depthwise(&mut self, id: NodeId) {
        let Op::Activate { input, activation } = &self.nodes[id].op else {
            return;
        };
        let before = *input;
        let Op::Depthwise(depthwise) = &self.nodes[before].op else {
            return;
        };
        let is_linear = !depthwise.relu && depthwise.function.is_none();
        if !is_linear || self.nodes[id].quantisation.is_some() || !self.can_take(before) {
            return;
        }
        let mut depthwise = depthwise.clone();
        for (channel, scale) in activation.scale.iter().enumerate() {
            depthwise.scale[channel] *= scale;
            depthwise.bias[channel] = depthwise.bias[channel] * scale + activation.shift[channel];
        }
        depthwise.relu = activation.relu;
        self.nodes[id].op = Op::Depthwise(depthwise);
        self.nodes[before].op = Op::Fused;
    }

    /// Has the convolutions before a concatenation apply what follows it, each to its own channels.
    pub(super) fn fold_into_parts(&mut self, id: NodeId) {
        let Some(concat) = self.before_parts(id) else {
            return;
        };
        let Op::Concat(parts) = self.nodes[concat].op.clone() else {
            return;
        };
        let mut changed = Vec::new();
        let mut first = 0;
        for part in &parts {
            let Op::Convolution(convolution) = &self.nodes[*part].op else {
                return;
            };
            let is_linear = !convolution.relu && convolution.function.is_none();
            if !is_linear
                || !self.can_take(*part)
                || convolution.residual.is_some()
                || convolution.is_pooled()
                || self.eight_bits(convolution).is_some()
            {
                return;
            }
            let mut convolution = convolution.clone();
            let channels = first..first + convolution.bias.len();
            first = channels.end;
            match &self.nodes[id].op {
                Op::Activate { activation, .. } => {
                    let scale = &activation.scale[channels.clone()];
                    convolution.fold(scale, &activation.shift[channels]);
                    convolution.relu = activation.relu;
                }
                Op::Function { function, .. } => {
                    convolution.function = Some(function.of_channels(channels));
                }
                _ => return,
            }
            changed.push(Op::Convolution(convolution));
        }
        for (part, op) in parts.iter().zip(changed) {
            self.nodes[*part].op = op;
        }
        self.nodes[id].op = Op::Concat(parts);
        self.nodes[concat].op = Op::Fused;
    }

    /// The concatenation whose values a node alone needs, if nothing is rounded.
    fn before_parts(&self, id: NodeId) -> Option<NodeId> {
        let (Op::Activate { input, .. } | Op::Function { input, .. }) = &self.nodes[id].op else {
            return None;
        };
        let is_exact = self.nodes[id].quantisation.is_none() && self.can_take(*input);
        is_exact.then_some(*input)
    }

    /// Whether a node can become part of the only one that needs it: its values are not rounded.
    fn can_take(&self, id: NodeId) -> bool {
        self.nodes[id].quantisation.is_none() && self.has_single_use(id)
    }
}

/// What two functions are together; `None` if that is none of ours.
fn after(first: Option<&Function>, second: Function) -> Option<Function> {
    let Some(first) = first else {
        return Some(second);
    };
    match (first, second) {
        (
            Function::Limit { least, most },
            Function::Limit {
                least: second_least,
                most: second_most,
            },
        ) => {
            // The second has the last word, even where the first is apart from it.
            let limit = |value: &f32| value.max(second_least).min(second_most);
            Some(Function::Limit {
                least: limit(least),
                most: limit(most),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_limits_are_one() {
        let limit = |least, most| Function::Limit { least, most };
        let infinity = f32::INFINITY;
        for (first, second) in [
            (limit(-infinity, 6.0), limit(0.0, infinity)),
            (limit(0.0, infinity), limit(-infinity, 6.0)),
            (limit(-1.0, 1.0), limit(2.0, 3.0)),
            (limit(2.0, 3.0), limit(-1.0, 1.0)),
            (limit(-1.0, 2.0), limit(0.0, 3.0)),
        ] {
            let mut expected = [-9.0, -0.5, 0.5, 1.5, 2.5, 4.0, 7.0];
            let mut found = expected;
            first.apply(0, &mut expected);
            second.apply(0, &mut expected);
            let both = after(Some(&first), second.clone()).unwrap();
            both.apply(0, &mut found);
            assert_eq!(found, expected, "{first:?}, then {second:?}");
        }
    }

    #[test]
    fn a_smooth_function_stays_alone() {
        let limit = Function::Limit {
            least: 0.0,
            most: 1.0,
        };
        assert_eq!(after(Some(&Function::Silu), limit.clone()), None);
        assert_eq!(after(Some(&limit), Function::Silu), None);
        assert_eq!(after(None, Function::Silu), Some(Function::Silu));
    }
}

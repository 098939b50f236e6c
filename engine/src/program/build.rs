//! What a program is made with: values that share a buffer, and the offsets of pixels.

use std::collections::HashMap;
use std::sync::Arc;

use super::buffers::Buffers;
use super::{Action, BufferId, Program, Step};
use crate::convolution::layout::{Dims, Layout};
use crate::microkernel::Unit;
use crate::microkernel::aligned::AlignedVec;
use crate::microkernel::dtype::Stored;

impl Program {
    /// Makes a program of steps, of which the first `by_image` are run image by image. The buffers that the
    /// steps and the outputs name are positions in `buffers`; those with several users at different times are
    /// shared here.
    pub(crate) fn new(
        mut steps: Vec<Step>,
        by_image: usize,
        batch: usize,
        buffers: &[(Layout, Stored)],
        weights: AlignedVec<Unit>,
        mut outputs: Vec<(Dims, BufferId)>,
    ) -> Self {
        let buffers = Buffers::new(&share(&mut steps, &mut outputs, buffers));
        for step in &mut steps {
            step.buffers = step.reads().into_iter().chain(step.writes()).collect();
            step.buffers.sort_unstable();
            step.buffers.dedup();
        }
        let mut of_layouts: HashMap<Layout, Arc<[usize]>> = HashMap::new();
        let pixel_offsets = buffers
            .layouts()
            .map(|layout| {
                let offsets = of_layouts.entry(*layout);
                Arc::clone(offsets.or_insert_with(|| layout.pixel_offsets().collect()))
            })
            .collect();
        Self {
            steps,
            by_image,
            batch,
            buffers,
            weights,
            outputs,
            pixel_offsets,
        }
    }
}

/// Lets values of one layout share a buffer, where one is no longer needed when the other is computed.
/// Renames the buffers in steps and outputs, and returns those that are left.
fn share(
    steps: &mut [Step],
    outputs: &mut [(Dims, BufferId)],
    buffers: &[(Layout, Stored)],
) -> Vec<(Layout, Stored)> {
    let mut last_use = vec![0; buffers.len()];
    let mut first_use = vec![usize::MAX; buffers.len()];
    for (number, step) in steps.iter().enumerate() {
        for buffer in step.reads().into_iter().chain(step.writes()) {
            last_use[buffer] = number;
            first_use[buffer] = first_use[buffer].min(number);
        }
    }
    for (_, buffer) in &*outputs {
        last_use[*buffer] = usize::MAX;
    }
    let mut shared: Vec<(Layout, Stored)> = Vec::new();
    let mut free_after: Vec<usize> = Vec::new();
    let mut renamed = vec![0; buffers.len()];
    let mut order: Vec<BufferId> = (0..buffers.len()).collect();
    order.sort_by_key(|buffer| first_use[*buffer]);
    for buffer in order {
        let wanted = buffers[buffer];
        let is_free = |at: &usize| shared[*at] == wanted && free_after[*at] < first_use[buffer];
        let at = (0..shared.len()).find(is_free).unwrap_or_else(|| {
            shared.push(wanted);
            free_after.push(0);
            shared.len() - 1
        });
        free_after[at] = last_use[buffer];
        renamed[buffer] = at;
    }
    for step in steps {
        step.rename(&renamed);
    }
    for (_, buffer) in outputs {
        *buffer = renamed[*buffer];
    }
    shared
}

impl Step {
    fn rename(&mut self, names: &[BufferId]) {
        match &mut self.action {
            Action::Load(_) => {}
            Action::Convolution {
                inputs, residual, ..
            } => {
                for input in inputs {
                    *input = names[*input];
                }
                *residual = residual.map(|residual| names[residual]);
            }
            Action::Depthwise { input, .. } => *input = names[*input],
            Action::ElementWise {
                input, residual, ..
            } => {
                *input = names[*input];
                *residual = residual.map(|residual| names[residual]);
            }
            Action::Copy(input)
            | Action::Function(input, _)
            | Action::LayerNorm(input, _)
            | Action::Slice(input, _)
            | Action::Pool { input, .. } => input.buffer = names[input.buffer],
            Action::Add(left, right) | Action::Multiply(left, right) => {
                left.buffer = names[left.buffer];
                right.buffer = names[right.buffer];
            }
        }
        for output in &mut self.outputs {
            output.buffer = names[output.buffer];
        }
    }
}

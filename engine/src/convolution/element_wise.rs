//! What follows a convolution, of values that are there already: activations, functions and sums by the epilogue of a
//! kernel, whose vectors do more at once than plain loops.

use super::Scratch;
use super::layout::{Border, Layout};
use crate::microkernel::Kernel;
use crate::microkernel::dtype::TypedSlice;
use crate::microkernel::epilogue::{Accumulators, ChannelBlock, Epilogue, PoolGroups};

/// All kernels' vectors have as many values, or a part of them.
const LANES: usize = 16;

/// A pass over a buffer of f32 without a border.
#[derive(Debug, Clone)]
pub(crate) struct ElementWise {
    kernel: Kernel,
    // The pixels of an image.
    area: usize,
    // How many channels of each pixel are taken, from the first on.
    channels: usize,
    // One, with all channels that a pixel has in the buffer.
    block: ChannelBlock,
    // Zero for each of them.
    bias: Vec<f32>,
    // None.
    pooling: PoolGroups,
}

impl ElementWise {
    /// Prepares a pass over the first `channels` channels of all pixels; `None` if they are not side by side, or not in
    /// whole vectors.
    pub(crate) fn new(kernel: Kernel, input: &Layout, channels: usize) -> Option<Self> {
        let columns = input.channels;
        let is_whole = columns.is_multiple_of(LANES) && columns > 0;
        let is_dense = input.border == Border::default() && input.gap == 0;
        (is_whole && is_dense).then(|| Self {
            kernel,
            area: input.height * input.width,
            channels,
            block: ChannelBlock { first: 0, columns },
            bias: vec![0.0; columns],
            pooling: PoolGroups::none(),
        })
    }

    /// Applies an epilogue to all pixels of the first `images` images.
    pub(crate) fn run(
        &self,
        images: usize,
        input: TypedSlice<'_>,
        scratch: &mut Scratch,
        epilogue: &mut Epilogue<'_>,
    ) {
        let TypedSlice::F32(input) = input else {
            unreachable!("what is not multiplied is stored as f32")
        };
        let columns = self.block.columns;
        scratch.row.grow(columns);
        let mut accumulators = Accumulators {
            pixels: 0..images * self.area,
            pooling: &self.pooling,
            blocks: &[self.block],
            mc: images * self.area,
            sums: input,
            channels: self.channels,
            row: &mut scratch.row[..columns],
            bias: &self.bias,
            rescaling: None,
        };
        self.kernel.epilogue(&mut accumulators, epilogue);
    }
}

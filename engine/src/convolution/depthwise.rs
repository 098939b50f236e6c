//! A convolution of which each channel has a window of its own: output channel `c` is computed of input channel `c`.
//!
//! It reads f32 whatever the kernel multiplies elsewhere, since it is no product of matrices: tiles can't compute it, and
//! pairs of bf16 would have to be of one channel.

use super::Scratch;
use super::layout::{Border, Layout};
use crate::microkernel::Kernel;
use crate::microkernel::aligned::AlignedVec;
use crate::microkernel::depthwise::DepthwiseSums;
use crate::microkernel::dtype::TypedSlice;
use crate::microkernel::epilogue::{Accumulators, ChannelBlock, Epilogue, PoolGroups};

/// The most sums that are kept before the epilogue: 32 KiB.
const SUMS: usize = 1 << 13;

/// A depthwise convolution, ready to run on a buffer of a fixed layout.
#[derive(Debug, Clone)]
pub(crate) struct Depthwise {
    kernel: Kernel,
    channels: usize,
    // The pixels of an image, and of a group.
    area: usize,
    mc: usize,
    // Where the window of each pixel begins, and how far its taps are behind that.
    windows: Vec<usize>,
    taps: Vec<usize>,
    // One, with all channels.
    block: ChannelBlock,
    // `[tap][column]`
    weights: AlignedVec<f32>,
    bias: Vec<f32>,
    // None.
    pooling: PoolGroups,
}

impl Depthwise {
    /// Prepares a convolution with windows of some size (rows, columns), strides and padding, for inputs of a layout.
    ///
    /// # Panics
    ///
    /// Panics if the input's border is too narrow.
    pub(crate) fn new(
        kernel: Kernel,
        size: [usize; 2],
        strides: [usize; 2],
        padding: Border,
        input: &Layout,
        bias: &[f32],
    ) -> Self {
        let border = input.border;
        assert_eq!(border.union(padding), border, "the border is too narrow");
        let rows = padding.top + input.height + padding.bottom;
        let columns = padding.left + input.width + padding.right;
        let output = [
            (rows - size[0]) / strides[0] + 1,
            (columns - size[1]) / strides[1] + 1,
        ];
        let mut windows = Vec::new();
        for image in 0..input.batch {
            for row in 0..output[0] {
                for column in 0..output[1] {
                    let row = border.top - padding.top + row * strides[0];
                    let column = border.left - padding.left + column * strides[1];
                    windows.push(input.offset(image, row, column));
                }
            }
        }
        let corner = input.offset(0, 0, 0);
        let taps = (0..size[0])
            .flat_map(|row| (0..size[1]).map(move |column| input.offset(0, row, column) - corner));
        let columns = input.channels.next_multiple_of(kernel.nr_step());
        let mut padded = bias.to_vec();
        padded.resize(columns, 0.0);
        let mut weights = AlignedVec::default();
        weights.grow(size[0] * size[1] * columns);
        Self {
            kernel,
            channels: input.channels,
            area: output[0] * output[1],
            mc: (SUMS / columns).clamp(1, 48),
            windows,
            taps: taps.collect(),
            block: ChannelBlock { first: 0, columns },
            weights,
            bias: padded,
            pooling: PoolGroups::none(),
        }
    }

    /// Packs the weights, `[channels][rows][columns]`, each times the scale of its channel.
    pub(crate) fn pack(&mut self, weights: &[f32], scale: &[f32]) {
        let taps = self.taps.len();
        assert_eq!(weights.len(), taps * self.channels, "weights of another");
        for (channel, (weights, scale)) in weights.chunks(taps).zip(scale).enumerate() {
            for (tap, weight) in weights.iter().enumerate() {
                self.weights[tap * self.block.columns + channel] = weight * scale;
            }
        }
    }

    /// Computes all pixels and channels of the first `images` images.
    pub(crate) fn run(
        &self,
        images: usize,
        input: TypedSlice<'_>,
        scratch: &mut Scratch,
        epilogue: &mut Epilogue<'_>,
    ) {
        let TypedSlice::F32(input) = input else {
            unreachable!("what is read by channels is stored as f32")
        };
        let columns = self.block.columns;
        scratch.sums.grow(self.mc * columns);
        scratch.row.grow(columns);
        let end = images * self.area;
        for first in (0..end).step_by(self.mc) {
            let pixels = first..(first + self.mc).min(end);
            self.kernel.depthwise(&mut DepthwiseSums {
                input,
                windows: &self.windows[pixels.clone()],
                taps: &self.taps,
                columns,
                weights: &self.weights,
                sums: &mut scratch.sums,
            });
            let mut accumulators = Accumulators {
                pixels,
                pooling: &self.pooling,
                blocks: &[self.block],
                mc: self.mc,
                sums: &scratch.sums,
                channels: self.channels,
                row: &mut scratch.row[..columns],
                bias: &self.bias,
                rescaling: None,
            };
            self.kernel.epilogue(&mut accumulators, epilogue);
        }
    }
}

#[cfg(test)]
mod tests;

//! What becomes of sums: pooling, bias, residual and ReLU, and then each place where the values go.
//!
//! It is done pixel by pixel, for many channels at once: what is read and written lies side by side then,
//! and the processor fetches it before it is asked for. Channels of one block alone would be small pieces
//! far apart, for each of which it waits.

use std::ops::Range;

use tract_onnx::prelude::TVec;

use crate::convolution::{Block, Pooled};
use crate::microkernel::epilogue::{Output, raise, rectify};

/// What is done to a sum on its way to the output, besides adding the bias.
#[derive(Debug, Default)]
pub(crate) struct Finish<'a> {
    /// Values to add, and where each pixel's are.
    pub(crate) residual: Option<(&'a [f32], &'a [usize])>,
    /// Whether negative values become zero.
    pub(crate) relu: bool,
    /// Where the values go.
    pub(crate) outputs: TVec<Output<'a>>,
}

/// Sums of some pixels and channels, of which everything has been added up.
#[derive(Debug)]
pub(crate) struct Finished<'a> {
    /// Pixels of the output.
    pub(crate) pixels: Range<usize>,
    /// Which sums there are for one of them.
    pub(crate) pooled: &'a Pooled,
    /// The channels.
    pub(crate) blocks: &'a [Block],
    /// Of each block `[pixels][columns]`, at every `spacing` times its columns.
    pub(crate) sums: &'a [f32],
    pub(crate) spacing: usize,
    /// How many channels there are; the last block may have more columns.
    pub(crate) channels: usize,
    /// A number for each column.
    pub(crate) bias: &'a [f32],
    /// Room for a value of each column.
    pub(crate) row: &'a mut [f32],
}

impl Finished<'_> {
    /// The first channel.
    pub(crate) fn first(&self) -> usize {
        self.blocks[0].first
    }

    /// The sums of a block from the first one for a pixel of the output on.
    pub(crate) fn of_block(&self, pixel: usize, block: &Block) -> &[f32] {
        let of_block = (block.first - self.first()) * self.spacing;
        &self.sums[of_block + self.pooled.first(pixel) * block.columns..]
    }

    /// Brings them to where they belong, as plainly as can be.
    pub(crate) fn deliver(&mut self, finish: &mut Finish<'_>) {
        let row = std::mem::take(&mut self.row);
        for (number, pixel) in self.pixels.clone().enumerate() {
            for block in self.blocks {
                let sums = self.of_block(number, block);
                let row = &mut row[block.first - self.first()..][..block.columns];
                row.copy_from_slice(&sums[..block.columns]);
                // The greatest of the sums gives the greatest value: bias and ReLU keep their order.
                for other in &self.pooled.others {
                    raise(row, &sums[other * block.columns..]);
                }
            }
            let row = &mut row[..self.channels];
            for (value, bias) in row.iter_mut().zip(self.bias) {
                *value += bias;
            }
            if let Some((residual, starts)) = finish.residual {
                let residual = &residual[starts[pixel] + self.first()..];
                for (value, residual) in row.iter_mut().zip(residual) {
                    *value += residual;
                }
            }
            if finish.relu {
                rectify(row);
            }
            for output in &mut finish.outputs {
                output.put(pixel, self.first(), row);
            }
        }
    }
}

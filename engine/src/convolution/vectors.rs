//! A convolution by a kernel of vectors, which reads the input where it is.

use super::pack::units;
use super::{Convolution, Finish, Scratch};
use crate::convolution::layout::Numbers;
use crate::microkernel::Tiles;

/// How many pixels are computed before the next ones are, of many weights and of few.
pub(super) const PIXELS: [usize; 2] = [240, 48];

/// How many units of input are multiplied before the next pixels are: with 48 channels, their weights
/// are 72 KiB.
pub(super) const UNITS: usize = 384;

/// How many sums lie in the cache before they are put away, at most: 256 KiB.
pub(super) const SUMS: usize = 1 << 16;

impl Convolution {
    /// Computes all pixels and channels.
    pub(super) fn run_in_place(
        &self,
        weights: &[f32],
        inputs: &[Numbers<'_>],
        scratch: &mut Scratch,
        finish: &mut Finish<'_>,
    ) {
        // What the kernels rely on.
        let rows = self.kernel.rows();
        for (term, input) in self.terms.iter().zip(inputs) {
            assert!(term.end <= input.bytes() && term.order.pixels.len().is_multiple_of(rows));
        }
        assert!(self.group.is_multiple_of(rows));
        for (group, pixels) in self.groups() {
            for (first, blocks) in self.blocks_together() {
                for (number, block) in blocks.iter().enumerate() {
                    let columns = block.columns;
                    let sums = &mut scratch.sums[(block.first - blocks[0].first) * self.group..];
                    assert!(sums.len() >= pixels.len() * columns);
                    let mut adds = false;
                    for (term, part, runs) in self.parts() {
                        let (input, term) = (inputs[term], &self.terms[term]);
                        let weights = &weights[term.packing.offset(first + number, part)..];
                        let (weights, next) = weights.split_at(units(runs, self.kernel) * columns);
                        // While these are in use, as many as these are fetched of those behind them.
                        let next = &next[..next.len().min(weights.len())];
                        let tiles = Tiles {
                            input: input.as_ptr(),
                            pixels: &term.order.pixels[pixels.clone()],
                            runs,
                            weights: weights.as_ptr(),
                            columns,
                            next: if self.is_heavy { next } else { &[] },
                            sums: sums.as_mut_ptr(),
                            adds,
                        };
                        // SAFETY: `new` saw that the processor supports the kernel. The furthest byte of the
                        // furthest pixel's furthest run is `end`, which lies in the input; the weights have
                        // as many units as the part, and the sums as much room as the pixels need: both are
                        // slices of that length.
                        #[allow(unsafe_code, reason = "the kernels take pointers")]
                        unsafe {
                            self.kernel.run(&tiles);
                        }
                        adds = true;
                    }
                }
                self.finish(group, pixels.len(), blocks, scratch, finish);
            }
        }
    }
}

//! The loop nests around the microkernels. Blocks are chosen so that what is used again is still in a cache:
//!
//! ```text
//!   by vectors                                     by tiles (AMX)
//!
//!   for each mc pixels                             for each mc pixels
//!     for each nc channels                           for each nc channels
//!       for each block of nr channels                  for each k block
//!         for each k block          B: L2                copy windows, if need be     A: L2
//!           for each mr pixels                           for each block of nr         B: L1
//!             the microkernel       C: registers           for each two tiles
//!       the epilogue                C: L2                    the microkernel          C: registers
//!                                                      the epilogue                   C: L2
//! ```
//!
//! Vectors read the input where it is, so each block of channels goes through all of its k before the next: its
//! sums stay near. Tiles multiply so fast that copying the windows would cost as much, so each copy is used for
//! all channels before the next one is made.

use super::pack::padded_k;
use super::{Convolution, Scratch};
use crate::microkernel::Unit;
use crate::microkernel::dtype::TypedSlice;
use crate::microkernel::epilogue::Epilogue;
use crate::microkernel::gemm::{Segment, TileGemm, VectorGemm};
use crate::microkernel::tile_registers::{K_STEP, MR, NR, SIDE, TileRegisters};

/// `mc` by vectors, for convolutions with many weights and with few.
pub(super) const VECTOR_MC: [usize; 2] = [240, 96];

/// `kc` by vectors, in units: with 48 channels, the weights of a k block are 72 KiB.
pub(super) const VECTOR_KC: usize = 384;

/// The most sums that are kept before the epilogue, by vectors: 256 KiB. It determines `nc`.
pub(super) const VECTOR_SUMS: usize = 1 << 16;

/// `mc` by tiles. With fewer pixels, the weights would come from the second-level cache too often.
pub(super) const TILE_MC: usize = 256;

/// `kc` by tiles, in units, for convolutions with many weights and with few: with 32 channels, the weights of a k block
/// are 24 or 36 KiB; 256 windows of the first are 208 KiB. Sums are loaded and stored once for each k block.
pub(super) const TILE_KC: [usize; 2] = [192, 288];

/// The most sums that are kept before the epilogue, by tiles: 1 MiB. It determines `nc`.
pub(super) const TILE_SUMS: usize = 1 << 18;

const _: () = assert!(
    TILE_MC.is_multiple_of(MR)
        && TILE_KC[0].is_multiple_of(K_STEP)
        && TILE_KC[1].is_multiple_of(K_STEP)
);

/// Whether pooling windows of `pixels` pixels fill groups of `mc` pixels, whatever the kernel.
pub(super) fn fill_groups(pixels: usize) -> bool {
    let divides = |mc: &usize| mc.is_multiple_of(pixels);
    VECTOR_MC.iter().chain([&TILE_MC]).all(divides)
}

impl Convolution {
    /// Computes all pixels and channels by vectors.
    pub(super) fn run_vectors(
        &self,
        images: usize,
        weights: &[Unit],
        inputs: &[TypedSlice<'_>],
        scratch: &mut Scratch,
        epilogue: &mut Epilogue<'_>,
    ) {
        // The microkernels rely on all of these.
        let mr = self.kernel.mr();
        assert!(!self.kernel.is_of_tiles() && self.kernel.is_supported());
        for (term, input) in self.terms.iter().zip(inputs) {
            assert!(term.end <= input.bytes() && term.order.windows.len().is_multiple_of(mr));
        }
        assert!(self.mc.is_multiple_of(mr));
        for (group, pixels) in self.pixel_groups(images) {
            for (first, blocks) in self.block_groups() {
                for (number, block) in blocks.iter().enumerate() {
                    let columns = block.columns;
                    let sums = &mut scratch.sums[(block.first - blocks[0].first) * self.mc..];
                    assert!(sums.len() >= pixels.len() * columns);
                    let mut accumulate = false;
                    for (term, k_block, segments) in self.k_blocks() {
                        let (input, term) = (inputs[term], &self.terms[term]);
                        let weights = &weights[term.packing.offset(first + number, k_block)..];
                        let schedule = term.packing.schedule(first + number, k_block);
                        let steps = if self.kernel.has_schedule() {
                            schedule.offsets.len()
                        } else {
                            padded_k(segments, self.kernel)
                        };
                        let (weights, next) = weights.split_at(steps * columns);
                        // As many of the weights that follow are prefetched while these are used.
                        let next = &next[..next.len().min(weights.len())];
                        let gemm = VectorGemm {
                            input: input.as_ptr(),
                            pixels: &term.order.windows[pixels.clone()],
                            segments,
                            schedule,
                            weights: weights.as_ptr(),
                            columns,
                            next: if self.is_heavy { next } else { &[] },
                            sums: sums.as_mut_ptr(),
                            accumulate,
                        };
                        // SAFETY: checked above: the processor supports the kernel; the furthest byte of any
                        // pixel's segments, `term.end`, lies in the input; the sums have room for all pixels
                        // and columns, and are borrowed exclusively. `weights` has just been split off with
                        // `columns` units for each unit of the segments, or each step of the schedule, which
                        // `schedule::arrange` made of the same segments. `columns` is that of a block that
                        // `pack::channel_blocks` made for this kernel.
                        #[allow(unsafe_code, reason = "the kernels take pointers")]
                        unsafe {
                            self.kernel.multiply(&gemm);
                        }
                        accumulate = true;
                    }
                }
                self.apply_epilogue(images, group, pixels.len(), blocks, scratch, epilogue);
            }
        }
    }

    /// Computes all pixels and channels by tiles.
    ///
    /// ```text
    ///                  k block 1     k block 2
    ///                 .-------------.-------------.
    ///  mc pixels,     | window's    |             |   the panel of a k block stays in the second-level
    ///  a panel for    | numbers 0 0 |             |   cache while all channels pass; it is copied once,
    ///  each k block   '-------------'-------------'   and filled up with zeros
    /// ```
    ///
    /// Where windows are equally far apart, no panel is needed: tiles are loaded from the input.
    pub(super) fn run_tiles(
        &self,
        images: usize,
        weights: &[Unit],
        inputs: &[TypedSlice<'_>],
        scratch: &mut Scratch,
        epilogue: &mut Epilogue<'_>,
    ) {
        let registers = TileRegisters::configure();
        let Scratch { panels, tiles, .. } = scratch;
        let (mut panels, mut tiles) = (std::mem::take(panels), std::mem::take(tiles));
        for (group, pixels) in self.pixel_groups(images) {
            for (first, blocks) in self.block_groups() {
                let mut accumulate = false;
                for (term, k_block, segments) in self.k_blocks() {
                    let (input, term) = (inputs[term], &self.terms[term]);
                    let windows = &term.order.windows[pixels.clone()];
                    let k_units = padded_k(segments, self.kernel);
                    let copied = [Segment { offset: 0, k_units }];
                    let (inputs, stride, segments) = if let Some(stride) = term.order.stride {
                        tiles.clear();
                        tiles.extend(windows.iter().step_by(SIDE));
                        (input, stride, segments)
                    } else {
                        let (panel, stride) = panels.copy(input, windows, segments, k_units);
                        tiles.clear();
                        tiles.extend((0..windows.len()).step_by(SIDE).map(|row| row * stride));
                        (panel, stride, copied.as_slice())
                    };
                    for (number, block) in blocks.iter().enumerate() {
                        let sums = &mut scratch.sums[(block.first - blocks[0].first) * self.mc..];
                        let weights = &weights[term.packing.offset(first + number, k_block)..];
                        let (weights, next) = weights.split_at(k_units * NR);
                        registers.multiply(&mut TileGemm {
                            inputs,
                            tiles: &tiles,
                            stride,
                            segments,
                            weights,
                            next: if self.is_heavy { next } else { &[] },
                            sums: &mut sums[..windows.len() * NR],
                            accumulate,
                        });
                    }
                    accumulate = true;
                }
                self.apply_epilogue(images, group, pixels.len(), blocks, scratch, epilogue);
            }
        }
        (scratch.panels, scratch.tiles) = (panels, tiles);
    }
}

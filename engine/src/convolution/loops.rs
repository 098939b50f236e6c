//! A convolution by tiles, whose rows are equally far apart: where the pixels' windows are that, they are read
//! where they lie; else they are copied.
//!
//! ```text
//!                   part 1        part 2
//!                 .-------------.-------------.
//!  256 pixels,    | window's    |             |   the panel of a part, at most 208 KiB, stays in the
//!  a panel a part | bf16   0 0  |             |   second-level cache while all channels pass; it
//!                 '-------------'-------------'   is copied once, and filled up with zeros
//! ```
//!
//! A part's products are added for many channels before the next part is copied, so there are sums for as
//! many: a weight is loaded from far away once for 256 pixels, however large the window. Of a block's
//! part, the weights stay in the first-level cache while all pixels pass.

use super::pack::units;
use super::{Convolution, Finish, Scratch};
use crate::convolution::layout::Numbers;
use crate::microkernel::Run;
use crate::microkernel::tile::{COLUMNS, DEPTH, Panel, ROWS, Registers, SIDE};

/// How many pixels are computed before the next ones are, of many weights and of few.
pub(super) const PIXELS: [usize; 2] = [256, 64];

/// How many units of input are multiplied before the next pixels are: with 32 channels, their weights
/// are 24 KiB.
pub(super) const UNITS: usize = 192;

/// How many sums lie in the cache before they are put away, at most: 1 MiB.
pub(super) const SUMS: usize = 1 << 18;

/// How many bf16 are copied at once, and how many more than wanted at most.
const COPIED: usize = 32;

const _: () = assert!(
    PIXELS[0].is_multiple_of(ROWS) && PIXELS[1].is_multiple_of(ROWS) && UNITS.is_multiple_of(DEPTH)
);

impl Convolution {
    /// Computes all pixels and channels.
    pub(super) fn run_on_panels(
        &self,
        weights: &[f32],
        inputs: &[Numbers<'_>],
        scratch: &mut Scratch,
        finish: &mut Finish<'_>,
    ) {
        let tiles = Registers::begin();
        let Scratch {
            panel,
            tiles: starts,
            ..
        } = scratch;
        let (mut panel, mut starts) = (std::mem::take(panel), std::mem::take(starts));
        for (group, pixels) in self.groups() {
            for (first, blocks) in self.blocks_together() {
                let mut adds = false;
                for (term, part, runs) in self.parts() {
                    let Numbers::Bf16(input) = inputs[term] else {
                        unreachable!("what tiles multiply is bf16")
                    };
                    let term = &self.terms[term];
                    let pixels = &term.order.pixels[pixels.clone()];
                    let units = units(runs, self.kernel);
                    let copied = [Run { offset: 0, units }];
                    let (inputs, stride, runs) = if let Some(stride) = term.order.stride {
                        starts.clear();
                        starts.extend(pixels.iter().step_by(SIDE));
                        (input, stride, runs)
                    } else {
                        let stride = stride(units);
                        panel.grow(pixels.len() * stride + COPIED);
                        for (row, pixel) in pixels.iter().enumerate() {
                            let row = &mut panel[row * stride..][..2 * units + COPIED];
                            copy(row, input, *pixel, runs);
                        }
                        let stride = size_of::<u16>() * stride;
                        starts.clear();
                        starts.extend((0..pixels.len()).step_by(SIDE).map(|row| row * stride));
                        (&*panel, stride, copied.as_slice())
                    };
                    for (number, block) in blocks.iter().enumerate() {
                        let sums =
                            &mut scratch.sums[(block.first - blocks[0].first) * self.group..];
                        let weights = &weights[term.packing.offset(first + number, part)..];
                        let (weights, next) = weights.split_at(units * COLUMNS);
                        tiles.multiply(&mut Panel {
                            inputs,
                            tiles: &starts,
                            stride,
                            runs,
                            weights,
                            next: if self.is_heavy { next } else { &[] },
                            sums: &mut sums[..pixels.len() * COLUMNS],
                            adds,
                        });
                    }
                    adds = true;
                }
                self.finish(group, pixels.len(), blocks, scratch, finish);
            }
        }
        (scratch.panel, scratch.tiles) = (panel, starts);
    }
}

/// How many bf16 it is from one pixel of a panel to the next: an odd number of cache lines, so that the
/// rows of a tile are in different sets of the cache.
fn stride(units: usize) -> usize {
    ((units / DEPTH) | 1) * DEPTH * 2
}

/// Copies the runs of the window that begins at this byte, and zeros to the end. Of what is copied at once,
/// what was too much is overwritten by the next.
fn copy(row: &mut [u16], input: &[u16], pixel: usize, runs: &[Run]) {
    let mut end = 0;
    for run in runs {
        let byte = pixel + run.offset;
        let (first, numbers) = (byte / size_of::<u16>(), 2 * run.units);
        if let Some(input) = input.get(first..first + numbers.next_multiple_of(COPIED)) {
            let (pieces, _) = input.as_chunks::<COPIED>();
            for (number, piece) in pieces.iter().enumerate() {
                row[end + number * COPIED..][..COPIED].copy_from_slice(piece);
            }
        } else {
            row[end..][..numbers].copy_from_slice(&input[first..][..numbers]);
        }
        end += numbers;
    }
    row[end..].fill(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_copied_run_by_run_and_filled_up() {
        let input: Vec<u16> = (0..200).collect();
        let runs = [(8, 3), (40, 16)].map(|(offset, units)| Run { offset, units });
        let mut row = vec![u16::MAX; 64 + COPIED];
        copy(&mut row, &input, 100, &runs);
        assert_eq!(row[..6], input[54..60]);
        assert_eq!(row[6..38], input[70..102]);
        assert_eq!(row[38..], [0; 96 - 38]);
        // Where nothing is left to copy too much of.
        copy(&mut row, &input[..102], 100, &runs);
        assert_eq!(row[6..38], input[70..102]);
        assert_eq!(row[38..], [0; 96 - 38]);
    }
}

//! A convolution by tiles, whose rows are equally far apart: the windows are copied.
//!
//! ```text
//!                   part 1        part 2
//!                 .-------------.-------------.
//!  256 pixels,    | window's    |             |   the panel of a part, at most 400 KiB, stays in the
//!  a panel a part | bf16   0 0  |             |   second-level cache while all channels pass; it
//!                 '-------------'-------------'   is copied once, and filled up with zeros
//! ```
//!
//! A part's products are added for all channels before the next part is copied, so there are sums for all
//! channels: a weight is loaded from far away once for 256 pixels, however large the window.

use super::{Convolution, Finish, Scratch, UNITS};
use crate::kernel::tiles::{COLUMNS, DEPTH, Panel, ROWS};
use crate::kernel::{Kernel, Run};

/// How many pixels are computed before the next ones are.
pub(super) const PIXELS: usize = 256;

const _: () = assert!(PIXELS.is_multiple_of(ROWS) && UNITS.is_multiple_of(DEPTH));

impl Convolution {
    /// Computes all pixels and channels.
    pub(super) fn run_on_panels(
        &self,
        input: &[u16],
        scratch: &mut Scratch,
        finish: &mut Finish<'_>,
    ) {
        let blocks = self.output.channels.div_ceil(COLUMNS);
        let of_block = self.weights.len() / blocks;
        scratch.sums.resize(blocks * PIXELS * COLUMNS);
        for (group, pixels) in self.pixels.chunks(PIXELS).enumerate() {
            let mut done = 0;
            for (number, runs) in self.parts.iter().enumerate() {
                let stride = stride(runs);
                scratch.panel.resize(pixels.len() * stride);
                let rows = scratch.panel.chunks_exact_mut(stride);
                for (row, pixel) in rows.zip(pixels) {
                    copy(row, input, *pixel, runs);
                }
                let units = units(runs);
                for block in 0..blocks {
                    let sums = &mut scratch.sums[block * PIXELS * COLUMNS..];
                    let sums = &mut sums[..pixels.len() * COLUMNS];
                    Kernel::multiply(&mut Panel {
                        inputs: &scratch.panel,
                        stride,
                        weights: &self.weights[block * of_block + done * COLUMNS..]
                            [..units * COLUMNS],
                        sums,
                        adds: number > 0,
                    });
                    if number + 1 == self.parts.len() {
                        let computed = group * PIXELS..(group + 1) * PIXELS;
                        self.finish(computed, [block * COLUMNS, COLUMNS], sums, finish);
                    }
                }
                done += units;
            }
        }
    }
}

/// The units of a part, in whole steps.
fn units(runs: &[Run]) -> usize {
    let units: usize = runs.iter().map(|run| run.units).sum();
    units.next_multiple_of(DEPTH)
}

/// How many bf16 it is from one pixel of a panel to the next: an odd number of cache lines, so that the
/// rows of a tile are in different sets of the cache.
fn stride(runs: &[Run]) -> usize {
    ((units(runs) / DEPTH) | 1) * DEPTH * 2
}

/// Copies the runs of the window that begins at this byte, and zeros to the end.
fn copy(row: &mut [u16], input: &[u16], pixel: usize, runs: &[Run]) {
    let mut end = 0;
    for run in runs {
        let (first, numbers) = (pixel + run.offset, 2 * run.units);
        row[end..][..numbers].copy_from_slice(&input[first / 2..][..numbers]);
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
        let mut row = vec![u16::MAX; stride(&runs)];
        copy(&mut row, &input, 100, &runs);
        assert_eq!(row[..6], input[54..60]);
        assert_eq!(row[6..38], input[70..102]);
        assert_eq!(row[38..], [0; 96 - 38]);
    }
}

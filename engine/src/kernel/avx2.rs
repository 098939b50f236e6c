//! 256-bit vectors with fused multiply-add: 6 pixels by 16 channels, 12 sums in registers; 8 channels where
//! there aren't as many.

#![allow(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::{
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};

use super::Tile;
use crate::convolution::{Finish, Finished};

const ROWS: usize = 6;
const LANES: usize = 8;

/// Sums of products of f32, for so many vectors of channels.
///
/// # Safety
///
/// See [`Kernel::run`](super::Kernel::run).
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn f32<const VECTORS: usize>(tile: &Tile<'_>) {
    // SAFETY: the caller's promise covers each address: `pixels[row] + run.offset + 4 * unit` of the
    // input for units of the run, `columns` weights a unit, and `ROWS` by `columns` sums.
    unsafe {
        let columns = VECTORS * LANES;
        let mut sums = [[_mm256_setzero_ps(); VECTORS]; ROWS];
        if tile.adds {
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    let from = tile.sums.add(row * columns + vector * LANES);
                    sums[row][vector] = _mm256_loadu_ps(from);
                }
            }
        }
        let pixels: &[usize; ROWS] = &*tile.pixels.as_ptr().cast();
        let mut weights = tile.weights;
        for run in tile.runs {
            let mut inputs = [tile.input.cast::<f32>(); ROWS];
            for row in 0..ROWS {
                inputs[row] = tile.input.add(pixels[row] + run.offset).cast();
            }
            for unit in 0..run.units {
                let mut of_channels = [_mm256_setzero_ps(); VECTORS];
                for vector in 0..VECTORS {
                    of_channels[vector] = _mm256_loadu_ps(weights.add(vector * LANES));
                }
                weights = weights.add(columns);
                for row in 0..ROWS {
                    let value = _mm256_set1_ps(inputs[row].add(unit).read_unaligned());
                    for vector in 0..VECTORS {
                        sums[row][vector] =
                            _mm256_fmadd_ps(of_channels[vector], value, sums[row][vector]);
                    }
                }
            }
        }
        for row in 0..ROWS {
            for vector in 0..VECTORS {
                let to = tile.sums.add(row * columns + vector * LANES);
                _mm256_storeu_ps(to, sums[row][vector]);
            }
        }
    }
}

/// [`Finished::deliver`] with these instructions.
#[target_feature(enable = "avx2,fma")]
pub(super) fn finish(sums: &Finished<'_>, finish: &mut Finish<'_>) {
    sums.deliver(finish);
}

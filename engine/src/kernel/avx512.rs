//! 512-bit vectors: 8 pixels by 48 channels, 24 sums in registers; 32 or 16 channels where there aren't
//! as many.
//!
//! Each unit of input is spread over a vector once and multiplied with three vectors of weights, so that
//! 24 multiplications need 11 loads.

#![allow(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::{
    __m512, __m512bh, _mm512_castsi512_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};
use std::mem::transmute;

use super::Tile;
use crate::convolution::{Finish, Finished};

const ROWS: usize = 8;
const LANES: usize = 16;

macro_rules! spread_f32 {
    ($from:expr) => {
        _mm512_set1_ps($from.read_unaligned())
    };
}

macro_rules! spread_pair {
    ($from:expr) => {
        _mm512_castsi512_ps(_mm512_set1_epi32($from.cast::<i32>().read_unaligned()))
    };
}

/// A kernel for so many vectors of channels, with `spread` to fill a vector with one unit of input, and
/// `multiply` to multiply and add. No closures: only what stands in a function with these features itself
/// is sure to become their instructions.
macro_rules! kernel {
    ($(#[$about:meta])* $name:ident, $features:literal,
     $spread:ident, |$sum:ident, $weight:ident, $value:ident| $multiply:expr) => {
        $(#[$about])*
        ///
        /// # Safety
        ///
        /// See [`Kernel::run`](super::Kernel::run).
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name<const VECTORS: usize>(tile: &Tile<'_>) {
            // SAFETY: the caller's promise covers each address: `pixels[row] + run.offset + 4 * unit` of
            // the input for units of the run, `columns` weights a unit, and `ROWS` by `columns` sums.
            // Reinterpreted vectors are of 512 bits, all of whose values are valid.
            unsafe {
                let columns = VECTORS * LANES;
                let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
                if tile.adds {
                    for row in 0..ROWS {
                        for vector in 0..VECTORS {
                            let from = tile.sums.add(row * columns + vector * LANES);
                            sums[row][vector] = _mm512_loadu_ps(from);
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
                        let mut of_channels = [_mm512_setzero_ps(); VECTORS];
                        for vector in 0..VECTORS {
                            of_channels[vector] = _mm512_loadu_ps(weights.add(vector * LANES));
                        }
                        weights = weights.add(columns);
                        for row in 0..ROWS {
                            let $value = $spread!(inputs[row].add(unit));
                            for vector in 0..VECTORS {
                                let ($sum, $weight) = (sums[row][vector], of_channels[vector]);
                                sums[row][vector] = $multiply;
                            }
                        }
                    }
                }
                for row in 0..ROWS {
                    for vector in 0..VECTORS {
                        let to = tile.sums.add(row * columns + vector * LANES);
                        _mm512_storeu_ps(to, sums[row][vector]);
                    }
                }
            }
        }
    };
}

kernel! {
    /// Sums of products of f32.
    f32, "avx512f", spread_f32, |sum, weight, value| _mm512_fmadd_ps(weight, value, sum)
}

kernel! {
    /// Sums of products of bf16, added in f32.
    bf16, "avx512f,avx512bf16", spread_pair, |sum, weight, value| {
        _mm512_dpbf16_ps(
            sum,
            transmute::<__m512, __m512bh>(weight),
            transmute::<__m512, __m512bh>(value),
        )
    }
}

/// [`Finished::deliver`] with these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn finish(sums: &Finished<'_>, finish: &mut Finish<'_>) {
    sums.deliver(finish);
}

//! 512-bit vectors: 8 pixels by 48 channels, 24 sums in registers; 32 or 16 channels where there aren't
//! as many.
//!
//! Each unit of input is spread over a vector once and multiplied with three vectors of weights, so that
//! 24 multiplications need 11 loads.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use std::arch::x86_64::{
    __m256bh, __m256i, __m512, __m512bh, __mmask16, _CMP_UNORD_Q, _mm256_mask_storeu_epi16,
    _mm512_add_ps, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtneps_pbh, _mm512_dpbf16_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_mov_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};
use std::mem::transmute;

use super::epilogue::simd::{Vector, deliver};
use super::{Fetch, Tiles};
use crate::microkernel::epilogue::{Finish, Finished};

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
        pub(super) unsafe fn $name<const VECTORS: usize>(tiles: &Tiles<'_>) {
            // SAFETY: the caller's promise covers each address: `pixels[row] + run.offset + 4 * unit` of
            // the input for units of the run, `columns` weights a unit, and `ROWS` by `columns` sums a tile.
            // Reinterpreted vectors are of 512 bits, all of whose values are valid.
            unsafe {
                let columns = VECTORS * LANES;
                let (pixels, _) = tiles.pixels.as_chunks::<ROWS>();
                for (number, pixels) in pixels.iter().enumerate() {
                    let target = tiles.sums.add(number * ROWS * columns);
                    let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
                    if tiles.adds {
                        for row in 0..ROWS {
                            for vector in 0..VECTORS {
                                let from = target.add(row * columns + vector * LANES);
                                sums[row][vector] = _mm512_loadu_ps(from);
                            }
                        }
                    }
                    let mut weights = tiles.weights;
                    let mut next = Fetch::new(tiles.next, number, tiles.pixels.len() / ROWS);
                    for run in tiles.runs {
                        let mut inputs = [tiles.input.cast::<f32>(); ROWS];
                        for row in 0..ROWS {
                            inputs[row] = tiles.input.add(pixels[row] + run.offset).cast();
                        }
                        for unit in 0..run.units {
                            next.one();
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
                            let to = target.add(row * columns + vector * LANES);
                            _mm512_storeu_ps(to, sums[row][vector]);
                        }
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

/// Brings sums to where they belong, as f32.
#[target_feature(enable = "avx512f")]
pub(super) fn finish(sums: &mut Finished<'_>, finish: &mut Finish<'_>) {
    // SAFETY: this function has these instructions.
    unsafe { deliver::<F32s>(sums, finish) }
}

/// Brings sums to where they belong, as f32 and as bf16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) fn finish_bf16(sums: &mut Finished<'_>, finish: &mut Finish<'_>) {
    // SAFETY: this function has these instructions.
    unsafe { deliver::<F32sAndBf16>(sums, finish) }
}

macro_rules! vector {
    ($(#[$about:meta])* $name:ident, |$values:ident, $to:ident, $count:ident| $store_bf16:expr) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        struct $name(__m512);

        impl Vector for $name {
            const LANES: usize = LANES;

            #[inline(always)]
            unsafe fn load(from: *const f32, count: usize) -> Self {
                // SAFETY: of memory that the mask leaves out, nothing is read.
                unsafe { Self(_mm512_maskz_loadu_ps(mask(count), from)) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32, count: usize) {
                // SAFETY: of memory that the mask leaves out, nothing is written.
                unsafe { _mm512_mask_storeu_ps(to, mask(count), self.0) }
            }

            #[inline(always)]
            unsafe fn store_bf16(self, $to: *mut u16, $count: usize) {
                let $values = self.0;
                $store_bf16
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller's function has the instruction.
                unsafe { Self(_mm512_add_ps(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn scale(self, scale: Self, shift: Self) -> Self {
                // SAFETY: the caller's function has the instruction.
                unsafe { Self(_mm512_fmadd_ps(self.0, scale.0, shift.0)) }
            }

            #[inline(always)]
            unsafe fn rectify(self) -> Self {
                // SAFETY: the caller's function has the instruction, which gives its second operand where
                // one is not a number.
                unsafe { Self(_mm512_max_ps(_mm512_setzero_ps(), self.0)) }
            }

            #[inline(always)]
            unsafe fn raise(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe {
                    let greater = _mm512_max_ps(other.0, self.0);
                    let is_none = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(other.0, other.0);
                    Self(_mm512_mask_mov_ps(greater, is_none, other.0))
                }
            }
        }
    };
}

vector! {
    /// A vector of f32, which become bf16 nowhere.
    F32s, |_values, _to, _count| unreachable!("no bf16 without its instructions")
}

vector! {
    /// A vector of f32, which can become bf16.
    F32sAndBf16, |values, to, count| {
        // SAFETY: of memory that the mask leaves out, nothing is written; a vector of bf16 has 256 bits.
        unsafe {
            let values = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(values));
            _mm256_mask_storeu_epi16(to.cast(), mask(count), values);
        }
    }
}

/// The first `count` of 16.
#[inline(always)]
fn mask(count: usize) -> __mmask16 {
    (u32::MAX >> (32 - count)) as __mmask16
}

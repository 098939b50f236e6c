//! 256-bit vectors with fused multiply-add: 6 pixels by 16 channels, 12 sums in registers; 8 channels where
//! there aren't as many.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use std::arch::x86_64::{
    __m256, __m256i, _CMP_UNORD_Q, _mm256_add_ps, _mm256_blendv_ps, _mm256_cmp_ps,
    _mm256_cmpgt_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_maskload_ps, _mm256_maskstore_ps,
    _mm256_max_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps,
    _mm256_storeu_ps,
};

use super::epilogue::simd::{Vector, deliver};
use super::{Fetch, Tiles};
use crate::microkernel::epilogue::{Finish, Finished};

const ROWS: usize = 6;
const LANES: usize = 8;

/// Sums of products of f32, for so many vectors of channels.
///
/// # Safety
///
/// See [`Kernel::run`](super::Kernel::run).
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn f32<const VECTORS: usize>(tiles: &Tiles<'_>) {
    // SAFETY: the caller's promise covers each address: `pixels[row] + run.offset + 4 * unit` of the
    // input for units of the run, `columns` weights a unit, and `ROWS` by `columns` sums a tile.
    unsafe {
        let columns = VECTORS * LANES;
        let (pixels, _) = tiles.pixels.as_chunks::<ROWS>();
        for (number, pixels) in pixels.iter().enumerate() {
            let target = tiles.sums.add(number * ROWS * columns);
            let mut sums = [[_mm256_setzero_ps(); VECTORS]; ROWS];
            if tiles.adds {
                for row in 0..ROWS {
                    for vector in 0..VECTORS {
                        let from = target.add(row * columns + vector * LANES);
                        sums[row][vector] = _mm256_loadu_ps(from);
                    }
                }
            }
            let mut weights = tiles.weights;
            // At once: here a unit has no room for more.
            Fetch::new(tiles.next, number, tiles.pixels.len() / ROWS).all();
            for run in tiles.runs {
                let mut inputs = [tiles.input.cast::<f32>(); ROWS];
                for row in 0..ROWS {
                    inputs[row] = tiles.input.add(pixels[row] + run.offset).cast();
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
                    let to = target.add(row * columns + vector * LANES);
                    _mm256_storeu_ps(to, sums[row][vector]);
                }
            }
        }
    }
}

/// Brings sums to where they belong.
#[target_feature(enable = "avx2,fma")]
pub(super) fn finish(sums: &mut Finished<'_>, finish: &mut Finish<'_>) {
    // SAFETY: this function has these instructions.
    unsafe { deliver::<F32s>(sums, finish) }
}

/// A vector of f32.
#[derive(Debug, Clone, Copy)]
struct F32s(__m256);

impl Vector for F32s {
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn load(from: *const f32, count: usize) -> Self {
        // SAFETY: of memory that the mask leaves out, nothing is read.
        unsafe {
            Self(if count == LANES {
                _mm256_loadu_ps(from)
            } else {
                _mm256_maskload_ps(from, mask(count))
            })
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, count: usize) {
        // SAFETY: of memory that the mask leaves out, nothing is written.
        unsafe {
            if count == LANES {
                _mm256_storeu_ps(to, self.0);
            } else {
                _mm256_maskstore_ps(to, mask(count), self.0);
            }
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, _: *mut u16, _: usize) {
        unreachable!("no kernel of these vectors multiplies bf16");
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's function has the instruction.
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn scale(self, scale: Self, shift: Self) -> Self {
        // SAFETY: the caller's function has the instruction.
        unsafe { Self(_mm256_fmadd_ps(self.0, scale.0, shift.0)) }
    }

    #[inline(always)]
    unsafe fn rectify(self) -> Self {
        // SAFETY: the caller's function has the instruction, which gives its second operand where one is
        // not a number.
        unsafe { Self(_mm256_max_ps(_mm256_setzero_ps(), self.0)) }
    }

    #[inline(always)]
    unsafe fn raise(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            let greater = _mm256_max_ps(other.0, self.0);
            let is_none = _mm256_cmp_ps::<_CMP_UNORD_Q>(other.0, other.0);
            Self(_mm256_blendv_ps(greater, other.0, is_none))
        }
    }
}

/// All bits set in the first `count` of 8.
#[inline(always)]
unsafe fn mask(count: usize) -> __m256i {
    // SAFETY: the caller's function has the instructions.
    unsafe {
        _mm256_cmpgt_epi32(
            _mm256_set1_epi32(count as i32),
            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
        )
    }
}

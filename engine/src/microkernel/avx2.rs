//! 256-bit vectors with fused multiply-add: a tile is 6 pixels by 16 channels, 12 vectors of sums in registers;
//! 8 channels where there aren't as many.

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

use super::epilogue::simd;
use super::epilogue::vector::Vector;
use super::epilogue::{Accumulators, Epilogue};
use super::gemm::VectorGemm;
use super::prefetch::Prefetcher;

const MR: usize = 6;
const LANES: usize = 8;

/// Sums of products of f32, for `VECTORS` vectors of channels.
///
/// # Safety
///
/// See [`Kernel::multiply`](super::Kernel::multiply).
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn f32<const VECTORS: usize>(gemm: &VectorGemm<'_>) {
    // SAFETY: every access is one of those that `Kernel::multiply` requires to be valid: the input at
    // `pixel + segment.offset + 4 * unit` for the units of a segment, `columns` weights for each unit
    // (`Kernel::multiply` chose `VECTORS` so that `VECTORS * LANES == gemm.columns`), and `MR` x `columns` sums
    // for each tile.
    unsafe {
        let columns = VECTORS * LANES;
        let (pixels, _) = gemm.pixels.as_chunks::<MR>();
        for (number, pixels) in pixels.iter().enumerate() {
            let target = gemm.sums.add(number * MR * columns);
            let mut sums = [[_mm256_setzero_ps(); VECTORS]; MR];
            if gemm.accumulate {
                for row in 0..MR {
                    for vector in 0..VECTORS {
                        let from = target.add(row * columns + vector * LANES);
                        sums[row][vector] = _mm256_loadu_ps(from);
                    }
                }
            }
            let mut weights = gemm.weights.cast::<f32>();
            // All at once: the loop below is so short that another instruction in it would cost more.
            Prefetcher::new(gemm.next, number, gemm.pixels.len() / MR).fetch_all();
            for segment in gemm.segments {
                let mut inputs = [gemm.input.cast::<f32>(); MR];
                for row in 0..MR {
                    inputs[row] = gemm.input.add(pixels[row] + segment.offset).cast();
                }
                for unit in 0..segment.k_units {
                    // A rank-1 update: a column of A (one input of each pixel, broadcast) times a row of B
                    // (one weight of each channel).
                    let mut of_channels = [_mm256_setzero_ps(); VECTORS];
                    for vector in 0..VECTORS {
                        of_channels[vector] = _mm256_loadu_ps(weights.add(vector * LANES));
                    }
                    weights = weights.add(columns);
                    for row in 0..MR {
                        let value = _mm256_set1_ps(inputs[row].add(unit).read_unaligned());
                        for vector in 0..VECTORS {
                            sums[row][vector] =
                                _mm256_fmadd_ps(of_channels[vector], value, sums[row][vector]);
                        }
                    }
                }
            }
            for row in 0..MR {
                for vector in 0..VECTORS {
                    let to = target.add(row * columns + vector * LANES);
                    _mm256_storeu_ps(to, sums[row][vector]);
                }
            }
        }
    }
}

/// Applies an epilogue.
#[target_feature(enable = "avx2,fma")]
pub(super) fn epilogue(sums: &mut Accumulators<'_>, epilogue: &mut Epilogue<'_>) {
    // SAFETY: this function is compiled for AVX2 and FMA, all that `F32s` uses.
    unsafe { simd::apply::<F32s>(sums, epilogue) }
}

/// Eight f32.
#[derive(Debug, Clone, Copy)]
struct F32s(__m256);

// SAFETY: a vector has 8 lanes, and a masked load or store doesn't touch the memory of masked-out lanes.
unsafe impl Vector for F32s {
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn load(from: *const f32, count: usize) -> Self {
        // SAFETY: the caller has AVX2, and `count` values can be read; the mask leaves out all others.
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
        // SAFETY: the caller has AVX2, and `count` values can be written; the mask leaves out all others.
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
        unreachable!("no kernel with these vectors multiplies bf16, so no buffer holds any");
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn scale_shift(self, scale: Self, shift: Self) -> Self {
        // SAFETY: the caller has FMA.
        unsafe { Self(_mm256_fmadd_ps(self.0, scale.0, shift.0)) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // The instruction returns its second operand where either is NaN, so NaN stays NaN.
        // SAFETY: the caller has AVX2.
        unsafe { Self(_mm256_max_ps(_mm256_setzero_ps(), self.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // As above, NaN in `self` stays; that of `other` is blended in.
        // SAFETY: the caller has AVX2.
        unsafe {
            let greater = _mm256_max_ps(other.0, self.0);
            let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(other.0, other.0);
            Self(_mm256_blendv_ps(greater, other.0, is_nan))
        }
    }
}

/// All bits set in the first `count` of 8 lanes.
///
/// # Safety
///
/// The processor has AVX2.
#[inline(always)]
unsafe fn mask(count: usize) -> __m256i {
    // SAFETY: the caller guarantees AVX2.
    unsafe {
        _mm256_cmpgt_epi32(
            _mm256_set1_epi32(count as i32),
            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
        )
    }
}

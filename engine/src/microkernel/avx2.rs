//! 256-bit vectors with fused multiply-add: a tile is 6 pixels by 16 channels, 12 vectors of sums in registers;
//! 8 channels where there aren't as many.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use std::arch::x86_64::{
    __m256, __m256i, _CMP_UNORD_Q, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm_loadl_epi64,
    _mm_packus_epi16, _mm_packus_epi32, _mm_storel_epi64, _mm_storeu_si128, _mm256_add_epi16,
    _mm256_add_epi32, _mm256_add_ps, _mm256_blendv_ps, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cmpgt_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtepu8_epi32, _mm256_cvtps_epi32, _mm256_div_ps, _mm256_dpbusd_avx_epi32,
    _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_maskload_ps, _mm256_maskstore_ps,
    _mm256_max_epi32, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_packs_epi32,
    _mm256_packus_epi16, _mm256_permutevar8x32_epi32, _mm256_round_ps, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_slli_epi32, _mm256_storeu_ps, _mm256_storeu_si256,
};

use super::depthwise::DepthwiseSums;
use super::epilogue::vector::{Int8Vector, Vector};
use super::epilogue::{Accumulators, Epilogue};
use super::epilogue::{requantise_simd, simd};
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

/// Sums of products of unsigned and signed bytes, added in i32, for `VECTORS` vectors of channels, by the instruction
/// for it (AVX-VNNI).
///
/// # Safety
///
/// See [`Kernel::multiply`](super::Kernel::multiply).
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn int8_vnni<const VECTORS: usize>(gemm: &VectorGemm<'_>) {
    // SAFETY: as for `f32`: a unit has 4 bytes, and a sum too.
    unsafe {
        let columns = VECTORS * LANES;
        let (pixels, _) = gemm.pixels.as_chunks::<MR>();
        for (number, pixels) in pixels.iter().enumerate() {
            let target = gemm.sums.add(number * MR * columns);
            let mut sums = [[_mm256_setzero_si256(); VECTORS]; MR];
            if gemm.accumulate {
                for row in 0..MR {
                    for vector in 0..VECTORS {
                        let from = target.add(row * columns + vector * LANES);
                        sums[row][vector] = _mm256_loadu_si256(from.cast());
                    }
                }
            }
            let mut weights = gemm.weights;
            Prefetcher::new(gemm.next, number, gemm.pixels.len() / MR).fetch_all();
            for segment in gemm.segments {
                let mut inputs = [gemm.input.cast::<i32>(); MR];
                for row in 0..MR {
                    inputs[row] = gemm.input.add(pixels[row] + segment.offset).cast();
                }
                for unit in 0..segment.k_units {
                    let mut of_channels = [_mm256_setzero_si256(); VECTORS];
                    for vector in 0..VECTORS {
                        of_channels[vector] =
                            _mm256_loadu_si256(weights.add(vector * LANES).cast());
                    }
                    weights = weights.add(columns);
                    for row in 0..MR {
                        let bytes = _mm256_set1_epi32(inputs[row].add(unit).read_unaligned());
                        for vector in 0..VECTORS {
                            sums[row][vector] = _mm256_dpbusd_avx_epi32(
                                sums[row][vector],
                                bytes,
                                of_channels[vector],
                            );
                        }
                    }
                }
            }
            for row in 0..MR {
                for vector in 0..VECTORS {
                    let to = target.add(row * columns + vector * LANES);
                    _mm256_storeu_si256(to.cast(), sums[row][vector]);
                }
            }
        }
    }
}

/// Sums of products of unsigned and signed bytes, added in i32, for `VECTORS` vectors of channels.
///
/// The instruction for bytes adds two products in 16 bits. The schedule says how many of these can be added up there
/// before they no longer fit, so most steps take two instructions for 32 products. The sums of 32 bits are in memory:
/// the registers are full of those of 16.
///
/// # Safety
///
/// See [`Kernel::multiply`](super::Kernel::multiply).
#[target_feature(enable = "avx2")]
pub(super) unsafe fn int8<const VECTORS: usize>(gemm: &VectorGemm<'_>) {
    // SAFETY: as for `f32`, but for the inputs: they are read at the offsets of the schedule, which are those of units
    // of the segments, and as many weights as steps. The runs have as many steps as there are offsets.
    unsafe {
        let columns = VECTORS * LANES;
        let ones = _mm256_set1_epi16(1);
        let (pixels, _) = gemm.pixels.as_chunks::<MR>();
        for (number, pixels) in pixels.iter().enumerate() {
            let target = gemm.sums.add(number * MR * columns);
            if !gemm.accumulate {
                for vector in 0..MR * VECTORS {
                    _mm256_storeu_ps(target.add(vector * LANES), _mm256_setzero_ps());
                }
            }
            Prefetcher::new(gemm.next, number, gemm.pixels.len() / MR).fetch_all();
            let inputs = pixels.map(|pixel| gemm.input.add(pixel));
            let mut weights = gemm.weights;
            let mut offset = gemm.schedule.offsets.as_ptr();
            let mut starts = gemm.schedule.starts.as_ptr();
            for runs in &gemm.schedule.runs {
                for _ in 0..runs.count {
                    let mut sums = [[_mm256_setzero_si256(); VECTORS]; MR];
                    for row in 0..MR {
                        for vector in 0..VECTORS {
                            sums[row][vector] =
                                _mm256_loadu_si256(starts.add(vector * LANES).cast());
                        }
                    }
                    starts = starts.add(columns);
                    for _ in 0..runs.steps {
                        let mut of_channels = [_mm256_setzero_si256(); VECTORS];
                        for vector in 0..VECTORS {
                            of_channels[vector] =
                                _mm256_loadu_si256(weights.add(vector * LANES).cast());
                        }
                        weights = weights.add(columns);
                        let at = offset.read();
                        offset = offset.add(1);
                        for row in 0..MR {
                            let unit = inputs[row].add(at).cast::<i32>().read_unaligned();
                            let bytes = _mm256_set1_epi32(unit);
                            for vector in 0..VECTORS {
                                let products = _mm256_maddubs_epi16(bytes, of_channels[vector]);
                                sums[row][vector] = _mm256_add_epi16(sums[row][vector], products);
                            }
                        }
                    }
                    for row in 0..MR {
                        for vector in 0..VECTORS {
                            let at = target.add(row * columns + vector * LANES).cast();
                            let sum = _mm256_madd_epi16(sums[row][vector], ones);
                            let sum = _mm256_add_epi32(_mm256_loadu_si256(at), sum);
                            _mm256_storeu_si256(at, sum);
                        }
                    }
                }
            }
        }
    }
}

/// Sums of products for a depthwise convolution.
#[target_feature(enable = "avx2,fma")]
pub(super) fn depthwise(sums: &mut DepthwiseSums<'_>) {
    // SAFETY: this function is compiled for AVX2 and FMA, all that `F32s` uses.
    unsafe { sums.by_vectors::<F32s>() }
}

/// Applies an epilogue to sums of whole numbers.
#[target_feature(enable = "avx2,fma")]
pub(super) fn epilogue_int8(sums: &mut Accumulators<'_>, epilogue: &mut Epilogue<'_>) {
    // SAFETY: this function is compiled for AVX2 and FMA, all that `F32s` uses.
    unsafe { requantise_simd::apply::<F32s>(sums, epilogue) }
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
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe { Self(_mm256_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe { Self(_mm256_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        // The whole number's bits become those of an exponent, whose zero is the bits of one.
        // SAFETY: the caller has AVX2.
        unsafe {
            let exponents = _mm256_slli_epi32::<23>(_mm256_castps_si256(self.0));
            let powers = _mm256_add_epi32(exponents, _mm256_set1_epi32(127 << 23));
            Self(_mm256_castsi256_ps(powers))
        }
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

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe { Self(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn limit(self, least: Self, most: Self) -> Self {
        // Both return their second operand where either is NaN, so NaN stays NaN.
        // SAFETY: the caller has AVX2.
        unsafe { Self(_mm256_min_ps(most.0, _mm256_max_ps(least.0, self.0))) }
    }
}

// SAFETY: of less than a vector, a copy of as many bytes is loaded or stored. Two vectors are 16 bytes.
unsafe impl Int8Vector for F32s {
    #[inline(always)]
    unsafe fn load_u8(from: *const u8, count: usize) -> Self {
        // SAFETY: the caller has AVX2, and `count` bytes can be read, which are all 8 or copied to 8.
        unsafe {
            let mut copy = [0_u8; LANES];
            let bytes = if count == LANES {
                _mm_loadl_epi64(from.cast())
            } else {
                from.copy_to_nonoverlapping(copy.as_mut_ptr(), count);
                _mm_loadl_epi64(copy.as_ptr().cast())
            };
            Self(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)))
        }
    }

    #[inline(always)]
    unsafe fn store_u8(self, zero_point: Self, to: *mut u8, count: usize) {
        // SAFETY: the caller has AVX2, and `count` bytes can be written, which are all 8 or copied from 8.
        unsafe {
            let whole = _mm256_cvtps_epi32(self.0);
            let whole = _mm256_add_epi32(whole, _mm256_castps_si256(zero_point.0));
            let [first, second] = [
                _mm256_castsi256_si128(whole),
                _mm256_extracti128_si256::<1>(whole),
            ];
            let words = _mm_packus_epi32(first, second);
            let bytes = _mm_packus_epi16(words, words);
            if count == LANES {
                _mm_storel_epi64(to.cast(), bytes);
            } else {
                let mut copy = [0_u8; LANES];
                _mm_storel_epi64(copy.as_mut_ptr().cast(), bytes);
                to.copy_from_nonoverlapping(copy.as_ptr(), count);
            }
        }
    }

    #[inline(always)]
    unsafe fn store_two_u8(two: [Self; 2], zero_point: Self, to: *mut u8) {
        // SAFETY: the caller has AVX2, and 16 bytes can be written.
        unsafe {
            let zero_point = _mm256_castps_si256(zero_point.0);
            let [first, second] = two.map(|values| _mm256_cvtps_epi32(values.0));
            // Four of the first and four of the second by turns, as words and then as bytes, each of these twice.
            let words = _mm256_packs_epi32(first, second);
            let words = _mm256_add_epi16(words, _mm256_packs_epi32(zero_point, zero_point));
            let bytes = _mm256_packus_epi16(words, words);
            let order = _mm256_setr_epi32(0, 4, 1, 5, 0, 0, 0, 0);
            let bytes = _mm256_permutevar8x32_epi32(bytes, order);
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(bytes));
        }
    }

    #[inline(always)]
    unsafe fn max_i32(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe {
            let [one, other] = [_mm256_castps_si256(self.0), _mm256_castps_si256(other.0)];
            Self(_mm256_castsi256_ps(_mm256_max_epi32(one, other)))
        }
    }

    #[inline(always)]
    unsafe fn add_i32(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe {
            let [one, other] = [_mm256_castps_si256(self.0), _mm256_castps_si256(other.0)];
            Self(_mm256_castsi256_ps(_mm256_add_epi32(one, other)))
        }
    }

    #[inline(always)]
    unsafe fn i32_to_f32(self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe { Self(_mm256_cvtepi32_ps(_mm256_castps_si256(self.0))) }
    }

    #[inline(always)]
    unsafe fn clamp(self, least: Self, most: Self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe { Self(_mm256_min_ps(_mm256_max_ps(self.0, least.0), most.0)) }
    }

    #[inline(always)]
    unsafe fn to_whole(self) -> Self {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        // SAFETY: the caller has AVX2.
        unsafe { Self(_mm256_round_ps::<NEAREST>(self.0)) }
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

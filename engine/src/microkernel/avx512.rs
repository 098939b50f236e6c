//! 512-bit vectors: a tile is 8 pixels by 48 channels, 24 vectors of sums in registers; 32 or 16 channels where
//! there aren't as many.
//!
//! Each unit of input is broadcast once and multiplied with three vectors of weights, so 24 multiplications
//! need 11 loads (8 inputs, 3 weights), and the 24 sums, 3 weights and 1 input fit the 32 registers.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use std::arch::x86_64::{
    __m256bh, __m256i, __m512, __m512bh, __mmask16, _CMP_UNORD_Q, _MM_FROUND_NO_EXC,
    _MM_FROUND_TO_NEAREST_INT, _mm_maskz_loadu_epi8, _mm256_mask_storeu_epi16, _mm256_storeu_si256,
    _mm512_add_epi16, _mm512_add_epi32, _mm512_add_ps, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_castsi512_si256, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32,
    _mm512_cvtneps_pbh, _mm512_cvtps_epi32, _mm512_div_ps, _mm512_dpbf16_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_cvtepi32_storeu_epi8, _mm512_mask_mov_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_epi32, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_packs_epi32, _mm512_packus_epi16, _mm512_permutexvar_epi32,
    _mm512_roundscale_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm512_storeu_ps,
};
use std::mem::transmute;

use super::depthwise::DepthwiseSums;
use super::epilogue::vector::{Int8Vector, Vector};
use super::epilogue::{Accumulators, Epilogue};
use super::epilogue::{requantise_simd, simd};
use super::gemm::VectorGemm;
use super::prefetch::Prefetcher;

const MR: usize = 8;
const LANES: usize = 16;

// One unit of input in every lane.
macro_rules! broadcast_f32 {
    ($from:expr) => {
        _mm512_set1_ps($from.read_unaligned())
    };
}

// As f32 in name only: the bits of a pair of bf16, or of four bytes.
macro_rules! broadcast_bits {
    ($from:expr) => {
        _mm512_castsi512_ps(_mm512_set1_epi32($from.cast::<i32>().read_unaligned()))
    };
}

/// Defines a kernel for `VECTORS` vectors of channels, given the macro that broadcasts one unit of input and
/// the expression that multiplies and adds.
///
/// It is a macro, not a generic function that takes closures: intrinsics become single instructions only where
/// they are inlined into a function with their target features, and a macro leaves nothing to inline.
macro_rules! kernel {
    ($(#[$about:meta])* $name:ident, $features:literal,
     $broadcast:ident, |$sum:ident, $weight:ident, $value:ident| $multiply:expr) => {
        $(#[$about])*
        ///
        /// # Safety
        ///
        /// See [`Kernel::multiply`](super::Kernel::multiply).
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name<const VECTORS: usize>(gemm: &VectorGemm<'_>) {
            // SAFETY: every access is one of those that `Kernel::multiply` requires to be valid: the input at
            // `pixel + segment.offset + 4 * unit` for the units of a segment, `columns` weights for each unit
            // (`Kernel::multiply` chose `VECTORS` so that `VECTORS * LANES == gemm.columns`), and `MR` x
            // `columns` sums for each tile. Both types of a transmuted vector have 512 bits and no invalid
            // ones.
            unsafe {
                let columns = VECTORS * LANES;
                let (pixels, _) = gemm.pixels.as_chunks::<MR>();
                for (number, pixels) in pixels.iter().enumerate() {
                    let target = gemm.sums.add(number * MR * columns);
                    let mut sums = [[_mm512_setzero_ps(); VECTORS]; MR];
                    if gemm.accumulate {
                        for row in 0..MR {
                            for vector in 0..VECTORS {
                                let from = target.add(row * columns + vector * LANES);
                                sums[row][vector] = _mm512_loadu_ps(from);
                            }
                        }
                    }
                    let mut weights = gemm.weights.cast::<f32>();
                    let mut next = Prefetcher::new(gemm.next, number, gemm.pixels.len() / MR);
                    for segment in gemm.segments {
                        let mut inputs = [gemm.input.cast::<f32>(); MR];
                        for row in 0..MR {
                            inputs[row] = gemm.input.add(pixels[row] + segment.offset).cast();
                        }
                        for unit in 0..segment.k_units {
                            next.fetch_one();
                            let mut of_channels = [_mm512_setzero_ps(); VECTORS];
                            for vector in 0..VECTORS {
                                of_channels[vector] = _mm512_loadu_ps(weights.add(vector * LANES));
                            }
                            weights = weights.add(columns);
                            for row in 0..MR {
                                let $value = $broadcast!(inputs[row].add(unit));
                                for vector in 0..VECTORS {
                                    let ($sum, $weight) = (sums[row][vector], of_channels[vector]);
                                    sums[row][vector] = $multiply;
                                }
                            }
                        }
                    }
                    for row in 0..MR {
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
    f32, "avx512f", broadcast_f32, |sum, weight, value| _mm512_fmadd_ps(weight, value, sum)
}

kernel! {
    /// Sums of products of bf16, added in f32.
    bf16, "avx512f,avx512bf16", broadcast_bits, |sum, weight, value| {
        _mm512_dpbf16_ps(
            sum,
            transmute::<__m512, __m512bh>(weight),
            transmute::<__m512, __m512bh>(value),
        )
    }
}

kernel! {
    /// Sums of products of unsigned and signed bytes, added in i32. They are f32 in name only.
    int8, "avx512f,avx512vnni", broadcast_bits, |sum, weight, value| {
        _mm512_castsi512_ps(_mm512_dpbusd_epi32(
            _mm512_castps_si512(sum),
            _mm512_castps_si512(value),
            _mm512_castps_si512(weight),
        ))
    }
}

/// Sums of products for a depthwise convolution.
#[target_feature(enable = "avx512f")]
pub(super) fn depthwise(sums: &mut DepthwiseSums<'_>) {
    // SAFETY: this function is compiled for AVX-512F, all that `F32s` uses.
    unsafe { sums.by_vectors::<F32s>() }
}

/// Applies an epilogue to sums of whole numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn epilogue_int8(sums: &mut Accumulators<'_>, epilogue: &mut Epilogue<'_>) {
    // SAFETY: this function is compiled for the three features, all that `F32s` uses.
    unsafe { requantise_simd::apply::<F32s>(sums, epilogue) }
}

/// Applies an epilogue that writes f32.
#[target_feature(enable = "avx512f")]
pub(super) fn epilogue(sums: &mut Accumulators<'_>, epilogue: &mut Epilogue<'_>) {
    // SAFETY: this function is compiled for AVX-512F, all that `F32s` uses.
    unsafe { simd::apply::<F32s>(sums, epilogue) }
}

/// Applies an epilogue that writes f32 and bf16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) fn epilogue_bf16(sums: &mut Accumulators<'_>, epilogue: &mut Epilogue<'_>) {
    // SAFETY: this function is compiled for the four features, all that `F32sAndBf16` uses.
    unsafe { simd::apply::<F32sAndBf16>(sums, epilogue) }
}

macro_rules! vector {
    ($(#[$about:meta])* $name:ident, |$values:ident, $to:ident, $count:ident| $store_bf16:expr) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        struct $name(__m512);

        // SAFETY: a vector has 16 lanes, and a masked load or store doesn't touch the memory of masked-out
        // lanes.
        unsafe impl Vector for $name {
            const LANES: usize = LANES;

            #[inline(always)]
            unsafe fn load(from: *const f32, count: usize) -> Self {
                // SAFETY: the caller has AVX-512F, and `count` values can be read; the mask leaves out all
                // others.
                unsafe { Self(_mm512_maskz_loadu_ps(mask(count), from)) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32, count: usize) {
                // SAFETY: the caller has AVX-512F, and `count` values can be written; the mask leaves out all
                // others.
                unsafe { _mm512_mask_storeu_ps(to, mask(count), self.0) }
            }

            #[inline(always)]
            unsafe fn store_bf16(self, $to: *mut u16, $count: usize) {
                let $values = self.0;
                $store_bf16
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller has AVX-512F.
                unsafe { Self(_mm512_add_ps(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn scale_shift(self, scale: Self, shift: Self) -> Self {
                // SAFETY: the caller has AVX-512F.
                unsafe { Self(_mm512_fmadd_ps(self.0, scale.0, shift.0)) }
            }

            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: the caller has AVX-512F.
                unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                // SAFETY: the caller has AVX-512F.
                unsafe { Self(_mm512_div_ps(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn power_of_two(self) -> Self {
                // The whole number's bits become those of an exponent, whose zero is the bits of one.
                // SAFETY: the caller has AVX-512F.
                unsafe {
                    let exponents = _mm512_slli_epi32::<23>(_mm512_castps_si512(self.0));
                    let powers = _mm512_add_epi32(exponents, _mm512_set1_epi32(127 << 23));
                    Self(_mm512_castsi512_ps(powers))
                }
            }

            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // The instruction returns its second operand where either is NaN, so NaN stays NaN.
                // SAFETY: the caller has AVX-512F.
                unsafe { Self(_mm512_max_ps(_mm512_setzero_ps(), self.0)) }
            }

            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // As above, NaN in `self` stays; that of `other` is moved in.
                // SAFETY: the caller has AVX-512F.
                unsafe {
                    let greater = _mm512_max_ps(other.0, self.0);
                    let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(other.0, other.0);
                    Self(_mm512_mask_mov_ps(greater, is_nan, other.0))
                }
            }

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: the caller has AVX-512F.
                unsafe { Self(_mm512_set1_ps(value)) }
            }

            #[inline(always)]
            unsafe fn limit(self, least: Self, most: Self) -> Self {
                // Both return their second operand where either is NaN, so NaN stays NaN.
                // SAFETY: the caller has AVX-512F.
                unsafe { Self(_mm512_min_ps(most.0, _mm512_max_ps(least.0, self.0))) }
            }
        }
    };
}

vector! {
    /// Sixteen f32, for processors that can't convert them to bf16.
    F32s, |_values, _to, _count| {
        unreachable!("no kernel with these vectors multiplies bf16, so no buffer holds any")
    }
}

// SAFETY: masked loads and stores don't touch the memory of masked-out lanes. Two vectors are 32 bytes.
unsafe impl Int8Vector for F32s {
    #[inline(always)]
    unsafe fn load_u8(from: *const u8, count: usize) -> Self {
        // SAFETY: the caller has the features, and `count` bytes can be read; the mask leaves out all others.
        unsafe {
            let bytes = _mm_maskz_loadu_epi8(mask(count), from.cast());
            Self(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)))
        }
    }

    #[inline(always)]
    unsafe fn store_u8(self, zero_point: Self, to: *mut u8, count: usize) {
        // SAFETY: the caller has the features, and `count` bytes can be written; the mask leaves out all others.
        unsafe {
            let whole = _mm512_cvtps_epi32(self.0);
            let whole = _mm512_add_epi32(whole, _mm512_castps_si512(zero_point.0));
            _mm512_mask_cvtepi32_storeu_epi8(to.cast(), mask(count), whole);
        }
    }

    #[inline(always)]
    unsafe fn store_two_u8(two: [Self; 2], zero_point: Self, to: *mut u8) {
        // SAFETY: the caller has the features, and 32 bytes can be written.
        unsafe {
            let zero_point = _mm512_castps_si512(zero_point.0);
            let [first, second] = two.map(|values| _mm512_cvtps_epi32(values.0));
            // Four of the first and four of the second by turns, as words and then as bytes, each of these twice.
            let words = _mm512_packs_epi32(first, second);
            let words = _mm512_add_epi16(words, _mm512_packs_epi32(zero_point, zero_point));
            let bytes = _mm512_packus_epi16(words, words);
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
            let bytes = _mm512_permutexvar_epi32(order, bytes);
            _mm256_storeu_si256(to.cast(), _mm512_castsi512_si256(bytes));
        }
    }

    #[inline(always)]
    unsafe fn max_i32(self, other: Self) -> Self {
        // SAFETY: the caller has the features.
        unsafe {
            let greater =
                _mm512_max_epi32(_mm512_castps_si512(self.0), _mm512_castps_si512(other.0));
            Self(_mm512_castsi512_ps(greater))
        }
    }

    #[inline(always)]
    unsafe fn add_i32(self, other: Self) -> Self {
        // SAFETY: the caller has the features.
        unsafe {
            let sum = _mm512_add_epi32(_mm512_castps_si512(self.0), _mm512_castps_si512(other.0));
            Self(_mm512_castsi512_ps(sum))
        }
    }

    #[inline(always)]
    unsafe fn i32_to_f32(self) -> Self {
        // SAFETY: the caller has the features.
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_castps_si512(self.0))) }
    }

    #[inline(always)]
    unsafe fn clamp(self, least: Self, most: Self) -> Self {
        // SAFETY: the caller has the features.
        unsafe { Self(_mm512_min_ps(_mm512_max_ps(self.0, least.0), most.0)) }
    }

    #[inline(always)]
    unsafe fn to_whole(self) -> Self {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        // SAFETY: the caller has the features.
        unsafe { Self(_mm512_roundscale_ps::<NEAREST>(self.0)) }
    }
}

vector! {
    /// Sixteen f32, which can be stored as bf16.
    F32sAndBf16, |values, to, count| {
        // SAFETY: the caller has all four features, and `count` values can be written; the mask leaves out all
        // others. Both types of the transmuted vector have 256 bits and no invalid ones.
        unsafe {
            let values = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(values));
            _mm256_mask_storeu_epi16(to.cast(), mask(count), values);
        }
    }
}

/// The first `count` of 16 lanes; `count` is at least 1.
#[inline(always)]
fn mask(count: usize) -> __mmask16 {
    (u32::MAX >> (32 - count)) as __mmask16
}

//! The transform by vectors of eight 32-bit numbers.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of a function with vector instructions"
)]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_packus_epi16, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_cvtepi16_epi32, _mm256_extracti128_si256, _mm256_mullo_epi32, _mm256_packs_epi32,
    _mm256_permute2x128_si256, _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_srai_epi32,
    _mm256_sub_epi32, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
    _mm256_unpacklo_epi64,
};
use std::mem::transmute;

use super::{Block, COLUMN_BITS, Lanes, ROW_BITS, columns};

#[derive(Clone, Copy)]
struct Vector(__m256i);

// Only `samples` makes vectors, and it has AVX2.
impl Lanes for Vector {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: there is AVX2.
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: there is AVX2.
        Self(unsafe { _mm256_sub_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn times(self, factor: i32) -> Self {
        // SAFETY: there is AVX2.
        Self(unsafe { _mm256_mullo_epi32(self.0, _mm256_set1_epi32(factor)) })
    }

    #[inline(always)]
    fn descale<const BITS: i32>(self) -> Self {
        let rounded = self.add(half::<BITS>());
        // SAFETY: there is AVX2.
        Self(unsafe { _mm256_srai_epi32::<BITS>(rounded.0) })
    }
}

#[inline(always)]
fn half<const BITS: i32>() -> Vector {
    // SAFETY: there is AVX2.
    Vector(unsafe { _mm256_set1_epi32(1 << (BITS - 1)) })
}

/// See [`super::samples`].
#[target_feature(enable = "avx2")]
pub(super) fn samples(coefficients: &Block, quantisation: &[i32; 64]) -> [[u8; 8]; 8] {
    let (coefficients, _) = coefficients.as_chunks::<8>();
    let (quantisation, _) = quantisation.as_chunks::<8>();
    let mut rows = [Vector(_mm256_set1_epi32(0)); 8];
    for row in 0..8 {
        // SAFETY: both types have 128 bits, and any value of either is one of the other.
        let coefficients = unsafe { transmute::<[i16; 8], __m128i>(coefficients[row]) };
        // SAFETY: the same with 256 bits.
        let quantisation = unsafe { transmute::<[i32; 8], __m256i>(quantisation[row]) };
        let coefficients = _mm256_cvtepi16_epi32(coefficients);
        rows[row] = Vector(_mm256_mullo_epi32(coefficients, quantisation));
    }
    let half_way = columns::<COLUMN_BITS, _>(&rows);
    let rows = transposed(&columns::<ROW_BITS, _>(&transposed(&half_way)));

    let mut samples = [[0; 8]; 8];
    let level = _mm256_set1_epi32(128);
    for (pair, rows) in samples
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip(rows.as_chunks::<2>().0)
    {
        let (first, second) = (
            _mm256_add_epi32(rows[0].0, level),
            _mm256_add_epi32(rows[1].0, level),
        );
        // To 16 and to 8 bits, saturated. Packing takes half a row of each in turn.
        let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(first, second));
        let packed = _mm_packus_epi16(
            _mm256_castsi256_si128(packed),
            _mm256_extracti128_si256::<1>(packed),
        );
        // SAFETY: both types have 128 bits, and any value of either is one of the other.
        *pair = unsafe { transmute::<__m128i, [[u8; 8]; 2]>(packed) };
    }
    samples
}

/// Rows to columns.
#[target_feature(enable = "avx2")]
#[inline]
fn transposed(rows: &[Vector; 8]) -> [Vector; 8] {
    let rows = rows.map(|row| row.0);
    // Pairs of rows, then fours of them, then all eight.
    let low = |row: usize| _mm256_unpacklo_epi32(rows[row], rows[row + 1]);
    let high = |row: usize| _mm256_unpackhi_epi32(rows[row], rows[row + 1]);
    let upper = [
        _mm256_unpacklo_epi64(low(0), low(2)),
        _mm256_unpackhi_epi64(low(0), low(2)),
        _mm256_unpacklo_epi64(high(0), high(2)),
        _mm256_unpackhi_epi64(high(0), high(2)),
    ];
    let lower = [
        _mm256_unpacklo_epi64(low(4), low(6)),
        _mm256_unpackhi_epi64(low(4), low(6)),
        _mm256_unpacklo_epi64(high(4), high(6)),
        _mm256_unpackhi_epi64(high(4), high(6)),
    ];
    [
        Vector(_mm256_permute2x128_si256::<0x20>(upper[0], lower[0])),
        Vector(_mm256_permute2x128_si256::<0x20>(upper[1], lower[1])),
        Vector(_mm256_permute2x128_si256::<0x20>(upper[2], lower[2])),
        Vector(_mm256_permute2x128_si256::<0x20>(upper[3], lower[3])),
        Vector(_mm256_permute2x128_si256::<0x31>(upper[0], lower[0])),
        Vector(_mm256_permute2x128_si256::<0x31>(upper[1], lower[1])),
        Vector(_mm256_permute2x128_si256::<0x31>(upper[2], lower[2])),
        Vector(_mm256_permute2x128_si256::<0x31>(upper[3], lower[3])),
    ]
}

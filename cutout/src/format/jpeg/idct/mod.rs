//! The inverse discrete cosine transform, bit for bit as libjpeg's accurate integer one (`jidctint.c`): Loeffler,
//! Ligtenberg and Moschytz 1989, 12 multiplications for 8 values, with 13 bits of fraction.

#[cfg(target_arch = "x86_64")]
mod avx2;

use std::array;

/// Coefficients of a block, row by row.
pub(super) type Block = [i16; 64];

const CONST_BITS: i32 = 13;
/// Bits of fraction that columns keep for rows.
const PASS1_BITS: i32 = 2;

// The constants of the algorithm, times 2^13.
const FIX_0_298631336: i32 = 2446;
const FIX_0_390180644: i32 = 3196;
const FIX_0_541196100: i32 = 4433;
const FIX_0_765366865: i32 = 6270;
const FIX_0_899976223: i32 = 7373;
const FIX_1_175875602: i32 = 9633;
const FIX_1_501321110: i32 = 12299;
const FIX_1_847759065: i32 = 15137;
const FIX_1_961570560: i32 = 16069;
const FIX_2_053119869: i32 = 16819;
const FIX_2_562915447: i32 = 20995;
const FIX_3_072711026: i32 = 25172;

/// Eight numbers, one of each column, and what the transform does to them.
trait Lanes: Copy {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn times(self, factor: i32) -> Self;
    /// Without the last `BITS` bits, rounded.
    fn descale<const BITS: i32>(self) -> Self;
}

impl Lanes for [i32; 8] {
    fn add(self, other: Self) -> Self {
        array::from_fn(|lane| self[lane].wrapping_add(other[lane]))
    }

    fn sub(self, other: Self) -> Self {
        array::from_fn(|lane| self[lane].wrapping_sub(other[lane]))
    }

    fn times(self, factor: i32) -> Self {
        self.map(|value| value.wrapping_mul(factor))
    }

    fn descale<const BITS: i32>(self) -> Self {
        self.map(|value| value.wrapping_add(1 << (BITS - 1)) >> BITS)
    }
}

/// The transform of each column; results have `BITS` bits less.
#[inline(always)]
fn columns<const BITS: i32, L: Lanes>(rows: &[L; 8]) -> [L; 8] {
    // Even rows.
    let z1 = rows[2].add(rows[6]).times(FIX_0_541196100);
    let t2 = z1.sub(rows[6].times(FIX_1_847759065));
    let t3 = z1.add(rows[2].times(FIX_0_765366865));
    let t0 = rows[0].add(rows[4]).times(1 << CONST_BITS);
    let t1 = rows[0].sub(rows[4]).times(1 << CONST_BITS);
    let (e0, e1, e2, e3) = (t0.add(t3), t1.add(t2), t1.sub(t2), t0.sub(t3));

    // Odd rows.
    let (z1, z2) = (rows[7].add(rows[1]), rows[5].add(rows[3]));
    let (z3, z4) = (rows[7].add(rows[3]), rows[5].add(rows[1]));
    let z5 = z3.add(z4).times(FIX_1_175875602);
    let (z1, z2) = (z1.times(-FIX_0_899976223), z2.times(-FIX_2_562915447));
    let z3 = z3.times(-FIX_1_961570560).add(z5);
    let z4 = z4.times(-FIX_0_390180644).add(z5);
    let o0 = rows[1].times(FIX_1_501321110).add(z1).add(z4);
    let o1 = rows[3].times(FIX_3_072711026).add(z2).add(z3);
    let o2 = rows[5].times(FIX_2_053119869).add(z2).add(z4);
    let o3 = rows[7].times(FIX_0_298631336).add(z1).add(z3);

    [
        e0.add(o0).descale::<BITS>(),
        e1.add(o1).descale::<BITS>(),
        e2.add(o2).descale::<BITS>(),
        e3.add(o3).descale::<BITS>(),
        e3.sub(o3).descale::<BITS>(),
        e2.sub(o2).descale::<BITS>(),
        e1.sub(o1).descale::<BITS>(),
        e0.sub(o0).descale::<BITS>(),
    ]
}

/// What columns lose, and then rows.
const COLUMN_BITS: i32 = CONST_BITS - PASS1_BITS;
const ROW_BITS: i32 = CONST_BITS + PASS1_BITS + 3;

/// Samples 0..=255 of a block, row by row, from its coefficients and the quantisation table.
#[inline]
pub(super) fn samples(coefficients: &Block, quantisation: &[i32; 64]) -> [[u8; 8]; 8] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        #[allow(unsafe_code, reason = "a function with vector instructions")]
        return unsafe { avx2::samples(coefficients, quantisation) };
    }
    samples_portable(coefficients, quantisation)
}

fn samples_portable(coefficients: &Block, quantisation: &[i32; 64]) -> [[u8; 8]; 8] {
    let rows = array::from_fn(|row| {
        array::from_fn(|column| {
            let place = 8 * row + column;
            i32::from(coefficients[place]).wrapping_mul(quantisation[place])
        })
    });
    let half_way = columns::<COLUMN_BITS, _>(&rows);
    let columns = columns::<ROW_BITS, _>(&transposed(&half_way));
    transposed(&columns).map(|row| row.map(to_sample))
}

fn transposed(rows: &[[i32; 8]; 8]) -> [[i32; 8]; 8] {
    array::from_fn(|row| array::from_fn(|column| rows[column][row]))
}

/// The samples of a block that has no other coefficient than the first: they are all the same.
pub(super) fn flat_sample(coefficient: i16, quantisation: i32) -> u8 {
    to_sample(
        i32::from(coefficient)
            .wrapping_mul(quantisation)
            .wrapping_add(4)
            >> 3,
    )
}

fn to_sample(value: i32) -> u8 {
    value.saturating_add(128).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, from -2048 to 2047.
    fn noise() -> impl FnMut() -> i16 {
        let mut state = 1_u32;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 20) as i16) - 2048
        }
    }

    /// The definition (ITU-T T.81, A.3.3), in floating point.
    fn definition(coefficients: &Block) -> [[f64; 8]; 8] {
        let scale = |n: usize| if n == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let wave = |place: usize, frequency: usize| {
            ((2 * place + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0).cos()
        };
        array::from_fn(|y| {
            array::from_fn(|x| {
                let term = |(n, coefficient): (usize, &i16)| {
                    let (v, u) = (n / 8, n % 8);
                    scale(u) * scale(v) * f64::from(*coefficient) * wave(x, u) * wave(y, v)
                };
                coefficients.iter().enumerate().map(term).sum::<f64>() / 4.0 + 128.0
            })
        })
    }

    #[test]
    fn samples_are_those_of_the_definition_to_within_rounding() {
        let mut next = noise();
        for _ in 0..200 {
            let coefficients: Block = array::from_fn(|n| next() / (8 + n as i16));
            let samples = samples(&coefficients, &[1; 64]);
            for (row, exact) in samples.iter().zip(definition(&coefficients)) {
                for (sample, exact) in row.iter().zip(exact) {
                    let difference = f64::from(*sample) - exact.clamp(0.0, 255.0);
                    assert!(difference.abs() < 0.6, "{sample} is not {exact}");
                }
            }
        }
    }

    #[test]
    fn every_processor_gives_the_same_samples() {
        let mut next = noise();
        for _ in 0..2000 {
            let coefficients: Block = array::from_fn(|_| next());
            let quantisation = array::from_fn(|_| i32::from(next() & 63) + 1);
            let portable = samples_portable(&coefficients, &quantisation);
            assert_eq!(samples(&coefficients, &quantisation), portable);
        }
    }

    #[test]
    fn a_flat_block_has_the_samples_of_a_whole_one() {
        for dc in -1100..1100 {
            let mut coefficients = [0; 64];
            coefficients[0] = dc;
            assert_eq!(
                samples(&coefficients, &[3; 64]),
                [[flat_sample(dc, 3); 8]; 8]
            );
        }
    }
}

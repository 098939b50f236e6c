//! The number types that are multiplied, and slices of either.

use std::ops::Range;

use super::pixels::round_to_bf16;

/// The number type that a kernel multiplies. Sums are f32, and i32 for whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// bfloat16: the upper half of an f32, with 8 bits of exponent and 7 of fraction.
    Bf16,
    /// Eight bits: unsigned inputs, signed weights.
    Int8,
}

/// What the numbers of a buffer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    F32,
    Bf16,
    /// Eight bits, where `zero_point` stands for zero.
    U8 {
        zero_point: u8,
    },
}

impl Stored {
    /// The size of one number in bytes.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
            Self::U8 { .. } => 1,
        }
    }
}

impl DType {
    /// How many numbers a [`Unit`] holds.
    pub(crate) const fn per_unit(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
            Self::Int8 => 4,
        }
    }

    /// The size of one number in bytes.
    pub(crate) const fn bytes(self) -> usize {
        size_of::<Unit>() / self.per_unit()
    }
}

/// One step along k, 4 bytes: the bits of one f32, or two bf16 or four bytes that follow each other along k, the
/// first in the lowest bits.
///
/// Every microkernel advances along k by whole units, so the same loops and offsets serve all number types.
/// It is an alias and no type of its own because `vec![0; n]` gets untouched zero pages from the allocator for
/// primitive types only ([`AlignedVec`](super::aligned::AlignedVec) relies on that).
pub(crate) type Unit = u32;

/// The unit of one f32.
pub(crate) fn unit_of_f32(value: f32) -> Unit {
    value.to_bits()
}

/// The unit of two numbers that follow each other along k, rounded to bf16.
pub(crate) fn unit_of_bf16_pair([first, second]: [f32; 2]) -> Unit {
    u32::from(to_bf16(second)) << 16 | u32::from(to_bf16(first))
}

/// The unit of four numbers that follow each other along k.
pub(crate) fn unit_of_four(values: [i8; 4]) -> Unit {
    Unit::from_le_bytes(values.map(i8::cast_unsigned))
}

/// A slice of numbers of any type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TypedSlice<'a> {
    F32(&'a [f32]),
    Bf16(&'a [u16]),
    U8(&'a [u8]),
}

impl TypedSlice<'_> {
    pub(crate) fn range(self, range: Range<usize>) -> Self {
        match self {
            Self::F32(values) => Self::F32(&values[range]),
            Self::Bf16(values) => Self::Bf16(&values[range]),
            Self::U8(values) => Self::U8(&values[range]),
        }
    }

    pub(crate) fn as_ptr(self) -> *const u8 {
        match self {
            Self::F32(values) => values.as_ptr().cast(),
            Self::Bf16(values) => values.as_ptr().cast(),
            Self::U8(values) => values.as_ptr(),
        }
    }

    /// Its size in bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32(values) => size_of_val(values),
            Self::Bf16(values) => size_of_val(values),
            Self::U8(values) => values.len(),
        }
    }
}

/// A mutable slice of numbers of any type.
#[derive(Debug)]
pub(crate) enum TypedSliceMut<'a> {
    F32(&'a mut [f32]),
    Bf16(&'a mut [u16]),
    /// And what stands for zero in it.
    U8(&'a mut [u8], u8),
}

impl<'a> TypedSliceMut<'a> {
    pub(crate) fn range(self, range: Range<usize>) -> TypedSliceMut<'a> {
        match self {
            Self::F32(values) => Self::F32(&mut values[range]),
            Self::Bf16(values) => Self::Bf16(&mut values[range]),
            Self::U8(values, zero_point) => Self::U8(&mut values[range], zero_point),
        }
    }

    pub(crate) fn as_shared(&self) -> TypedSlice<'_> {
        match self {
            Self::F32(values) => TypedSlice::F32(values),
            Self::Bf16(values) => TypedSlice::Bf16(values),
            Self::U8(values, _) => TypedSlice::U8(values),
        }
    }

    /// Writes values from position `at` on, converted to the slice's type.
    pub(crate) fn write(&mut self, at: usize, values: &[f32]) {
        match self {
            Self::F32(target) => target[at..][..values.len()].copy_from_slice(values),
            Self::Bf16(target) => round_to_bf16(values, &mut target[at..][..values.len()]),
            Self::U8(target, zero_point) => {
                for (target, value) in target[at..][..values.len()].iter_mut().zip(values) {
                    *target = to_u8(*value, *zero_point);
                }
            }
        }
    }
}

/// The nearest bf16, ties to even. NaN stays NaN.
#[inline]
pub(crate) fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        // The quiet bit, since the fraction's upper bits may all be zero.
        return (bits >> 16) as u16 | 0x40;
    }
    // Half of the last kept bit, or just below it where that bit is even.
    let rounding = 0x7FFF + ((bits >> 16) & 1);
    (bits.wrapping_add(rounding) >> 16) as u16
}

/// The nearest whole number of eight bits, ties to even, where `zero_point` stands for zero. What is beyond the ends
/// becomes the end.
#[inline]
pub(crate) fn to_u8(value: f32, zero_point: u8) -> u8 {
    let zero = f32::from(zero_point);
    let rounded = to_whole(value, -zero, 255.0 - zero) + zero;
    // Exact: the sum is a whole number, which lies in the lowest bits of a number with this exponent.
    (rounded + WHOLE).to_bits() as u8
}

/// A number of this size has no bits left for a fraction.
const WHOLE: f32 = 12_582_912.0;

/// The nearest whole number, ties to even, within bounds of some hundred. NaN stays NaN.
///
/// `round_ties_even` is a function call on x86-64 without SSE 4.1, for which this crate is compiled.
#[inline]
pub(crate) fn to_whole(value: f32, least: f32, most: f32) -> f32 {
    (value.clamp(least, most) + WHOLE) - WHOLE
}

/// The f32 of the same value.
#[cfg(test)]
pub(crate) fn from_bf16(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_are_the_nearest_and_end_at_their_ends() {
        for zero_point in [0, 7, 128, 255] {
            for quarters in -2000..2000_i16 {
                let value = f32::from(quarters) / 4.0;
                let expected = value.round_ties_even() + f32::from(zero_point);
                let found = to_u8(value, zero_point);
                assert_eq!(f32::from(found), expected.clamp(0.0, 255.0), "{value}");
            }
            // 128 more would round it to a tie.
            assert_eq!(to_u8(0.500_000_1, zero_point), zero_point.saturating_add(1));
            assert_eq!(to_u8(f32::INFINITY, zero_point), 255);
            assert_eq!(to_u8(f32::MIN, zero_point), 0);
        }
        assert!(to_whole(f32::NAN, 0.0, 255.0).is_nan());
    }

    #[test]
    fn bf16_is_the_nearest_and_keeps_what_is_special() {
        for value in [0.0, -0.0, 1.0, -2.5, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(from_bf16(to_bf16(value)).to_bits(), value.to_bits());
        }
        assert!(from_bf16(to_bf16(f32::NAN)).is_nan());
        // 1 + 2^-8 lies in the middle of 1 and 1 + 2^-7: to the even one.
        assert_eq!(from_bf16(to_bf16(1.0 + 0.003_906_25)), 1.0);
        assert_eq!(
            from_bf16(to_bf16(1.0 + 3.0 * 0.003_906_25)),
            1.0 + 0.015_625
        );
        assert_eq!(from_bf16(to_bf16(1.004)), 1.007_812_5);
        assert_eq!(from_bf16(to_bf16(f32::MAX)), f32::INFINITY);
    }
}

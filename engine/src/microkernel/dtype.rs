//! The number types that are multiplied, and slices of either.

use std::ops::Range;

/// The number type that a kernel multiplies. Sums are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// bfloat16: the upper half of an f32, with 8 bits of exponent and 7 of fraction.
    Bf16,
}

impl DType {
    /// How many numbers a [`Unit`] holds.
    pub(crate) const fn per_unit(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
        }
    }

    /// The size of one number in bytes.
    pub(crate) const fn bytes(self) -> usize {
        size_of::<Unit>() / self.per_unit()
    }
}

/// One step along k, 4 bytes: the bits of one f32, or two bf16 that follow each other along k, the first in
/// the lower half.
///
/// Every microkernel advances along k by whole units, so the same loops and offsets serve both number types.
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

/// A slice of numbers of either type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TypedSlice<'a> {
    F32(&'a [f32]),
    Bf16(&'a [u16]),
}

impl TypedSlice<'_> {
    pub(crate) fn range(self, range: Range<usize>) -> Self {
        match self {
            Self::F32(values) => Self::F32(&values[range]),
            Self::Bf16(values) => Self::Bf16(&values[range]),
        }
    }

    pub(crate) fn as_ptr(self) -> *const u8 {
        match self {
            Self::F32(values) => values.as_ptr().cast(),
            Self::Bf16(values) => values.as_ptr().cast(),
        }
    }

    /// Its size in bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32(values) => size_of_val(values),
            Self::Bf16(values) => size_of_val(values),
        }
    }
}

/// A mutable slice of numbers of either type.
#[derive(Debug)]
pub(crate) enum TypedSliceMut<'a> {
    F32(&'a mut [f32]),
    Bf16(&'a mut [u16]),
}

impl<'a> TypedSliceMut<'a> {
    pub(crate) fn range(self, range: Range<usize>) -> TypedSliceMut<'a> {
        match self {
            Self::F32(values) => Self::F32(&mut values[range]),
            Self::Bf16(values) => Self::Bf16(&mut values[range]),
        }
    }

    pub(crate) fn as_shared(&self) -> TypedSlice<'_> {
        match self {
            Self::F32(values) => TypedSlice::F32(values),
            Self::Bf16(values) => TypedSlice::Bf16(values),
        }
    }

    /// Writes values from position `at` on, converted to the slice's type.
    pub(crate) fn write(&mut self, at: usize, values: &[f32]) {
        match self {
            Self::F32(target) => target[at..][..values.len()].copy_from_slice(values),
            Self::Bf16(target) => {
                for (target, value) in target[at..][..values.len()].iter_mut().zip(values) {
                    *target = to_bf16(*value);
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

/// The f32 of the same value.
#[cfg(test)]
pub(crate) fn from_bf16(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

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

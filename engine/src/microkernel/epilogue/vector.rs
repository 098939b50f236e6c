//! What the epilogue needs of a processor's vectors.

#![allow(unsafe_code, reason = "vector instructions, and pointers for them")]

/// A SIMD vector of f32.
///
/// All methods become part of functions that are compiled for the vector's instructions, so they are
/// `#[inline(always)]`.
///
/// # Safety
///
/// Callers compute addresses from these, so an implementation must keep them:
/// - `LANES` is the number of f32 in the vector.
/// - `load`, `store` and `store_bf16` touch the memory of the first `count` values and no other.
pub(in crate::microkernel) unsafe trait Vector: Copy {
    const LANES: usize;

    /// Loads `count` values; the other lanes are zero.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions. `count` is 1 to `LANES`, and `count` values can be read.
    unsafe fn load(from: *const f32, count: usize) -> Self;

    /// Stores the first `count` values.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions. `count` is 1 to `LANES`, and `count` values can be written.
    unsafe fn store(self, to: *mut f32, count: usize);

    /// Stores the first `count` values, each as the nearest bf16.
    ///
    /// # Safety
    ///
    /// As for [`store`](Self::store).
    ///
    /// # Panics
    ///
    /// Panics if the processor has no instruction for it: no kernel of these vectors has buffers of bf16.
    unsafe fn store_bf16(self, to: *mut u16, count: usize);

    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn add(self, other: Self) -> Self;

    /// `self * scale + shift`.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn scale_shift(self, scale: Self, shift: Self) -> Self;

    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn mul(self, other: Self) -> Self;

    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn div(self, other: Self) -> Self;

    /// Two to the power of a whole number to which 1.5 * 2^23 was added, of -126 to 127.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn power_of_two(self) -> Self;

    /// As [`relu`](super::relu).
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn relu(self) -> Self;

    /// As [`max_assign`](super::max_assign).
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn max(self, other: Self) -> Self;

    /// The same value in all lanes.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn splat(value: f32) -> Self;

    /// No less than `least` and no more than `most`. NaN stays NaN.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn limit(self, least: Self, most: Self) -> Self;
}

/// What the epilogue of whole numbers needs besides.
///
/// # Safety
///
/// As for [`Vector`]: `load_u8` and `store_u8` touch the memory of the first `count` bytes and no other, and `store_two_u8`
/// that of `2 * LANES` bytes.
pub(in crate::microkernel) unsafe trait Int8Vector: Vector {
    /// Loads `count` bytes; the other lanes are zero.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions. `count` is 1 to `LANES`, and `count` bytes can be read.
    unsafe fn load_u8(from: *const u8, count: usize) -> Self;

    /// Stores the first `count` values, each as the nearest whole number, ties to even, plus `zero_point`, whose bits
    /// are those of i32. All are such that this has eight bits.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions. `count` is 1 to `LANES`, and `count` bytes can be written.
    unsafe fn store_u8(self, zero_point: Self, to: *mut u8, count: usize);

    /// The same for two vectors, one after the other, and all of their values.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions, and twice `LANES` bytes can be written.
    unsafe fn store_two_u8(two: [Self; 2], zero_point: Self, to: *mut u8);

    /// The greater of two values whose bits are those of i32.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn max_i32(self, other: Self) -> Self;

    /// The sum of two values whose bits are those of i32.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn add_i32(self, other: Self) -> Self;

    /// The nearest f32 of values whose bits are those of i32.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn i32_to_f32(self) -> Self;

    /// No less than `least` and no more than `most`. No value is NaN.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn clamp(self, least: Self, most: Self) -> Self;

    /// The nearest whole number, ties to even.
    ///
    /// # Safety
    ///
    /// The processor has the vector's instructions.
    unsafe fn to_whole(self) -> Self;
}

/// Evaluates an expression for `count` values, a vector of them at a time: `$at` is the position of the
/// vector's first value, and `$lanes` the number of its values.
///
/// `$lanes` is a constant but for the last vector, so the compiler leaves masks out. It is a macro, not a
/// function that takes a closure: intrinsics become single instructions only where they are inlined into a
/// function with their target features, and a macro leaves nothing to inline.
macro_rules! for_each_vector {
    ($vector:ty, $count:expr, |$at:ident, $lanes:ident| $body:expr) => {{
        let (count, mut $at) = ($count, 0);
        while $at + <$vector>::LANES <= count {
            let $lanes = <$vector>::LANES;
            $body;
            $at += $lanes;
        }
        if $at < count {
            let $lanes = count - $at;
            $body;
        }
    }};
}
pub(super) use for_each_vector;

//! Smooth functions by vectors: those of [`Function`], with the same numbers, but products and sums are contracted. So
//! their last bits may differ from those of plain loops.

#![allow(unsafe_code, reason = "vector instructions, and pointers for them")]
#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use super::flow::Finish;
use super::function::{Function, exponential, gelu_by_tanh, hard_swish, normal};
use super::vector::{Vector, for_each_vector};

/// Declares a finish for each function, of these values.
macro_rules! finishes {
    ($($name:ident($values:ident) $body:block)+) => {
        $(
            #[doc = concat!("[`Function::", stringify!($name), "`]")]
            #[derive(Clone, Copy)]
            pub(super) struct $name;

            impl<V: Vector> Finish<V> for $name {
                #[inline(always)]
                unsafe fn finish(self, $values: V) -> V {
                    // SAFETY: as the caller guarantees.
                    unsafe { $body }
                }
            }
        )+
    };
}

/// Evaluates an expression with the finish of a smooth function, or another one for all else.
macro_rules! with_finish {
    ($function:expr, |$finish:ident| $of_smooth:expr, $of_others:expr) => {{
        use $crate::microkernel::epilogue::function::Function;
        use $crate::microkernel::epilogue::smooth;
        macro_rules! with {
            ($smooth:expr) => {{
                let $finish = $smooth;
                $of_smooth
            }};
        }
        match $function {
            Some(Function::Sigmoid) => with!(smooth::Sigmoid),
            Some(Function::Silu) => with!(smooth::Silu),
            Some(Function::HardSwish) => with!(smooth::HardSwish),
            Some(Function::Gelu) => with!(smooth::Gelu),
            Some(Function::GeluByTanh) => with!(smooth::GeluByTanh),
            _ => $of_others,
        }
    }};
}
pub(super) use with_finish;

finishes! {
    Sigmoid(values) {
        let one = V::splat(1.0);
        one.div(exp(values.mul(V::splat(-1.0))).add(one))
    }
    Silu(values) {
        values.div(exp(values.mul(V::splat(-1.0))).add(V::splat(1.0)))
    }
    HardSwish(values) {
        let [slope, shift] = hard_swish::LINE.map(|number| V::splat(number));
        values.mul(values.scale_shift(slope, shift).limit(V::splat(0.0), V::splat(1.0)))
    }
    Gelu(values) {
        values.mul(normal_distribution(values))
    }
    GeluByTanh(values) {
        let [linear, cubic] = gelu_by_tanh::FACTORS.map(|number| V::splat(number));
        let slope = values.mul(values).scale_shift(cubic, linear);
        let twice = values.mul(slope);
        values.div(exp(twice.mul(V::splat(-1.0))).add(V::splat(1.0)))
    }
}

/// Applies a function to the values of one pixel, which are those of `channels` channels from `first` on.
///
/// # Safety
///
/// The processor has the vector's instructions. The row has room for the channels in whole vectors.
#[inline(always)]
pub(super) unsafe fn apply_to_row<V: Vector>(
    function: &Function,
    first: usize,
    row: *mut f32,
    channels: usize,
) {
    // In whole vectors. What is behind the channels is never stored.
    let whole = channels.next_multiple_of(V::LANES);
    // SAFETY: as the caller guarantees.
    unsafe {
        with_finish!(
            Some(function),
            |finish| for_each_vector!(V, whole, |at, lanes| {
                let values = V::load(row.add(at), lanes);
                finish.finish(values).store(row.add(at), lanes);
            }),
            function.apply(first, std::slice::from_raw_parts_mut(row, whole))
        );
    }
}

/// As `function::exponential::of`.
#[inline(always)]
unsafe fn exp<V: Vector>(values: V) -> V {
    use exponential::{COEFFICIENTS, HIGHEST, LN_2, RANGE, WHOLE};
    // SAFETY: as the caller guarantees.
    unsafe {
        let values = values.limit(V::splat(RANGE[0]), V::splat(RANGE[1]));
        let shifted = values.scale_shift(V::splat(std::f32::consts::LOG2_E), V::splat(WHOLE));
        let whole = shifted.add(V::splat(-WHOLE));
        let rest = whole.scale_shift(V::splat(-LN_2[0]), values);
        let rest = whole.scale_shift(V::splat(-LN_2[1]), rest);
        let mut sum = V::splat(HIGHEST);
        for coefficient in COEFFICIENTS {
            sum = sum.scale_shift(rest, V::splat(coefficient));
        }
        let of_rest = sum.scale_shift(rest.mul(rest), rest).add(V::splat(1.0));
        of_rest.mul(shifted.power_of_two())
    }
}

/// As `function::normal::of`.
#[inline(always)]
unsafe fn normal_distribution<V: Vector>(values: V) -> V {
    use normal::{ABOVE, BELOW, END, HIGHEST};
    // SAFETY: as the caller guarantees.
    unsafe {
        let inside = values.limit(V::splat(-END), V::splat(END));
        let square = inside.mul(inside);
        let [mut above, mut below] = HIGHEST.map(|number| V::splat(number));
        for (of_above, of_below) in ABOVE.into_iter().zip(BELOW) {
            above = above.scale_shift(square, V::splat(of_above));
            below = below.scale_shift(square, V::splat(of_below));
        }
        let odd = inside.mul(above).div(below);
        odd.limit(V::splat(-0.5), V::splat(0.5)).add(V::splat(0.5))
    }
}

//! Functions of single values, as networks have them behind convolutions.
//!
//! All is plain arithmetic without branches, of which the compiler makes vectors where the loop becomes part of a
//! function for them. The epilogue of vectors has the smooth ones in its own way, with the same numbers (`smooth`).

#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use std::ops::Range;
use std::sync::Arc;

/// A function of each value. NaN stays NaN in all of them.
///
/// The smooth ones that end at zero for negative values are right to 1e-8 as far as -1e30: [`exponential`] has an end, which a
/// value beyond that is divided by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Function {
    /// No less than one bound and no more than the other: ONNX's `Clip`.
    Limit { least: f32, most: f32 },
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
    /// `x` times `x / 6 + 1 / 2`, the latter between 0 and 1.
    HardSwish,
    /// `x` times the standard normal distribution's function of `x`.
    Gelu,
    /// The same by a hyperbolic tangent, which differs by up to 5e-4.
    GeluByTanh,
    /// Negative values times a factor.
    LeakyRelu { slope: f32 },
    /// Negative values times a factor, one for each channel.
    Prelu { slopes: Arc<[f32]> },
}

impl Function {
    /// The same for some of the channels alone.
    pub(crate) fn of_channels(&self, channels: Range<usize>) -> Self {
        match self {
            Self::Prelu { slopes } => Self::Prelu {
                slopes: slopes[channels].into(),
            },
            other => other.clone(),
        }
    }

    /// Applies it to values of one pixel, which are those of as many channels from `first` on.
    #[inline(always)]
    pub(crate) fn apply(&self, first: usize, values: &mut [f32]) {
        match *self {
            Self::Limit { least, most } => {
                for value in values {
                    *value = limit(*value, least, most);
                }
            }
            Self::Sigmoid => {
                for value in values {
                    *value = 1.0 / (1.0 + exponential::of(-*value));
                }
            }
            Self::Silu => {
                for value in values {
                    *value /= 1.0 + exponential::of(-*value);
                }
            }
            Self::HardSwish => {
                for value in values {
                    let [slope, shift] = hard_swish::LINE;
                    *value *= limit(*value * slope + shift, 0.0, 1.0);
                }
            }
            Self::Gelu => {
                for value in values {
                    *value *= normal::of(*value);
                }
            }
            Self::GeluByTanh => {
                for value in values {
                    let x = *value;
                    let [linear, cubic] = gelu_by_tanh::FACTORS;
                    let twice = x * (x * x * cubic + linear);
                    *value = x / (1.0 + exponential::of(-twice));
                }
            }
            Self::LeakyRelu { slope } => {
                for value in values {
                    *value = leaky(*value, slope);
                }
            }
            Self::Prelu { ref slopes } => {
                for (value, slope) in values.iter_mut().zip(&slopes[first..]) {
                    *value = leaky(*value, *slope);
                }
            }
        }
    }
}

#[inline(always)]
fn leaky(value: f32, slope: f32) -> f32 {
    let scaled = value * slope;
    if value < 0.0 { scaled } else { value }
}

#[inline(always)]
fn limit(value: f32, least: f32, most: f32) -> f32 {
    let value = if value < least { least } else { value };
    if value > most { most } else { value }
}

pub(super) mod hard_swish {
    /// Slope and shift of the line that is limited.
    pub(in super::super) const LINE: [f32; 2] = [1.0 / 6.0, 0.5];
}

pub(super) mod gelu_by_tanh {
    /// Of `x` and its cube, twice what the hyperbolic tangent is taken of: `(1 + tanh(t)) / 2` is the sigmoid of `2 t`.
    pub(in super::super) const FACTORS: [f32; 2] = [1.595_769, 0.071_354_814];
}

/// The standard normal distribution's function, up to 2e-7.
///
/// It is one half and an odd function: `x` times a quotient of two polynomials of `x` squared, which were fitted for the
/// least of the greatest errors.
pub(super) mod normal {
    use super::limit;

    /// Beyond so many standard deviations it is 0 and 1.
    pub(in super::super) const END: f32 = 5.5;
    /// The coefficients of the highest power, above and below the line.
    pub(in super::super) const HIGHEST: [f32; 2] = [2.274_931_3e-8, 1.197_501_1e-6];
    /// The others. At the end the quotient is a little more than one half.
    pub(in super::super) const ABOVE: [f32; 5] = [
        6.352_102_6e-6,
        1.688_256_4e-4,
        4.677_261e-3,
        3.385_266_3e-2,
        3.989_422_7e-1,
    ];
    pub(in super::super) const BELOW: [f32; 5] = [
        7.364_739_6e-5,
        1.884_444_8e-3,
        2.864_587_7e-2,
        2.515_219_5e-1,
        1.0,
    ];

    #[inline(always)]
    pub(super) fn of(x: f32) -> f32 {
        let inside = limit(x, -END, END);
        let square = inside * inside;
        let [mut above, mut below] = HIGHEST;
        for (of_above, of_below) in ABOVE.into_iter().zip(BELOW) {
            above = above * square + of_above;
            below = below * square + of_below;
        }
        limit(inside * above / below, -0.5, 0.5) + 0.5
    }
}

/// `exp(x)`, at most 2 units in the last place off. It ends at about 1e-38 and 2e38, in place of 0 and infinity.
///
/// `x` is a whole number of `ln 2`, and a rest of which the exponential is a polynomial (Cephes, `expf`).
pub(super) mod exponential {
    use super::limit;

    pub(in super::super) const RANGE: [f32; 2] = [-87.3, 88.3];
    /// Its last bits are those of the whole number that it is added to: 1.5 * 2^23.
    pub(in super::super) const WHOLE: f32 = 12_582_912.0;
    /// ln 2 in two parts. The first has so few bits that a product with a whole number is exact.
    pub(in super::super) const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    /// The coefficients of the polynomial, from the highest power on.
    pub(in super::super) const HIGHEST: f32 = 1.987_569_1e-4;
    pub(in super::super) const COEFFICIENTS: [f32; 5] = [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        0.166_666_66,
        0.5,
    ];
    /// The bits of one: an exponent of zero.
    const BIAS: u32 = 127 << 23;

    #[inline(always)]
    pub(super) fn of(x: f32) -> f32 {
        let x = limit(x, RANGE[0], RANGE[1]);
        let shifted = x * std::f32::consts::LOG2_E + WHOLE;
        let whole = shifted - WHOLE;
        let rest = x - whole * LN_2[0] - whole * LN_2[1];
        let mut sum = HIGHEST;
        for coefficient in COEFFICIENTS {
            sum = sum * rest + coefficient;
        }
        let of_rest = sum * (rest * rest) + rest + 1.0;
        let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(BIAS));
        of_rest * power
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(function: &Function, value: f32) -> f32 {
        let mut values = [value];
        function.apply(0, &mut values);
        values[0]
    }

    fn assert_near(found: f32, expected: f64, what: &str) {
        let error = (f64::from(found) - expected).abs();
        let tolerance = 5e-7 * expected.abs() + 1e-37;
        assert!(error <= tolerance, "{what}: {found}, not {expected}");
    }

    #[test]
    fn smooth_functions_are_right_to_the_last_digits() {
        for n in -8_700..8_700 {
            let x = n as f32 / 100.0 + 0.003;
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert_near(of(&Function::Sigmoid, x), exact, "sigmoid");
            assert_near(of(&Function::Silu, x), f64::from(x) * exact, "silu");
        }
        for n in -1_200..1_200 {
            let x = n as f32 / 100.0 + 0.003;
            let exact = f64::from(x) * normal_by_series(f64::from(x));
            let error = (f64::from(of(&Function::Gelu, x)) - exact).abs();
            assert!(
                error < 3e-7 * f64::from(x.abs()).max(0.5),
                "gelu({x}): {error}"
            );
            let inner = 0.797_884_560_8 * f64::from(x) * (1.0 + 0.044_715 * f64::from(x * x));
            let exact = f64::from(x) * (1.0 + inner.tanh()) / 2.0;
            let error = (f64::from(of(&Function::GeluByTanh, x)) - exact).abs();
            assert!(
                error < 1e-6 * f64::from(x.abs()).max(0.5),
                "gelu by tanh({x}): {error}"
            );
        }
        for function in [Function::Gelu, Function::GeluByTanh] {
            assert!(of(&function, -1e4).abs() < 1e-30);
            assert_eq!(of(&function, 1e4), 1e4);
            assert_eq!(of(&function, 0.0), 0.0);
        }
        for far in [-1e30, -200.0] {
            assert!(of(&Function::Sigmoid, far).abs() < 1e-37);
        }
        assert_eq!(of(&Function::Sigmoid, 200.0), 1.0);
        assert_eq!(of(&Function::Silu, 200.0), 200.0);
        assert_eq!(of(&Function::Silu, 0.0), 0.0);
    }

    /// The distribution's function by its Taylor series around zero, and for far values by its asymptotic one.
    fn normal_by_series(x: f64) -> f64 {
        let density = (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
        if x.abs() > 6.0 {
            let tail = density / x.abs() * (1.0 - 1.0 / (x * x));
            return if x > 0.0 { 1.0 - tail } else { tail };
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= x * x / f64::from(2 * n + 1);
            sum += term;
        }
        0.5 + density * sum
    }

    #[test]
    fn functions_of_pieces_are_right_at_their_ends() {
        let limit = Function::Limit {
            least: -1.0,
            most: 6.0,
        };
        let leaky = Function::LeakyRelu { slope: 0.25 };
        for (function, x, expected) in [
            (limit.clone(), -7.0, -1.0),
            (limit.clone(), 2.5, 2.5),
            (limit, f32::INFINITY, 6.0),
            (leaky.clone(), -2.0, -0.5),
            (leaky, 3.0, 3.0),
            (Function::HardSwish, -3.5, 0.0),
            (Function::HardSwish, 0.0, 0.0),
            (Function::HardSwish, 1.5, 1.125),
            (Function::HardSwish, 4.0, 4.0),
        ] {
            let found = of(&function, x);
            assert!(
                (found - expected).abs() < 1e-6,
                "{function:?} of {x}: {found}"
            );
        }
    }

    #[test]
    fn each_channel_has_a_slope_of_its_own() {
        let slopes = [9.0, 0.5, -1.0, 0.0].into();
        let mut values = [-2.0, -2.0, -2.0, 7.0];
        Function::Prelu { slopes }.apply(1, &mut values);
        // The last is no channel's.
        assert_eq!(values, [-1.0, 2.0, 0.0, 7.0]);
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        for function in [
            Function::Limit {
                least: 0.0,
                most: 6.0,
            },
            Function::Sigmoid,
            Function::Silu,
            Function::HardSwish,
            Function::Gelu,
            Function::GeluByTanh,
            Function::LeakyRelu { slope: 0.1 },
            Function::Prelu {
                slopes: [0.1].into(),
            },
        ] {
            assert!(of(&function, f32::NAN).is_nan(), "{function:?}");
        }
    }
}

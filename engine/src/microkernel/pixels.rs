//! What steps beside convolutions do to the pixels of images: planes become channels side by side, f32 become bytes or
//! bf16, and the pixels of a pooling window become one. These are plain loops, of which the compiler makes vectors.

#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use super::dtype::{to_bf16, to_u8};
use super::epilogue::function::Function;
use super::epilogue::{greater, relu};

/// Channels whose sums are in registers at the same time.
const TOGETHER: usize = 32;

/// Defines a function twice: for all processors of a kind, and for those with AVX2, for which the compiler makes wider
/// vectors of the same loops. Neither contracts a product and a sum, so both give the same bits.
macro_rules! by_vectors {
    (
        $(#[$about:meta])*
        $visibility:vis fn $name:ident $(<$generic:ident: $bound:ident>)? (
            $($argument:ident: $type:ty),* $(,)?
        ) $(-> $result:ty)? $body:block
    ) => {
        $(#[$about])*
        $visibility fn $name $(<$generic: $bound>)? ($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn by_loops $(<$generic: $bound>)? ($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn by_avx2 $(<$generic: $bound>)? ($($argument: $type),*) $(-> $result)? {
                    by_loops($($argument),*)
                }

                if is_x86_feature_detected!("avx2") {
                    // SAFETY: AVX2 has just been detected.
                    #[allow(unsafe_code, reason = "a function for the processor's vectors")]
                    return unsafe { by_avx2($($argument),*) };
                }
            }
            by_loops($($argument),*)
        }
    };
}

by_vectors! {
    /// Rounds values to bytes: the nearest number of quanta, of which `zero_point` is none. Says whether one was no
    /// number, which bytes can't say.
    pub(crate) fn quantise(values: &[f32], quantum: f32, zero_point: u8, bytes: &mut [u8]) -> bool {
        let mut is_lost = false;
        for (byte, value) in bytes.iter_mut().zip(values) {
            is_lost |= value.is_nan();
            *byte = to_u8(*value / quantum, zero_point);
        }
        is_lost
    }
}

by_vectors! {
    /// Rounds values to bf16.
    pub(crate) fn round_to_bf16(values: &[f32], rounded: &mut [u16]) {
        for (rounded, value) in rounded.iter_mut().zip(values) {
            *rounded = to_bf16(*value);
        }
    }
}

by_vectors! {
    /// Multiplies each value with a scale, adds a shift, and perhaps applies ReLU.
    pub(crate) fn scale_and_shift(
        values: &[f32],
        scale: &[f32],
        shift: &[f32],
        has_relu: bool,
        scaled: &mut [f32],
    ) {
        let of_channels = scale.iter().zip(shift);
        for ((scaled, value), (scale, shift)) in scaled.iter_mut().zip(values).zip(of_channels) {
            *scaled = value * scale + shift;
        }
        if has_relu {
            relu(scaled);
        }
    }
}

by_vectors! {
    /// Applies a function to all channels of a pixel.
    pub(crate) fn apply(function: &Function, values: &mut [f32]) {
        function.apply(0, values);
    }
}

by_vectors! {
    pub(crate) fn add(left: &[f32], right: &[f32], sums: &mut [f32]) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum = left + right;
        }
    }
}

by_vectors! {
    pub(crate) fn multiply(left: &[f32], right: &[f32], products: &mut [f32]) {
        for ((product, left), right) in products.iter_mut().zip(left).zip(right) {
            *product = left * right;
        }
    }
}

by_vectors! {
    /// Values less their mean, by their standard deviation, to whose square `epsilon` is added.
    pub(crate) fn standardise(values: &[f32], epsilon: f32, standardised: &mut [f32]) {
        let count = values.len() as f32;
        let mean = sum(values, |value| value) / count;
        let variance = sum(values, |value| (value - mean) * (value - mean)) / count;
        let factor = 1.0 / (variance + epsilon).sqrt();
        for (standardised, value) in standardised.iter_mut().zip(values) {
            *standardised = (value - mean) * factor;
        }
    }
}

by_vectors! {
    /// The sum of each channel over the pixels that begin at these offsets, where `zero_point` stands for zero, times two
    /// factors. `sums` is scratch memory.
    pub(crate) fn sum_bytes(
        values: &[u8],
        offsets: &[usize],
        zero_point: u8,
        factors: [f32; 2],
        sums: &mut [i32],
        scaled: &mut [f32],
    ) {
        fold(values, offsets, 0, sums, |sum, value| sum + i32::from(value));
        let zero = i32::from(zero_point) * offsets.len() as i32;
        for (scaled, sum) in scaled.iter_mut().zip(sums) {
            *scaled = (*sum - zero) as f32 * factors[0] * factors[1];
        }
    }
}

by_vectors! {
    /// The sum of each channel over the pixels that begin at these offsets, times a factor.
    pub(crate) fn sum_values(
        values: &[f32],
        offsets: &[usize],
        factor: f32,
        sums: &mut [f32],
    ) {
        fold(values, offsets, 0.0, sums, |sum, value| sum + value);
        for sum in sums {
            *sum *= factor;
        }
    }
}

by_vectors! {
    /// The greatest value of each channel over the pixels that begin at these offsets. NaN stays NaN.
    pub(crate) fn greatest_values(
        values: &[f32],
        offsets: &[usize],
        greatest: &mut [f32],
    ) {
        fold(values, offsets, f32::NEG_INFINITY, greatest, greater);
    }
}

by_vectors! {
    /// The greatest byte of each channel over the pixels that begin at these offsets.
    pub(crate) fn greatest_bytes(
        values: &[u8],
        offsets: &[usize],
        greatest: &mut [u8],
    ) {
        fold(values, offsets, 0, greatest, Ord::max);
    }
}

/// The sum of some term of each value. It is added up in as many parts as fit vectors, always the same ones.
#[inline(always)]
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (blocks, others) = values.as_chunks::<TOGETHER>();
    let mut sums = [0.0; TOGETHER];
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += term(*value);
        }
    }
    let whole: f32 = sums.into_iter().sum();
    others.iter().fold(whole, |sum, value| sum + term(*value))
}

/// What becomes of each channel when the pixels that begin at these offsets are added one after the other.
#[inline(always)]
fn fold<T: Copy, S: Copy>(
    values: &[T],
    offsets: &[usize],
    first: S,
    folded: &mut [S],
    add: impl Fn(S, T) -> S,
) {
    let (blocks, others) = folded.as_chunks_mut::<TOGETHER>();
    let whole = blocks.len() * TOGETHER;
    for (number, block) in blocks.iter_mut().enumerate() {
        let mut of_block = [first; TOGETHER];
        for offset in offsets {
            let values = &values[offset + number * TOGETHER..][..TOGETHER];
            for (folded, value) in of_block.iter_mut().zip(values) {
                *folded = add(*folded, *value);
            }
        }
        *block = of_block;
    }
    others.fill(first);
    for offset in offsets {
        for (folded, value) in others.iter_mut().zip(&values[offset + whole..]) {
            *folded = add(*folded, *value);
        }
    }
}

/// Puts values `[channel][pixel]` side by side, `[pixel][channel]`.
pub(crate) fn interleave<T: Copy>(channels: usize, planes: &[T], pixels: &mut [T]) {
    match channels {
        1 => pixels.copy_from_slice(planes),
        3 => interleave_three(planes, pixels),
        _ => {
            let each = planes.len() / channels.max(1);
            for (channel, plane) in planes.chunks(each.max(1)).enumerate() {
                let targets = pixels[channel..].iter_mut().step_by(channels);
                for (target, value) in targets.zip(plane) {
                    *target = *value;
                }
            }
        }
    }
}

by_vectors! {
    fn interleave_three<T: Copy>(planes: &[T], pixels: &mut [T]) {
        let (red, others) = planes.split_at(planes.len() / 3);
        let (green, blue) = others.split_at(red.len());
        let (pixels, _) = pixels.as_chunks_mut::<3>();
        for (pixel, ((red, green), blue)) in pixels.iter_mut().zip(red.iter().zip(green).zip(blue)) {
            *pixel = [*red, *green, *blue];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_the_nearest_bytes_and_what_is_no_number_is_told() {
        let values: Vec<f32> = (-300..300).map(|n| n as f32 * 0.37).collect();
        let mut bytes = vec![0; values.len()];
        assert!(!quantise(&values, 0.25, 90, &mut bytes));
        for (value, byte) in values.iter().zip(&bytes) {
            let expected = (value / 0.25).round_ties_even().clamp(-90.0, 165.0) + 90.0;
            assert_eq!(f32::from(*byte), expected, "{value}");
        }
        assert!(quantise(&[1.0, f32::NAN, 2.0], 0.25, 90, &mut [0; 3]));
        assert!(!quantise(&[f32::INFINITY], 0.25, 90, &mut [0]));
    }

    #[test]
    fn standardised_values_have_no_mean_and_one_variance() {
        for count in [1, 7, 32, 33, 100, 768] {
            let values: Vec<f32> = (0..count)
                .map(|n| 40.0 + (n * 7919 % 251) as f32 / 100.0)
                .collect();
            let mut found = vec![-1.0; count];
            standardise(&values, 1e-5, &mut found);
            let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count as f64;
            let square = |value: &f32| (f64::from(*value) - mean).powi(2);
            let variance = values.iter().map(square).sum::<f64>() / count as f64;
            for (found, value) in found.iter().zip(&values) {
                let expected = (f64::from(*value) - mean) / (variance + 1e-5).sqrt();
                let error = (f64::from(*found) - expected).abs();
                assert!(error < 1e-4, "{count} values: {found}, not {expected}");
            }
        }
        let mut found = [0.0; 3];
        standardise(&[1.0, f32::NAN, 2.0], 1e-5, &mut found);
        assert!(found.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn the_channels_of_some_pixels_become_one() {
        let bytes: Vec<u8> = (0..1000).map(|n| (n * 7919 % 251) as u8).collect();
        let values: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) - 100.0).collect();
        for channels in [1, 31, 32, 70] {
            let offsets = [3, 3 + channels, 900];
            let (mut scratch, mut sums) = (vec![-1; channels], vec![-1.0; channels]);
            sum_bytes(&bytes, &offsets, 7, [4.0, 0.5], &mut scratch, &mut sums);
            let mut most = vec![7; channels];
            greatest_bytes(&bytes, &offsets, &mut most);
            let mut halves = vec![-1.0; channels];
            sum_values(&values, &offsets, 0.5, &mut halves);
            let mut greatest = vec![-1.0; channels];
            greatest_values(&values, &offsets, &mut greatest);
            for channel in 0..channels {
                let of_pixels = offsets.map(|offset| bytes[offset + channel]);
                let sum: i32 = of_pixels.into_iter().map(i32::from).sum();
                assert_eq!(sums[channel], (sum - 21) as f32 * 2.0);
                assert_eq!(halves[channel], (sum - 300) as f32 / 2.0);
                let expected = of_pixels.into_iter().max().unwrap();
                assert_eq!(most[channel], expected);
                assert_eq!(greatest[channel], f32::from(expected) - 100.0);
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so_in_a_window() {
        for first in 0..3 {
            let values: Vec<f32> = (0..120)
                .map(|n| if n / 40 == first { f32::NAN } else { n as f32 })
                .collect();
            let (mut sums, mut greatest) = (vec![0.0; 40], vec![0.0; 40]);
            sum_values(&values, &[0, 40, 80], 1.0, &mut sums);
            greatest_values(&values, &[0, 40, 80], &mut greatest);
            assert!(sums.iter().chain(&greatest).all(|value| value.is_nan()));
        }
    }

    #[test]
    fn values_become_the_nearest_bf16() {
        let values: Vec<f32> = (-70..70).map(|n| (n as f32 * 0.37).exp() - 1.0).collect();
        let values = [&values, [f32::NAN, f32::INFINITY, -0.0].as_slice()].concat();
        let mut rounded = vec![7; values.len()];
        round_to_bf16(&values, &mut rounded);
        let expected: Vec<u16> = values.iter().map(|value| to_bf16(*value)).collect();
        assert_eq!(rounded, expected);
    }

    #[test]
    fn channels_come_to_lie_side_by_side() {
        for channels in 1..6 {
            let planes: Vec<u8> = (0..channels * 7).map(|n| n as u8).collect();
            let mut pixels = vec![0; planes.len()];
            interleave(channels, &planes, &mut pixels);
            for (at, byte) in pixels.iter().enumerate() {
                assert_eq!(*byte, planes[at % channels * 7 + at / channels]);
            }
        }
    }
}

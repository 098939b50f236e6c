//! What is done to bytes beside convolutions: images become bytes, the channels of each pixel side by side, and the pixels
//! of a pooling window are summed. These are plain loops, of which the compiler makes vectors.

#![allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]

use super::dtype::to_u8;

/// Channels whose sums are in registers at the same time.
const TOGETHER: usize = 32;

/// Rounds values to bytes: the nearest number of quanta, of which `zero_point` is none. Says whether one was no number,
/// which bytes can't say.
pub(crate) fn quantise(values: &[f32], quantum: f32, zero_point: u8, bytes: &mut [u8]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 has just been detected.
        #[allow(unsafe_code, reason = "a function for the processor's vectors")]
        return unsafe { x86::quantise(values, quantum, zero_point, bytes) };
    }
    quantise_by_loops(values, quantum, zero_point, bytes)
}

#[inline(always)]
fn quantise_by_loops(values: &[f32], quantum: f32, zero_point: u8, bytes: &mut [u8]) -> bool {
    let mut is_lost = false;
    for (byte, value) in bytes.iter_mut().zip(values) {
        is_lost |= value.is_nan();
        *byte = to_u8(*value / quantum, zero_point);
    }
    is_lost
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    /// The same by vectors, which the compiler makes.
    #[target_feature(enable = "avx2")]
    pub(super) fn quantise(values: &[f32], quantum: f32, zero_point: u8, bytes: &mut [u8]) -> bool {
        super::quantise_by_loops(values, quantum, zero_point, bytes)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn sum_pixels(
        values: &[u8],
        offsets: impl Iterator<Item = usize> + Clone,
        sums: &mut [i32],
    ) {
        super::sum_pixels_by_loops(values, offsets, sums);
    }
}

/// The sum of each channel over the pixels that begin at these offsets.
pub(crate) fn sum_pixels(
    values: &[u8],
    offsets: impl Iterator<Item = usize> + Clone,
    sums: &mut [i32],
) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 has just been detected.
        #[allow(unsafe_code, reason = "a function for the processor's vectors")]
        return unsafe { x86::sum_pixels(values, offsets, sums) };
    }
    sum_pixels_by_loops(values, offsets, sums);
}

#[inline(always)]
fn sum_pixels_by_loops(
    values: &[u8],
    offsets: impl Iterator<Item = usize> + Clone,
    sums: &mut [i32],
) {
    let (blocks, others) = sums.as_chunks_mut::<TOGETHER>();
    let first = blocks.len() * TOGETHER;
    for (number, block) in blocks.iter_mut().enumerate() {
        let mut of_block = [0; TOGETHER];
        for offset in offsets.clone() {
            let values = &values[offset + number * TOGETHER..][..TOGETHER];
            for (sum, value) in of_block.iter_mut().zip(values) {
                *sum += i32::from(*value);
            }
        }
        *block = of_block;
    }
    others.fill(0);
    for offset in offsets {
        for (sum, value) in others.iter_mut().zip(&values[offset + first..]) {
            *sum += i32::from(*value);
        }
    }
}

/// Puts bytes `[channel][pixel]` side by side, `[pixel][channel]`.
pub(crate) fn interleave(channels: usize, planes: &[u8], pixels: &mut [u8]) {
    match channels {
        1 => pixels.copy_from_slice(planes),
        3 => interleave_some::<3>(planes, pixels),
        _ => {
            let each = planes.len() / channels.max(1);
            for (channel, plane) in planes.chunks(each.max(1)).enumerate() {
                let targets = pixels[channel..].iter_mut().step_by(channels);
                for (target, byte) in targets.zip(plane) {
                    *target = *byte;
                }
            }
        }
    }
}

fn interleave_some<const CHANNELS: usize>(planes: &[u8], pixels: &mut [u8]) {
    let each = planes.len() / CHANNELS;
    let planes: [&[u8]; CHANNELS] =
        std::array::from_fn(|channel| &planes[channel * each..][..each]);
    let (pixels, _) = pixels.as_chunks_mut::<CHANNELS>();
    for (number, pixel) in pixels[..each].iter_mut().enumerate() {
        *pixel = std::array::from_fn(|channel| planes[channel][number]);
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
    fn the_channels_of_some_pixels_are_summed() {
        let values: Vec<u8> = (0..1000).map(|n| (n * 7919 % 251) as u8).collect();
        for channels in [1, 31, 32, 70] {
            let offsets = [3, 3 + channels, 900];
            let mut sums = vec![-1; channels];
            sum_pixels(&values, offsets.into_iter(), &mut sums);
            for (channel, sum) in sums.iter().enumerate() {
                let of_pixels = offsets.map(|offset| i32::from(values[offset + channel]));
                assert_eq!(*sum, of_pixels.iter().sum::<i32>());
            }
        }
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

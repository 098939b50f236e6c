//! The epilogue of a convolution: max pooling, bias, residual, ReLU and [`function`] on complete sums, and the stores, to one
//! buffer or several, each perhaps with a batch normalisation and ReLU of its own.
//!
//! It works pixel by pixel on many channels at once: what it reads and writes lies side by side then, and the
//! processor fetches it ahead. The channels of one block alone would be short pieces far apart, and each would
//! be waited for. Bytes are a quarter as long and stay near, so `requantise_bytes` goes the other way, and keeps in
//! registers what a few channels need.
//!
//! [`scalar`] is the definition, and [`simd`] the same by vectors of any length, whose loops are put together of what is in `flow` and of the functions in `smooth`. Sums of whole numbers have their own,
//! [`requantise`], and [`requantise_simd`]; what nearly all of them need is done by `requantise_bytes`.

#[cfg(target_arch = "x86_64")]
mod flow;
pub(crate) mod function;
pub(crate) mod requantise;
#[cfg(target_arch = "x86_64")]
mod requantise_bytes;
#[cfg(target_arch = "x86_64")]
pub(super) mod requantise_simd;
pub(crate) mod scalar;
#[cfg(target_arch = "x86_64")]
pub(super) mod simd;
#[cfg(target_arch = "x86_64")]
mod smooth;
#[cfg(target_arch = "x86_64")]
pub(super) mod vector;

use std::ops::Range;

use smallvec::SmallVec;

use super::dtype::{TypedSlice, TypedSliceMut, to_whole};
use function::Function;

/// A scale and shift for each channel, then perhaps ReLU: batch normalisation and the activation after it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activation {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) relu: bool,
}

impl Activation {
    /// Whether it changes nothing.
    pub(crate) fn is_identity(&self) -> bool {
        !self.relu && self.is_linear_identity()
    }

    /// Whether its scale and shift change nothing.
    pub(crate) fn is_linear_identity(&self) -> bool {
        let is = |values: &[f32], value: f32| values.iter().all(|other| *other == value);
        is(&self.scale, 1.0) && is(&self.shift, 0.0)
    }
}

/// What is done to a sum, besides adding the bias, and where it is stored.
#[derive(Debug, Default)]
pub(crate) struct Epilogue<'a> {
    /// Values to add.
    pub(crate) residual: Option<Residual<'a>>,
    /// Whether negative values become zero, after the residual was added.
    pub(crate) relu: bool,
    /// What is applied after that.
    pub(crate) function: Option<&'a Function>,
    /// What is rounded, of a convolution on eight bits.
    pub(crate) grid: Grid,
    pub(crate) outputs: SmallVec<[Output<'a>; 4]>,
}

/// Values to add.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Residual<'a> {
    pub(crate) values: TypedSlice<'a>,
    /// Where the first channel of each output pixel is among them.
    pub(crate) pixel_offsets: &'a [usize],
}

/// The whole numbers between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) least: f32,
    pub(crate) most: f32,
}

impl Bounds {
    /// Those of eight bits, where `zero_point` stands for zero.
    pub(crate) fn of(zero_point: u8) -> Self {
        let zero = f32::from(zero_point);
        Self {
            least: -zero,
            most: 255.0 - zero,
        }
    }

    /// The nearest of them, ties to even. NaN stays NaN.
    pub(crate) fn round(self, value: f32) -> f32 {
        to_whole(value, self.least, self.most)
    }
}

/// Where a convolution on eight bits rounds: its values are in units of a quantum, which is one there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    /// Before a residual is added.
    pub(crate) before: Option<Bounds>,
    /// What a value is multiplied with where a residual is added, and what the residual is.
    pub(crate) factors: [f32; 2],
    /// What stands for zero in the residual.
    pub(crate) residual_zero: u8,
    /// After all else.
    pub(crate) after: Option<Bounds>,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            before: None,
            factors: [1.0; 2],
            residual_zero: 0,
            after: None,
        }
    }
}

/// How the sums of a convolution on eight bits become values: `(sum + bias) * scale + shift`, one of each for a
/// channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rescaling {
    pub(crate) bias: Vec<i32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// What a value becomes before it is stored: the nearest whole number, times a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rounding {
    pub(crate) bounds: Bounds,
    pub(crate) factor: f32,
}

/// A buffer that values are stored in.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    pub(crate) values: TypedSliceMut<'a>,
    /// Where the first channel of each pixel is in it.
    pub(crate) pixel_offsets: &'a [usize],
    /// Which of its channels the values become: several where a concatenation has them more than once.
    pub(crate) slices: &'a [ChannelSlice],
}

/// The channels of a buffer that values are stored as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChannelSlice {
    /// The buffer's channel that the first value becomes.
    pub(crate) offset: usize,
    /// What is applied before the store.
    pub(crate) activation: Option<Activation>,
    /// And what after it, of values in eight bits.
    pub(crate) rounding: Option<Rounding>,
}

/// A block of output channels that a microkernel computes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelBlock {
    pub(crate) first: usize,
    /// How many are computed: more than there are in the last block, where no narrower kernel fits.
    pub(crate) columns: usize,
}

/// Which of the computed pixels are pooled into each output pixel, by position in the order in which they are
/// computed.
///
/// The computed pixels come in groups. The first pixels of the pooling windows of a group are `step` apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PoolGroups {
    /// Output pixels of a group.
    pub(crate) outputs: usize,
    /// Computed pixels of a group.
    pub(crate) pixels: usize,
    pub(crate) step: usize,
    /// How far the other pixels of a window are behind its first.
    pub(crate) others: Vec<usize>,
}

impl PoolGroups {
    /// Each output pixel is a computed one.
    pub(crate) fn none() -> Self {
        Self {
            outputs: 1,
            pixels: 1,
            step: 0,
            others: Vec::new(),
        }
    }

    /// The first of the computed pixels that are pooled into an output pixel.
    pub(crate) fn first(&self, output: usize) -> usize {
        if self.others.is_empty() {
            return output;
        }
        output / self.outputs * self.pixels + output % self.outputs * self.step
    }

    /// How many computed pixels are pooled into one.
    pub(crate) fn window_len(&self) -> usize {
        self.others.len() + 1
    }
}

/// The complete sums of some output pixels and channels, in the cache.
#[derive(Debug)]
pub(crate) struct Accumulators<'a> {
    /// The output pixels.
    pub(crate) pixels: Range<usize>,
    /// Which sums there are for each of them.
    pub(crate) pooling: &'a PoolGroups,
    /// The channels, in blocks one after the other.
    pub(crate) blocks: &'a [ChannelBlock],
    /// `[pixel][channel]` for each block; a block has room for `mc` pixels. Of whole numbers, the bits of an i32 each.
    pub(crate) sums: &'a [f32],
    pub(crate) mc: usize,
    /// How many channels there are. The blocks may have more columns.
    pub(crate) channels: usize,
    /// One value for each column of the blocks.
    pub(crate) bias: &'a [f32],
    /// Of whole numbers, in place of the bias: for all columns of the convolution.
    pub(crate) rescaling: Option<&'a Rescaling>,
    /// Scratch memory, one value for each column of the blocks.
    pub(crate) row: &'a mut [f32],
}

impl Accumulators<'_> {
    /// The first channel.
    pub(crate) fn first_channel(&self) -> usize {
        self.blocks[0].first
    }
}

/// ReLU. NaN stays NaN: broken weights must not become an answer.
pub(crate) fn relu(values: &mut [f32]) {
    for value in values {
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
}

/// Keeps the greater of two values in `greatest`, as max pooling does. NaN in either stays NaN.
pub(crate) fn max_assign(greatest: &mut [f32], values: &[f32]) {
    for (greatest, value) in greatest.iter_mut().zip(values) {
        *greatest = greater(*greatest, *value);
    }
}

/// The greater of two values. NaN in either stays NaN.
#[inline]
pub(crate) fn greater(left: f32, right: f32) -> f32 {
    if right > left || right.is_nan() {
        right
    } else {
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_values_become_zero_and_what_is_not_a_number_stays() {
        let mut values = [-1.0, 0.5, f32::NAN, f32::NEG_INFINITY];
        relu(&mut values);
        assert_eq!((values[0], values[1], values[3]), (0.0, 0.5, 0.0));
        assert!(values[2].is_nan());
    }

    #[test]
    fn the_greater_is_kept_and_what_is_not_a_number_stays() {
        let mut most = [1.0, -2.0, f32::NAN, 0.0, f32::NEG_INFINITY];
        max_assign(&mut most, &[0.0, -1.0, 3.0, f32::NAN, -3.0]);
        assert_eq!((most[0], most[1], most[4]), (1.0, -1.0, -3.0));
        assert!(most[2].is_nan() && most[3].is_nan());
    }
}

//! Where the values of a pixel go: as they are, or scaled, shifted and rectified, into one buffer or
//! several. So what follows a convolution is done while its sums are at hand.

use crate::buffer::{Values, to_bf16};

/// A scale and shift for each channel, and whether negative values become zero then: batch normalisation
/// and ReLU before a convolution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activation {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) relu: bool,
}

impl Activation {
    /// Applies it to the values of some channels, from `first` on.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "it becomes part of functions with vector instructions"
    )]
    pub(crate) fn apply(&self, first: usize, values: &mut [f32]) {
        let scale = &self.scale[first..][..values.len()];
        let shift = &self.shift[first..][..values.len()];
        for ((value, scale), shift) in values.iter_mut().zip(scale).zip(shift) {
            *value = *value * scale + shift;
        }
        if self.relu {
            rectify(values);
        }
    }
}

/// ReLU. What is not a number stays so: weights that are broken must not become an answer.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]
pub(crate) fn rectify(values: &mut [f32]) {
    for value in values {
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
}

/// Keeps the greater of two values, as max pooling does. What is not a number stays so here as well.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]
pub(crate) fn raise(most: &mut [f32], values: &[f32]) {
    for (most, value) in most.iter_mut().zip(values) {
        *most = if *value > *most || value.is_nan() {
            *value
        } else {
            *most
        };
    }
}

/// A buffer that values go into.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    /// The buffer.
    pub(crate) values: &'a mut Values,
    /// Where the first channel of each pixel is.
    pub(crate) starts: &'a [usize],
    /// Which of its channels they become: more than once where a concatenation has them twice.
    pub(crate) places: &'a [Place],
}

/// Channels of a buffer that values become.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    /// Which channel of the buffer the first one becomes.
    pub(crate) offset: usize,
    /// What is done to the values on their way.
    pub(crate) activation: Option<Activation>,
}

/// How many channels are scaled at once.
const WIDTH: usize = 16;

impl Output<'_> {
    /// Puts some channels of a pixel, from `first` on, into the buffer.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "it becomes part of functions with vector instructions"
    )]
    pub(crate) fn put(&mut self, pixel: usize, first: usize, values: &[f32]) {
        for place in self.places {
            let at = self.starts[pixel] + place.offset + first;
            let Some(activation) = &place.activation else {
                store(self.values, at, values);
                continue;
            };
            let mut scaled = [0.0_f32; WIDTH];
            for (number, values) in values.chunks(WIDTH).enumerate() {
                let scaled = &mut scaled[..values.len()];
                scaled.copy_from_slice(values);
                activation.apply(first + number * WIDTH, scaled);
                store(self.values, at + number * WIDTH, scaled);
            }
        }
    }
}

/// Writes values from a place on.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "it becomes part of functions with vector instructions"
)]
pub(crate) fn store(target: &mut Values, at: usize, values: &[f32]) {
    match target {
        Values::F32(target) => target[at..][..values.len()].copy_from_slice(values),
        Values::Bf16(target) => {
            for (target, value) in target[at..][..values.len()].iter_mut().zip(values) {
                *target = to_bf16(*value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_values_become_zero_and_what_is_not_a_number_stays() {
        let mut values = [-1.0, 0.5, f32::NAN, f32::NEG_INFINITY];
        rectify(&mut values);
        assert_eq!((values[0], values[1], values[3]), (0.0, 0.5, 0.0));
        assert!(values[2].is_nan());
    }

    #[test]
    fn the_greater_is_kept_and_what_is_not_a_number_stays() {
        let mut most = [1.0, -2.0, f32::NAN, 0.0, f32::NEG_INFINITY];
        raise(&mut most, &[0.0, -1.0, 3.0, f32::NAN, -3.0]);
        assert_eq!((most[0], most[1], most[4]), (1.0, -1.0, -3.0));
        assert!(most[2].is_nan() && most[3].is_nan());
    }
}

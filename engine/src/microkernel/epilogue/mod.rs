//! Where the values of a pixel go: as they are, or scaled, shifted and rectified, into one buffer or
//! several. So what follows a convolution is done while its sums are at hand.

mod scalar;
#[cfg(target_arch = "x86_64")]
pub(super) mod simd;

use crate::convolution::layout::{NumbersMut, to_bf16};
pub(crate) use scalar::{Finish, Finished};

/// A scale and shift for each channel, and whether negative values become zero then: batch normalisation
/// and ReLU before a convolution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activation {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) relu: bool,
}

/// How many values are scaled at once.
const WIDTH: usize = 64;

impl Activation {
    /// Applies it to the values of some channels, from `first` on, and hands on some after the other, each
    /// time with the number of the first.
    fn apply(&self, first: usize, values: &[f32], mut put: impl FnMut(usize, &[f32])) {
        let (scale, shift) = (&self.scale[first..], &self.shift[first..]);
        let mut scaled = [0.0; WIDTH];
        for (number, values) in values.chunks(WIDTH).enumerate() {
            let first = number * WIDTH;
            let scaled = &mut scaled[..values.len()];
            let of_channels = scale[first..].iter().zip(&shift[first..]);
            for ((scaled, value), (scale, shift)) in scaled.iter_mut().zip(values).zip(of_channels)
            {
                *scaled = value * scale + shift;
            }
            if self.relu {
                rectify(scaled);
            }
            put(first, scaled);
        }
    }

    /// Applies it to a value of a channel.
    fn of_channel(&self, channel: usize, value: f32) -> f32 {
        let mut value = [value * self.scale[channel] + self.shift[channel]];
        if self.relu {
            rectify(&mut value);
        }
        value[0]
    }
}

/// ReLU. What is not a number stays so: weights that are broken must not become an answer.
pub(crate) fn rectify(values: &mut [f32]) {
    for value in values {
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
}

/// Keeps the greater of two values, as max pooling does. What is not a number stays so here as well.
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
    pub(crate) values: NumbersMut<'a>,
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

impl Output<'_> {
    /// Puts some channels of a pixel, from `first` on, into the buffer.
    pub(crate) fn put(&mut self, pixel: usize, first: usize, values: &[f32]) {
        for place in self.places {
            let at = self.starts[pixel] + place.offset + first;
            match &place.activation {
                None => store(&mut self.values, at, values),
                Some(activation) => activation.apply(first, values, |number, values| {
                    store(&mut self.values, at + number, values);
                }),
            }
        }
    }

    /// Puts a channel of some pixels, from `first` on, into the buffer.
    pub(crate) fn put_channel(&mut self, first: usize, channel: usize, values: &[f32]) {
        for place in self.places {
            let starts = self.starts[first..].iter();
            let starts = starts.map(|start| start + place.offset + channel);
            let activated = |value: &f32| match &place.activation {
                None => *value,
                Some(activation) => activation.of_channel(channel, *value),
            };
            let values = values.iter().map(activated);
            match &mut self.values {
                NumbersMut::F32(target) => starts
                    .zip(values)
                    .for_each(|(at, value)| target[at] = value),
                NumbersMut::Bf16(target) => starts
                    .zip(values)
                    .for_each(|(at, value)| target[at] = to_bf16(value)),
            }
        }
    }
}

/// Writes values from a place on.
pub(crate) fn store(target: &mut NumbersMut<'_>, at: usize, values: &[f32]) {
    match target {
        NumbersMut::F32(target) => target[at..][..values.len()].copy_from_slice(values),
        NumbersMut::Bf16(target) => {
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

//! The colour composite of Lupton et al. 2004 (PASP 116, 133, section 2) with astropy's scaling: the mean of
//! the bands goes through an asinh, and each band is scaled with it, so that a colour does not depend on the
//! brightness.

use super::fit_to_white;
use crate::Lupton;

/// Where astropy's `LuptonAsinhStretch` makes the curve meet the straight line, as a part of `stretch`.
const FRACTION: f32 = 0.1;

pub(in super::super) struct Mapping {
    numbers: Lupton,
    slope: f32,
    softening: f32,
}

impl Mapping {
    pub(super) fn new(numbers: Lupton) -> Self {
        Self {
            slope: FRACTION / (FRACTION * numbers.q).asinh(),
            softening: numbers.q / numbers.stretch,
            numbers,
        }
    }

    /// Shows one pixel; black where a band has no value. One band has the weight of green.
    pub(super) fn show(&self, pixel: &mut [f32]) {
        let Lupton {
            minimum, weights, ..
        } = self.numbers;
        let weights = if pixel.len() == 1 {
            &weights[1..2]
        } else {
            &weights[..]
        };
        for (value, weight) in pixel.iter_mut().zip(weights) {
            *value = if value.is_finite() {
                *value * weight - minimum
            } else {
                0.0
            };
        }
        let mean = pixel.iter().sum::<f32>() / pixel.len() as f32;
        let factor = if mean > 0.0 {
            (mean * self.softening).asinh() * self.slope / mean
        } else {
            0.0
        };
        for value in &mut *pixel {
            *value *= factor;
        }
        fit_to_white(pixel);
    }
}

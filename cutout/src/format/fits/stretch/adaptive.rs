//! `asinh`: a stretch for images in any unit.
//!
//! The sky is black, and a pixel as bright as the brightest thousandth of the image is white. In between runs
//! an asinh that is straight up to some noise above the sky: faint arms are seen, and the middle of the galaxy
//! is not one white blot. Bands are scaled together, as Lupton et al. 2004 do.

use super::statistics::{Sky, quantile};
use super::{Band, fit_to_white};

/// Up to how many times the noise the curve is nearly straight.
const SOFTENING: f32 = 10.0;

/// Which part of the pixels lies below white.
const WHITE: f32 = 0.999;

pub(in super::super) struct Mapping {
    /// The sky of each band.
    skies: Vec<f32>,
    /// One over the brightness up to which the curve is nearly straight.
    softening: f32,
    /// What the curve is divided by: its value for white.
    white: f32,
}

impl Mapping {
    pub(super) fn new(bands: &[Band]) -> Self {
        let skies: Vec<f32> = bands
            .iter()
            .map(|band| Sky::of(&band.pixels).level)
            .collect();
        let area = bands[0].pixels.len();
        let mean = |index: usize| {
            let values = bands.iter().zip(&skies);
            let above = values.map(|(band, sky)| above_sky(band.pixels[index], *sky));
            above.sum::<f32>() / bands.len() as f32
        };
        let mut means: Vec<f32> = (0..area).map(mean).collect();
        let noise = Sky::of(&means).noise;
        let brightest = quantile(&mut means, WHITE);
        // An image without noise, such as a model's: as if it had a thousandth of its brightest pixel.
        let noise = noise.max(brightest / 1000.0);
        let softening = if noise > 0.0 {
            1.0 / (SOFTENING * noise)
        } else {
            1.0
        };
        Self {
            skies,
            softening,
            white: (brightest * softening).asinh().max(f32::MIN_POSITIVE),
        }
    }

    /// Shows one pixel; a band without a value has its sky there.
    pub(super) fn show(&self, pixel: &mut [f32]) {
        for (value, sky) in pixel.iter_mut().zip(&self.skies) {
            *value = above_sky(*value, *sky);
        }
        let mean = pixel.iter().sum::<f32>() / pixel.len() as f32;
        let factor = if mean > 0.0 {
            (mean * self.softening).asinh() / self.white / mean
        } else {
            0.0
        };
        for value in &mut *pixel {
            *value *= factor;
        }
        fit_to_white(pixel);
    }
}

fn above_sky(value: f32, sky: f32) -> f32 {
    if value.is_finite() { value - sky } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(pixels: impl Iterator<Item = f32>) -> Band {
        Band {
            name: None,
            width: 1,
            pixels: pixels.collect(),
        }
    }

    /// Noise, and a few bright pixels.
    fn galaxy(unit: f32, zero: f32) -> Band {
        let noise = |index: i32| ((index * 7919) % 201 - 100) as f32 / 100.0;
        let light = |index: i32| {
            if index % 50 == 0 {
                (index % 1000) as f32
            } else {
                0.0
            }
        };
        band((0..20_000).map(|index| zero + unit * (noise(index) + light(index))))
    }

    fn picture(band: &Band) -> Vec<f32> {
        let mapping = Mapping::new(std::slice::from_ref(band));
        super::super::per_pixel(std::slice::from_ref(&band.pixels), |pixel| {
            mapping.show(pixel);
        })
    }

    #[test]
    fn the_unit_and_the_zero_point_do_not_matter() {
        let plain = picture(&galaxy(1.0, 0.0));
        for (unit, zero) in [(1024.0, 0.0), (1.0, 512.0), (0.0625, -4.0)] {
            for (one, other) in plain.iter().zip(picture(&galaxy(unit, zero))) {
                assert!((one - other).abs() < 0.5, "{one} {other}");
            }
        }
        assert!(plain.iter().any(|value| *value > 200.0));
        let dark = plain.iter().filter(|value| **value < 20.0).count();
        assert!(dark > 19_000, "{dark}");
    }

    #[test]
    fn an_image_of_one_value_or_of_none_is_black() {
        for value in [0.0, 7.0, -3.0, f32::NAN] {
            let picture = picture(&band(std::iter::repeat_n(value, 400)));
            assert!(picture.iter().all(|value| *value == 0.0));
        }
    }
}

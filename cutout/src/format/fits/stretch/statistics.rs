//! Sky and noise of an image, whatever is in it.

/// How many pixels are enough to measure the sky.
const SAMPLE: usize = 10_000;

/// From the median absolute deviation of a normal distribution to its standard deviation.
const MAD_TO_SIGMA: f32 = 1.4826;

/// Beyond how many standard deviations a pixel is no sky.
const CLIP: f32 = 2.5;

const ROUNDS: usize = 5;

/// The sky of an image and its noise, in the image's units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sky {
    pub(super) level: f32,
    /// Zero where the image has no noise.
    pub(super) noise: f32,
}

impl Sky {
    /// The median and the noise of the pixels that are left when those far from the median are cut off, again
    /// and again. Pixels without a value don't count; an image of none has sky 0 and noise 0.
    pub(super) fn of(pixels: &[f32]) -> Self {
        let step = (pixels.len() / SAMPLE).max(1) | 1;
        let finite = pixels
            .iter()
            .step_by(step)
            .filter(|value| value.is_finite());
        let mut sample: Vec<f32> = finite.copied().collect();
        let mut sky = Self::median_and_deviation(&mut sample);
        for _ in 0..ROUNDS {
            let before = sample.len();
            sample.retain(|value| (value - sky.level).abs() <= CLIP * sky.noise);
            if sample.is_empty() || sample.len() == before {
                break;
            }
            sky = Self::median_and_deviation(&mut sample);
        }
        sky
    }

    fn median_and_deviation(sample: &mut [f32]) -> Self {
        let level = quantile(sample, 0.5);
        let mut deviations: Vec<f32> = sample.iter().map(|value| (value - level).abs()).collect();
        let noise = MAD_TO_SIGMA * quantile(&mut deviations, 0.5);
        Self { level, noise }
    }
}

/// The value that this part of the values lies below; 0 if there are none. Puts them in another order.
pub(super) fn quantile(values: &mut [f32], part: f32) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let index = (part * (values.len() - 1) as f32).round() as usize;
    *values.select_nth_unstable_by(index, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_galaxy_and_blanks_do_not_move_the_sky() {
        // A triangular wave from 90 to 110, and a tenth of the pixels far above.
        let mut pixels: Vec<f32> = (0..20_000)
            .map(|index: i32| 90.0 + ((index * 7919) % 2001) as f32 / 100.0)
            .collect();
        let plain = Sky::of(&pixels);
        assert!((plain.level - 100.0).abs() < 0.5, "{plain:?}");
        for pixel in pixels.iter_mut().step_by(10) {
            *pixel = 5000.0;
        }
        for pixel in pixels.iter_mut().skip(1).step_by(10) {
            *pixel = f32::NAN;
        }
        let with_galaxy = Sky::of(&pixels);
        assert!((with_galaxy.level - 100.0).abs() < 1.0, "{with_galaxy:?}");
        assert!(with_galaxy.noise < 1.2 * plain.noise, "{with_galaxy:?}");
    }

    #[test]
    fn an_image_of_nothing_has_no_sky() {
        let none = Sky {
            level: 0.0,
            noise: 0.0,
        };
        assert_eq!(Sky::of(&[]), none);
        assert_eq!(Sky::of(&[f32::NAN; 9]), none);
    }
}

//! Images without signal: of one colour, outside of a survey, or masked.

use crate::Image;

/// How far from the median a value still belongs to the background, in levels of 8 bits. Compression moves
/// values by as much.
const BACKGROUND: f32 = 2.0;

/// The smallest part of an image that is a signal: 58 of 240 x 240 pixels. Of 25,914 galaxies of Galaxy Zoo, the
/// faintest covers 6.6 %, counted from 8 levels on.
const SIGNAL: f64 = 0.001;

/// How many pixels are looked at first. That is enough to see nearly any signal.
const SAMPLE: usize = 1000;

impl Image {
    /// Whether there is nothing to see: in every plane, fewer than one pixel in a thousand differs from the
    /// median by more than 2 levels of 255. An image with a value that is not a number is not blank.
    pub fn is_blank(&self) -> bool {
        let count = self.width() as usize * self.height() as usize;
        // A part of the pixels suffices if many of them differ. Its step is odd, so that it meets all columns.
        let step = (count / SAMPLE).max(1) | 1;
        (0..self.planes()).all(|plane| self.signal(plane, step) < 10.0 * SIGNAL)
            && (0..self.planes()).all(|plane| self.signal(plane, 1) < SIGNAL)
    }

    /// How far apart the values of a plane lie, in levels of 255: of the plane where they lie farthest apart.
    pub fn span(&self) -> f32 {
        let span = |plane: usize| {
            let pixels = (0..self.height()).flat_map(|y| (0..self.width()).map(move |x| (x, y)));
            let values = pixels.map(|(x, y)| self.value(plane, x, y));
            let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            (high - low).max(0.0)
        };
        (0..self.planes()).map(span).fold(0.0, f32::max)
    }

    /// The part of a plane's pixels that differ from the median, of every `step`th pixel.
    fn signal(&self, plane: usize, step: usize) -> f64 {
        let width = self.width();
        let count = width as usize * self.height() as usize;
        let pixels = (0..count as u32).step_by(step);
        let mut values: Vec<f32> = pixels
            .map(|pixel| self.value(plane, pixel % width, pixel / width))
            .collect();
        if values.is_empty() {
            return 0.0;
        }
        let half = values.len() / 2;
        let median = *values.select_nth_unstable_by(half, f32::total_cmp).1;
        let differs = |value: &&f32| (**value - median).abs() > BACKGROUND || value.is_nan();
        let differ = values.iter().filter(differs);
        differ.count() as f64 / values.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    const SIDE: u32 = 240;

    fn image(pixel: impl Fn(u32, u32) -> [u8; 3]) -> Image {
        RgbImage::from_fn(SIDE, SIDE, |x, y| Rgb(pixel(x, y))).into()
    }

    #[test]
    fn one_colour_is_blank_whichever_it_is() {
        for colour in [[0; 3], [255; 3], [128; 3], [0, 0, 90], [255, 0, 0]] {
            assert!(image(|_, _| colour).is_blank(), "{colour:?}");
        }
    }

    #[test]
    fn noise_of_a_level_and_a_few_hot_pixels_are_no_signal() {
        assert!(image(|x, y| [100 + (x * 7 + y * 3) as u8 % 3; 3]).is_blank());
        assert!(
            image(|x, y| if (x, y % 30) == (5, 0) {
                [255; 3]
            } else {
                [9; 3]
            })
            .is_blank()
        );
    }

    #[test]
    fn a_small_faint_galaxy_in_one_colour_is_seen() {
        let galaxy = |x: u32, y: u32| x.abs_diff(120).pow(2) + y.abs_diff(120).pow(2) < 36;
        for channel in 0..3 {
            let mut colour = [10, 10, 10];
            colour[channel] += 6;
            let faint = image(|x, y| if galaxy(x, y) { colour } else { [10; 3] });
            assert!(!faint.is_blank());
        }
    }

    #[test]
    fn the_edge_of_a_survey_is_not_blank() {
        assert!(!image(|x, _| if x < 120 { [0; 3] } else { [30; 3] }).is_blank());
    }

    #[test]
    fn the_span_is_that_of_the_plane_with_the_most() {
        assert_eq!(image(|_, _| [9, 80, 200]).span(), 0.0);
        assert_eq!(
            image(|x, y| [9, 80, u8::from((x, y) == (3, 4))]).span(),
            1.0
        );
        let faint = vec![100.0, 101.5, 100.25, 100.0];
        assert_eq!(Image::from_planes(2, 2, faint).span(), 1.5);
    }

    #[test]
    fn a_grey_image_is_looked_at_as_its_plane() {
        let area = (SIDE * SIDE) as usize;
        assert!(Image::from_planes(SIDE, SIDE, vec![7.5; area]).is_blank());
        let ramp = (0..area).map(|n| n as f32 / area as f32 * 20.0).collect();
        assert!(!Image::from_planes(SIDE, SIDE, ramp).is_blank());
        assert!(!Image::from_planes(SIDE, SIDE, vec![f32::NAN; area]).is_blank());
    }
}

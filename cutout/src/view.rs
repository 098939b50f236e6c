//! From an image to the inputs of a network: crop, resize, window, whiten.
//!
//! Training views and test views come from the same function, [`Preprocessing::view_with`], so that
//! what a network sees when it is used can't differ from what it was trained on.

use image::{Rgb, RgbImage};

use crate::resize::{Window, resize_window};
use crate::{Image, Preprocessing, Resampling, Whitening};

impl Preprocessing {
    /// The network's inputs for one image, `[n_scales, 3, crop, crop]`, row-major.
    ///
    /// An image that is smaller than a test scale is padded with black, as the authors' code does.
    pub fn views(&self, image: &Image) -> Vec<f32> {
        let mut output = vec![0.0; self.view_count() * self.view_len()];
        let views = output.chunks_exact_mut(self.view_len());
        for (scale, view) in self.test_scales.iter().zip(views) {
            self.view_into(image, *scale, view);
        }
        output
    }

    /// One view of an image at the test scale `scale`, in pixels, written to `output` as
    /// `[3, crop, crop]`.
    ///
    /// # Panics
    /// If `output` is not [`view_len`](Self::view_len) long.
    pub fn view_into(&self, image: &Image, scale: u32, output: &mut [f32]) {
        let middle = self.slack() / 2;
        self.view_with(image, scale, (middle, middle), |_| {}, output);
    }

    /// What the network sees of an image, to be looked at: its views side by side, before they are whitened, each pixel
    /// `zoom` x `zoom` pixels large.
    pub fn picture(&self, image: &Image, zoom: u32) -> RgbImage {
        let middle = self.slack() / 2;
        let area = (self.crop * self.crop) as usize;
        let views: Vec<Vec<f32>> = (self.test_scales.iter())
            .map(|scale| {
                let mut plain = Vec::new();
                let mut view = vec![0.0; self.view_len()];
                let keep = |values: &mut [f32]| plain = values.to_vec();
                self.view_with(image, *scale, (middle, middle), keep, &mut view);
                plain
            })
            .collect();
        let side = self.crop * zoom;
        RgbImage::from_fn(side * self.view_count() as u32, side, |x, y| {
            let view = &views[(x / side) as usize];
            let pixel = (y / zoom * self.crop + x % side / zoom) as usize;
            Rgb([0, 1, 2].map(|plane| view[plane * area + pixel].round() as u8))
        })
    }

    /// A view that may be shifted and altered: what training sees. It is written to `output` as
    /// `[3, crop, crop]`.
    ///
    /// `scale` is the side of the centre crop in pixels. `corner` is the first column and row of the
    /// window in the resized crop, each at most [`slack`](Self::slack). `alter` gets the window's values
    /// before they are whitened, 0..=255, and may change them in place.
    ///
    /// # Panics
    /// If `output` is not [`view_len`](Self::view_len) long, or the window is outside the resized crop.
    pub fn view_with(
        &self,
        image: &Image,
        scale: u32,
        corner: (u32, u32),
        alter: impl FnOnce(&mut [f32]),
        output: &mut [f32],
    ) {
        let window = Window {
            left: corner.0,
            top: corner.1,
            side: self.crop,
        };
        match self.resampling {
            Resampling::TensorFlow1Bilinear => {
                resize_window(image, scale, self.resize, window, output);
            }
        }
        alter(output);
        match self.whitening {
            Whitening::PerImage => whiten(output),
        }
    }
}

/// Whitens a view in place: `(x - mean) / max(std, 1 / sqrt(N))`, with the mean and the standard
/// deviation of all N values of all channels, as TensorFlow's `per_image_standardization` does. The
/// lower bound keeps a uniform image from being divided by zero.
fn whiten(values: &mut [f32]) {
    let count = values.len() as f64;
    let mean = sum(values, f64::from) / count;
    let variance = sum(values, |x| (f64::from(x) - mean).powi(2)) / count;
    let deviation = variance.sqrt().max(1.0 / count.sqrt());
    let (mean, scale) = (mean as f32, (1.0 / deviation) as f32);
    for value in values {
        *value = (*value - mean) * scale;
    }
}

/// Sums in eight independent lanes: with one running total, every addition would wait for the last.
fn sum(values: &[f32], term: impl Fn(f32) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    let chunks = values.chunks_exact(lanes.len());
    let rest: f64 = chunks.remainder().iter().map(|x| term(*x)).sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += term(*x);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]))
    }

    #[test]
    fn views_are_one_a_scale_with_zero_mean_and_unit_deviation() {
        let image = picture(300, 260).into();
        let preprocessing = Preprocessing::default();
        let views = preprocessing.views(&image);
        assert_eq!(views.len(), 4 * 3 * 64 * 64);
        for view in views.chunks_exact(preprocessing.view_len()) {
            let n = view.len() as f32;
            let mean = view.iter().sum::<f32>() / n;
            let variance = view.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n;
            assert!(mean.abs() < 1e-4 && (variance - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn the_picture_is_the_views_before_they_are_whitened() {
        let image = picture(300, 260).into();
        let preprocessing = Preprocessing::default();
        let shown = preprocessing.picture(&image, 2);
        assert_eq!(shown.dimensions(), (2 * 4 * 64, 2 * 64));
        let mut view = vec![0.0; preprocessing.view_len()];
        let check = |values: &mut [f32]| {
            for (plane, value) in [0, 1, 2].into_iter().zip([0, 4096, 8192]) {
                let shown = f32::from(shown.get_pixel(2 * (2 * 64 + 5) + 1, 2 * 9)[plane]);
                assert!((shown - values[value + 9 * 64 + 5]).abs() <= 0.5);
            }
        };
        preprocessing.view_with(&image, 220, (8, 8), check, &mut view);
    }

    #[test]
    fn a_uniform_image_is_all_zero_and_not_nan() {
        let image = RgbImage::from_pixel(264, 264, Rgb([9; 3])).into();
        let views = Preprocessing::default().views(&image);
        assert!(views.iter().all(|x| *x == 0.0));
    }

    #[test]
    fn an_altered_view_is_altered_before_it_is_whitened() {
        let image = picture(300, 260).into();
        let preprocessing = Preprocessing::default();
        let mut view = vec![0.0; preprocessing.view_len()];
        let alter = |values: &mut [f32]| {
            assert!(values.iter().all(|value| (0.0..=255.0).contains(value)));
            // Contrast and brightness alone: whitening takes them out again.
            for value in values {
                *value = 2.0 * *value + 10.0;
            }
        };
        preprocessing.view_with(&image, 200, (8, 8), alter, &mut view);
        let mut plain = vec![0.0; preprocessing.view_len()];
        preprocessing.view_into(&image, 200, &mut plain);
        for (altered, plain) in view.iter().zip(&plain) {
            assert!((altered - plain).abs() < 1e-4);
        }
    }
}

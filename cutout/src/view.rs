//! From an image to the inputs of a network: crop, resize, window, whiten.
//!
//! Training views and test views come from the same function, [`Preprocessing::view_with`], so that
//! what a network sees when it is used can't differ from what it was trained on.

use image::{Rgb, RgbImage};

use crate::antialias::Resample;
use crate::resize::{Window, resize_window};
use crate::{Image, Outside, Preprocessing, Resampling, Whitening};

/// Which part of an image a view shows, and how sharply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The side of the centre crop, in pixels of the image.
    pub scale: u32,
    /// The first column and row of the window in the resized crop, each at most
    /// [`slack`](Preprocessing::slack).
    pub corner: (u32, u32),
    /// The standard deviation of a Gaussian blur, in pixels of the image: what worse seeing does. Only
    /// [`Resampling::Antialiased`] can be blurred.
    pub seeing: f32,
    /// What the view shows where the crop reaches beyond the image. [`Resampling::TensorFlow1Bilinear`]
    /// shows black.
    pub outside: Outside,
}

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
        self.view_with(image, self.centred(scale), |_| {}, output);
    }

    /// What a view at the test scale `scale`, in pixels, shows of an image.
    pub const fn centred(&self, scale: u32) -> Sampling {
        let middle = self.slack() / 2;
        Sampling {
            scale,
            corner: (middle, middle),
            seeing: 0.0,
            outside: Outside::Black,
        }
    }

    /// What the network sees of an image, to be looked at: its views side by side, before they are whitened, each pixel
    /// `zoom` x `zoom` pixels large.
    pub fn picture(&self, image: &Image, zoom: u32) -> RgbImage {
        let area = (self.crop * self.crop) as usize;
        let views: Vec<Vec<f32>> = (self.test_scales.iter())
            .map(|scale| {
                let mut plain = Vec::new();
                let mut view = vec![0.0; self.view_len()];
                let keep = |values: &mut [f32]| plain = values.to_vec();
                self.view_with(image, self.centred(*scale), keep, &mut view);
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

    /// A view that may be shifted, blurred and altered: what training sees. It is written to `output` as
    /// `[3, crop, crop]`.
    ///
    /// `alter` gets the window's values before they are whitened, 0..=255, and may change them in place.
    ///
    /// # Panics
    /// If `output` is not [`view_len`](Self::view_len) long, the window is outside the resized crop, or
    /// the resampling can't do what is asked for.
    pub fn view_with(
        &self,
        image: &Image,
        sampling: Sampling,
        alter: impl FnOnce(&mut [f32]),
        output: &mut [f32],
    ) {
        let Sampling {
            scale,
            corner: (left, top),
            seeing,
            outside,
        } = sampling;
        let side = self.crop;
        let window = Window { left, top, side };
        match self.resampling {
            Resampling::TensorFlow1Bilinear => {
                self.assert_sharp(sampling);
                resize_window(image, scale, self.resize, window, output);
            }
            Resampling::Antialiased => Resample {
                crop: scale,
                resized: self.resize,
                window,
                seeing,
                outside,
            }
            .run(image, output),
        }
        alter(output);
        match self.whitening {
            Whitening::PerImage => whiten(output),
        }
    }

    /// That a resampling which can't blur or mirror is not asked to.
    pub(crate) fn assert_sharp(&self, sampling: Sampling) {
        assert!(
            sampling.seeing == 0.0 && sampling.outside == Outside::Black,
            "{} can't be blurred or mirrored",
            self.resampling.name()
        );
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
        preprocessing.view_with(&image, preprocessing.centred(220), check, &mut view);
    }

    #[test]
    fn a_uniform_image_is_all_zero_and_not_nan() {
        let image = RgbImage::from_pixel(264, 264, Rgb([9; 3])).into();
        let views = Preprocessing::default().views(&image);
        assert!(views.iter().all(|x| *x == 0.0));
    }

    #[test]
    fn an_antialiased_view_of_what_is_kept_is_that_of_the_whole() {
        let preprocessing = Preprocessing {
            test_scales: vec![198, 231],
            resize: 144,
            crop: 128,
            resampling: Resampling::Antialiased,
            ..Preprocessing::default()
        };
        for (width, height) in [(424, 424), (301, 257), (200, 300), (90, 97)] {
            let image = crate::Image::from(picture(width, height));
            let whole = preprocessing.views(&image);
            assert_eq!(whole.len(), 2 * 3 * 128 * 128);
            assert!(whole == preprocessing.views(&image.keep_centre(231)));
        }
    }

    #[test]
    #[should_panic(expected = "tensorflow1_bilinear can't be blurred")]
    fn the_papers_resampling_is_not_quietly_left_sharp() {
        let preprocessing = Preprocessing::default();
        let blurred = Sampling {
            seeing: 1.0,
            ..preprocessing.centred(200)
        };
        let mut view = vec![0.0; preprocessing.view_len()];
        preprocessing.view_with(&picture(264, 264).into(), blurred, |_| {}, &mut view);
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
        preprocessing.view_with(&image, preprocessing.centred(200), alter, &mut view);
        let mut plain = vec![0.0; preprocessing.view_len()];
        preprocessing.view_into(&image, 200, &mut plain);
        for (altered, plain) in view.iter().zip(&plain) {
            assert!((altered - plain).abs() < 1e-4);
        }
    }
}

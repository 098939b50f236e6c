//! What a network sees of an image.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::resize::{Window, resize_window};

/// The largest side, in pixels, that a description may ask for.
const MAX_SIDE: u32 = 4096;

/// The most values that all views of an image may have together, 64 MB. A model file comes from
/// outside, and must not be able to ask for gigabytes.
const MAX_VALUES: usize = 16 << 20;

/// How an image becomes the inputs of a network: one view for each test scale.
///
/// A plain value that travels in the [`ModelCard`](crate::ModelCard), so that a model is always run as
/// it was trained. The default is the paper's test time (section 4.1): centre crops of 180, 200, 220
/// and 240 pixels, each resized to 80 x 80, of which the central 64 x 64 are whitened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The sides Q of the centre crops, in pixels of the image; one view each.
    pub test_scales: Vec<u32>,
    /// The side to which each crop is resized, in pixels.
    pub resize: u32,
    /// The side of the central part of that which is kept: the network's input, in pixels.
    pub crop: u32,
    /// The filter of the resize.
    pub resampling: Resampling,
    /// What is done to the values in the end.
    pub whitening: Whitening,
}

/// A filter to resize with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resampling {
    /// Two taps an axis, `source = destination * (in / out)`, no half-pixel shift, no antialiasing:
    /// TensorFlow 1's `resize_bilinear` with `align_corners=False`.
    #[serde(rename = "tensorflow1_bilinear")]
    TensorFlow1Bilinear,
}

/// A way to normalise a view's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whitening {
    /// Each view by its own mean and standard deviation; see [`whiten`].
    PerImage,
}

/// A [`Preprocessing`] that can't be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("preprocessing: {0}")]
pub struct PreprocessingError(String);

impl Default for Preprocessing {
    fn default() -> Self {
        Self {
            test_scales: vec![180, 200, 220, 240],
            resize: 80,
            crop: 64,
            resampling: Resampling::TensorFlow1Bilinear,
            whitening: Whitening::PerImage,
        }
    }
}

impl Preprocessing {
    /// Checks a description that came from outside.
    pub fn validate(&self) -> Result<(), PreprocessingError> {
        let fault = |message: String| Err(PreprocessingError(message));
        if self.test_scales.is_empty() || self.test_scales.len() > 64 {
            return fault(format!(
                "{} test scales, must be 1 to 64",
                self.test_scales.len()
            ));
        }
        let sides = self.test_scales.iter().chain([&self.resize, &self.crop]);
        if let Some(side) = sides.into_iter().find(|s| !(1..=MAX_SIDE).contains(*s)) {
            return fault(format!("a side of {side} pixels, must be 1 to {MAX_SIDE}"));
        }
        if self.crop > self.resize {
            return fault(format!(
                "a crop of {} pixels from a resized image of {}",
                self.crop, self.resize
            ));
        }
        let values = self.view_count() * self.view_len();
        if values > MAX_VALUES {
            return fault(format!(
                "{values} values an image, must be at most {MAX_VALUES}"
            ));
        }
        Ok(())
    }

    /// How many views an image has: one for each test scale.
    pub fn view_count(&self) -> usize {
        self.test_scales.len()
    }

    /// The shape of one view, `[3, crop, crop]`.
    pub fn view_shape(&self) -> [usize; 3] {
        [3, self.crop as usize, self.crop as usize]
    }

    /// How many values a view has: the product of [`view_shape`](Self::view_shape).
    pub fn view_len(&self) -> usize {
        self.view_shape().iter().product()
    }

    /// The network's inputs for one image, `[n_scales, 3, crop, crop]`, row-major.
    ///
    /// Images smaller than a test scale are padded with black, as the authors' code does.
    pub fn views(&self, image: &RgbImage) -> Vec<f32> {
        let mut output = vec![0.0; self.view_count() * self.view_len()];
        for (scale, view) in self
            .test_scales
            .iter()
            .zip(output.chunks_exact_mut(self.view_len()))
        {
            self.view_into(image, *scale, view);
        }
        output
    }

    /// One view of an image, at the test scale `scale` in pixels, written to `output` as
    /// `[3, crop, crop]`.
    ///
    /// # Panics
    /// If `output` is not [`view_len`](Self::view_len) long.
    pub fn view_into(&self, image: &RgbImage, scale: u32, output: &mut [f32]) {
        let margin = (self.resize - self.crop) / 2;
        let window = Window {
            left: margin,
            top: margin,
            side: self.crop,
        };
        match self.resampling {
            Resampling::TensorFlow1Bilinear => {
                resize_window(image, scale, self.resize, window, output);
            }
        }
        match self.whitening {
            Whitening::PerImage => whiten(output),
        }
    }
}

/// Whitens a view in place: `(x - mean) / max(std, 1 / sqrt(N))`, mean and standard deviation over
/// all N values of all channels, as TensorFlow's `per_image_standardization` does. The lower bound
/// keeps a uniform image from being divided by zero.
pub fn whiten(values: &mut [f32]) {
    let count = values.len() as f64;
    let mean = sum(values, f64::from) / count;
    let variance = sum(values, |x| (f64::from(x) - mean).powi(2)) / count;
    let deviation = variance.sqrt().max(1.0 / count.sqrt());
    let (mean, scale) = (mean as f32, (1.0 / deviation) as f32);
    for value in values {
        *value = (*value - mean) * scale;
    }
}

/// Sums in eight independent lanes: one running total would wait for itself at every addition.
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
    use image::Rgb;

    #[test]
    fn views_are_one_a_scale_with_zero_mean_and_unit_deviation() {
        let image = RgbImage::from_fn(300, 260, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]));
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
    fn a_uniform_image_is_all_zero_and_not_nan() {
        let image = RgbImage::from_pixel(264, 264, Rgb([9; 3]));
        let views = Preprocessing::default().views(&image);
        assert!(views.iter().all(|x| *x == 0.0));
    }

    #[test]
    fn descriptions_that_cannot_be_carried_out_are_refused() {
        let good = Preprocessing::default();
        good.validate().unwrap();
        let bad = [
            Preprocessing {
                test_scales: vec![],
                ..good.clone()
            },
            Preprocessing {
                test_scales: vec![0],
                ..good.clone()
            },
            Preprocessing {
                test_scales: vec![5000],
                ..good.clone()
            },
            Preprocessing {
                test_scales: vec![4096; 2],
                resize: 4096,
                crop: 4096,
                ..good.clone()
            },
            Preprocessing {
                crop: 81,
                ..good.clone()
            },
        ];
        for description in bad {
            assert!(description.validate().is_err(), "{description:?}");
        }
    }
}

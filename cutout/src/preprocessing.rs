//! The description of what a network sees of an image. `view.rs` carries it out.

use serde::{Deserialize, Serialize};

/// The largest side, in pixels, that a description may ask for.
const MAX_SIDE: u32 = 4096;

/// The most values that all views of an image may have together: 64 MB. A model file comes from
/// outside, and must not be able to ask for gigabytes.
const MAX_VALUES: usize = 16 << 20;

/// How an image becomes the inputs of a network: one view for each test scale.
///
/// A plain value that travels in the [`ModelCard`](crate::ModelCard), so that a model is always run as
/// it was trained. Training views are made with the same numbers; see
/// [`view_with`](Preprocessing::view_with).
///
/// The default is the paper's test time (section 4.1): centre crops of 180, 200, 220 and 240 pixels,
/// each resized to 80 x 80, of which the central 64 x 64 are whitened. It is also what the records of
/// runs from before preprocessing was recorded stand for, so it must not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The sides Q of the centre crops, in pixels of the image; one view each.
    pub test_scales: Vec<u32>,
    /// The side to which each crop is resized, in pixels.
    pub resize: u32,
    /// The side of the central part of the resized crop that is kept, in pixels: the network's input.
    pub crop: u32,
    /// The algorithm of the resize.
    pub resampling: Resampling,
    /// The algorithm that normalises the values in the end.
    pub whitening: Whitening,
}

/// The name of the algorithm that a crop is resized with.
///
/// A network trained on one of them loses accuracy on another, so a model is run with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resampling {
    /// Two taps an axis, `source = destination * (in / out)`, no half-pixel shift, no antialiasing:
    /// TensorFlow 1's `resize_bilinear` with `align_corners=False`.
    #[serde(rename = "tensorflow1_bilinear")]
    TensorFlow1Bilinear,
    /// A triangle as wide as the reduction, with half-pixel centres, cut off at the edge of the crop:
    /// the `BILINEAR` of Pillow's `Image.resize` on the cropped image.
    Antialiased,
}

impl Resampling {
    /// The name in a model card.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TensorFlow1Bilinear => "tensorflow1_bilinear",
            Self::Antialiased => "antialiased",
        }
    }
}

/// The name of the algorithm that normalises a view's values.
///
/// There is one, so there is nothing to choose. It is recorded so that a program that has another one
/// some day still runs an old model as it was trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whitening {
    /// Each view by the mean and standard deviation of all its values, as TensorFlow's
    /// `per_image_standardization` does.
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
            crop: Self::PAPER_CROP,
            resampling: Resampling::TensorFlow1Bilinear,
            whitening: Whitening::PerImage,
        }
    }
}

impl Preprocessing {
    /// The side of the views of the paper, in pixels, which all networks of the paper take.
    pub const PAPER_CROP: u32 = 64;

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

    /// How far a view's window can be shifted in the resized crop, in pixels: its first row and column
    /// lie between 0 and this. At test time it stands in the middle.
    pub const fn slack(&self) -> u32 {
        self.resize - self.crop
    }

    /// The largest test scale, in pixels; 0 when there is none.
    pub fn largest_scale(&self) -> u32 {
        self.test_scales.iter().copied().max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resampling_has_the_same_name_in_a_card_and_in_a_message() {
        for resampling in [Resampling::TensorFlow1Bilinear, Resampling::Antialiased] {
            let written = serde_json::to_value(resampling).unwrap();
            assert_eq!(written, resampling.name());
        }
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

//! How training views differ from test views: sections 4.1 and 4.2.
//!
//! A training view is made by the same function as a test view ([`Preprocessing::view_with`]), with a
//! random scale, a random window, a random symmetry and a random change of colours.
//!
//! Everything random comes from a generator that is seeded by (seed, epoch, image), so a view does not
//! depend on threads, on batches, or on where a run was interrupted.
//!
//! The paper names brightness, contrast, saturation and hue "as in Krizhevsky et al. 2012" and gives no
//! figures. The authors' code has brightness +-63 and contrast 0.2..1.8, and no saturation or hue. We
//! have all four (`distortion.rs`). Brightness is there only because the paper has it: whitening takes it
//! out again.
//!
//! What goes beyond the paper is in `telescope.rs`, and off by default.

use std::ops::RangeInclusive;

use galmorph_cutout::{Image, Outside, Preprocessing, Resampling, Sampling};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::distortion::Distortion;
use super::telescope::{Effects, Telescope};

/// A set of augmentations, by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AugmentationName {
    /// The paper's: scale, shift, rotation, flip, and a little colour.
    #[default]
    Paper,
    /// The paper's, and other seeing, pixel scales, noise, stretches, single bands, and missing sky.
    Telescope,
}

/// The ranges from which the differences are drawn, uniformly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Augmentation {
    /// The training scale S: the side of the centre crop, in pixels.
    pub scale: (u32, u32),
    /// The largest shift of all values, of 255.
    pub brightness: f32,
    /// Factors of the distance from the channel's mean.
    pub contrast: (f32, f32),
    /// Factors of the distance from grey.
    pub saturation: (f32, f32),
    /// The largest rotation of the hue, as a fraction of the circle.
    pub hue: f32,
    /// What other telescopes do to an image; `None` in the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telescope: Option<Telescope>,
}

impl Default for Augmentation {
    /// The paper's scales, the authors' brightness and contrast, and a saturation and a hue that keep
    /// a red elliptical red.
    fn default() -> Self {
        Self {
            scale: (170, 240),
            brightness: 63.0,
            contrast: (0.2, 1.8),
            saturation: (0.8, 1.2),
            hue: 0.02,
            telescope: None,
        }
    }
}

impl Augmentation {
    /// The augmentation of this name for views like these.
    ///
    /// # Errors
    /// When such views can't be augmented so.
    pub(crate) fn named(
        name: AugmentationName,
        preprocessing: &Preprocessing,
    ) -> Result<Self, String> {
        match name {
            AugmentationName::Paper => Ok(Self::around(preprocessing)),
            AugmentationName::Telescope if preprocessing.resampling == Resampling::Antialiased => {
                let telescope = Some(Telescope::default());
                Ok(Self {
                    telescope,
                    ..Self::around(preprocessing)
                })
            }
            AugmentationName::Telescope => Err(format!(
                "the augmentation 'telescope' blurs views, which '{}' can't; use '{}'",
                preprocessing.resampling.name(),
                Resampling::Antialiased.name()
            )),
        }
    }

    /// The paper's ranges, with scales as far from the test scales as the paper's 170 to 240 are from
    /// the mean of its own, 210.
    fn around(preprocessing: &Preprocessing) -> Self {
        let scales = &preprocessing.test_scales;
        let mean = scales.iter().sum::<u32>() as f32 / scales.len() as f32;
        let paper = Self::default().scale;
        let part = |side: u32| (mean * side as f32 / 210.0).round() as u32;
        Self {
            scale: (part(paper.0), part(paper.1)),
            ..Self::default()
        }
    }

    /// The side of the largest crop, in pixels.
    pub fn largest_crop(&self) -> u32 {
        let zoom = self.telescope.as_ref().map_or(1.0, |t| t.largest_zoom);
        (self.scale.1 as f32 * zoom).ceil() as u32
    }

    /// The same without the effects of a telescope.
    #[must_use]
    pub(super) fn without_telescope(&self) -> Self {
        Self {
            telescope: None,
            ..self.clone()
        }
    }

    /// Makes a training view of an image, `[3, crop, crop]`.
    ///
    /// # Panics
    /// If `output` is not [`view_len`](Preprocessing::view_len) long.
    pub fn view_into(
        &self,
        preprocessing: &Preprocessing,
        image: &Image,
        key: Key,
        output: &mut [f32],
    ) {
        self.draw(preprocessing, key)
            .view_into(preprocessing, image, output);
    }

    /// Draws one view's differences. The order of the draws is part of what makes a run repeatable.
    pub(super) fn draw(&self, preprocessing: &Preprocessing, key: Key) -> Variation {
        let mut random = key.generator();
        let slack = preprocessing.slack();
        let mut variation = Variation {
            scale: random.random_range(self.scale.0..=self.scale.1),
            corner: (
                random.random_range(0..=slack),
                random.random_range(0..=slack),
            ),
            symmetry: Symmetry {
                quarter_turns: random.random_range(0..4),
                mirrored: random.random(),
            },
            distortion: Distortion {
                brightness: draw(&mut random, -self.brightness..=self.brightness),
                contrast: draw(&mut random, self.contrast.0..=self.contrast.1),
                saturation: draw(&mut random, self.saturation.0..=self.saturation.1),
                hue: draw(&mut random, -self.hue..=self.hue),
            },
            effects: Effects::NONE,
        };
        // Last, so that the draws above are those of runs without it.
        if let Some(telescope) = &self.telescope {
            variation.effects = telescope.draw(&mut random);
        }
        variation
    }
}

fn draw(random: &mut ChaCha8Rng, range: RangeInclusive<f32>) -> f32 {
    random.random_range(range)
}

/// How one training view differs from a test view.
#[derive(Debug, Clone)]
pub(super) struct Variation {
    /// The training scale, in pixels.
    pub(super) scale: u32,
    /// The window's first column and row in the resized crop.
    pub(super) corner: (u32, u32),
    pub(super) symmetry: Symmetry,
    pub(super) distortion: Distortion,
    pub(super) effects: Effects,
}

impl Variation {
    pub(super) fn view_into(
        &self,
        preprocessing: &Preprocessing,
        image: &Image,
        output: &mut [f32],
    ) {
        let side = preprocessing.crop as usize;
        let alter = |view: &mut [f32]| {
            self.effects.apply(view, side);
            self.distortion.apply(view);
            let upright = view.to_vec();
            self.symmetry.apply(&upright, side, view);
        };
        preprocessing.view_with(image, self.sampling(), alter, output);
    }

    /// What the view shows of the image.
    pub(super) fn sampling(&self) -> Sampling {
        // A larger galaxy fills a smaller crop.
        let scale = (self.scale as f32 / self.effects.zoom).round() as u32;
        Sampling {
            scale: scale.max(1),
            corner: self.corner,
            seeing: self.effects.seeing,
            outside: if self.effects.mirrored {
                Outside::Mirrored
            } else {
                Outside::Black
            },
        }
    }
}

/// What the random numbers of a view depend on.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u32,
    /// The image's number in the dataset.
    pub image: usize,
}

impl Key {
    fn generator(self) -> ChaCha8Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..12].copy_from_slice(&self.epoch.to_le_bytes());
        seed[16..24].copy_from_slice(&(self.image as u64).to_le_bytes());
        ChaCha8Rng::from_seed(seed)
    }
}

/// One of the eight symmetries of the square.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symmetry {
    pub(super) quarter_turns: u8,
    pub(super) mirrored: bool,
}

impl Symmetry {
    /// All eight, by their [number](Self::number).
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|number| Self {
            quarter_turns: number / 2,
            mirrored: number % 2 == 1,
        })
    }

    /// The place among [all](Self::all).
    pub(super) fn number(self) -> i64 {
        2 * i64::from(self.quarter_turns) + i64::from(self.mirrored)
    }

    /// Where each pixel of a plane of `width` x `width` pixels comes from.
    pub(super) fn sources(self, width: usize) -> Vec<i64> {
        let places: Vec<i64> = (0..(width * width) as i64).collect();
        let mut sources = vec![0; places.len()];
        self.apply(&places, width, &mut sources);
        sources
    }

    /// Moves the pixels of planes of `width` x `width` pixels.
    fn apply<T: Copy>(self, view: &[T], width: usize, output: &mut [T]) {
        // The source of pixel (x, y) is origin + x * step_x + y * step_y.
        let side = width as isize;
        let last = side - 1;
        let (mut origin, mut step_x, step_y) = match self.quarter_turns {
            0 => (0, 1, side),
            1 => (last * side, -side, 1),
            2 => (last * side + last, -1, -side),
            _ => (last, side, -1),
        };
        if self.mirrored {
            origin += last * step_x;
            step_x = -step_x;
        }
        let planes = view.chunks_exact(width * width);
        for (from, to) in planes.zip(output.chunks_exact_mut(width * width)) {
            for (y, line) in to.chunks_exact_mut(width).enumerate() {
                let start = origin + y as isize * step_y;
                for (x, value) in line.iter_mut().enumerate() {
                    *value = from[(start + x as isize * step_x) as usize];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use galmorph_cutout::{Morphology, RgbImage};
    use galmorph_mock::Mock;
    use image::Rgb;

    use super::*;

    /// The side and the area of a view in these tests.
    const SIDE: usize = 64;
    const AREA: usize = SIDE * SIDE;

    fn image() -> Image {
        Mock::new(3).galaxy(Morphology::Spiral, 0).into()
    }

    fn key(seed: u64, epoch: u32, image: usize) -> Key {
        Key { seed, epoch, image }
    }

    fn view(key: Key) -> Vec<f32> {
        let preprocessing = Preprocessing::default();
        let mut output = vec![0.0; preprocessing.view_len()];
        Augmentation::default().view_into(&preprocessing, &image(), key, &mut output);
        output
    }

    #[test]
    fn a_view_depends_on_seed_epoch_and_image_and_on_nothing_else() {
        let reference = view(key(1, 2, 3));
        assert_eq!(reference, view(key(1, 2, 3)));
        for other in [key(2, 2, 3), key(1, 3, 3), key(1, 2, 4)] {
            assert_ne!(reference, view(other));
        }
    }

    /// Runs are compared with runs from years ago, and resumed by newer programs.
    #[test]
    fn training_views_stay_what_they_were() {
        let texture = RgbImage::from_fn(250, 260, |x, y| {
            Rgb([(x * 7 + y) as u8, (x + y * 3) as u8, (x * y / 5) as u8])
        });
        let preprocessing = Preprocessing::default();
        let mut view = vec![0.0; preprocessing.view_len()];
        let augmentation = Augmentation::default();
        augmentation.view_into(&preprocessing, &texture.into(), key(1, 2, 3), &mut view);
        let some: Vec<f32> = view.iter().step_by(1777).copied().collect();
        #[rustfmt::skip]
        let wanted = [-0.533_626, 0.783_359, 1.007_016, 0.265_358, -0.429_034, -0.106_463, -1.080_552];
        assert_eq!(some.len(), wanted.len());
        for (ours, wanted) in some.iter().zip(wanted) {
            // Mathematical libraries differ in the last digit of a sine.
            assert!((ours - wanted).abs() < 1e-4, "{some:?}");
        }
    }

    #[test]
    fn the_telescope_comes_after_the_papers_draws_and_needs_antialiased_views() {
        let antialiased = Preprocessing {
            test_scales: vec![210],
            resampling: Resampling::Antialiased,
            ..Preprocessing::default()
        };
        let named = |preprocessing| Augmentation::named(AugmentationName::Telescope, preprocessing);
        let augmentation = named(&antialiased).unwrap();
        assert_eq!(augmentation.scale, (170, 240));
        assert_eq!(augmentation.largest_crop(), 480);
        let paper = Augmentation::named(AugmentationName::Paper, &Preprocessing::default());
        assert_eq!(paper.unwrap(), Augmentation::default());
        assert_eq!(augmentation.without_telescope(), Augmentation::default());
        for image in 0..20 {
            let with = augmentation.draw(&antialiased, key(1, 2, image));
            let without = Augmentation::default().draw(&antialiased, key(1, 2, image));
            assert_eq!(with.distortion, without.distortion);
            assert_eq!((with.scale, with.corner), (without.scale, without.corner));
        }
        let refused = named(&Preprocessing::default()).unwrap_err();
        assert!(
            refused.contains("'tensorflow1_bilinear' can't"),
            "{refused}"
        );
    }

    #[test]
    fn the_eight_symmetries_are_distinct_and_four_turns_are_none() {
        let view: Vec<f32> = (0..3 * AREA).map(|n| n as f32).collect();
        let turned = |view: &[f32], quarter_turns, mirrored| {
            let mut output = vec![0.0; 3 * AREA];
            let symmetry = Symmetry {
                quarter_turns,
                mirrored,
            };
            symmetry.apply(view, SIDE, &mut output);
            output
        };
        let mut seen = Vec::new();
        for quarter_turns in 0..4 {
            for mirrored in [false, true] {
                let output = turned(&view, quarter_turns, mirrored);
                let mut sorted = output.clone();
                sorted.sort_by(f32::total_cmp);
                assert_eq!(sorted, view, "a permutation of the pixels");
                assert!(!seen.contains(&output));
                seen.push(output);
            }
        }
        let full_circle = (0..4).fold(view.clone(), |view, _| turned(&view, 1, false));
        assert_eq!(full_circle, view);
        assert_eq!(
            turned(&view, 0, true)[0],
            63.0,
            "a mirror swaps left and right"
        );
        assert_eq!(
            turned(&view, 2, false),
            turned(&turned(&view, 1, false), 1, false)
        );
    }

    #[test]
    fn a_training_view_without_augmentation_is_the_test_view_bit_for_bit() {
        let other = Preprocessing {
            resize: 90,
            crop: 50,
            ..Preprocessing::default()
        };
        let antialiased = Preprocessing {
            resampling: Resampling::Antialiased,
            ..other.clone()
        };
        for preprocessing in [Preprocessing::default(), other, antialiased] {
            let middle = preprocessing.slack() / 2;
            for scale in preprocessing.test_scales.clone() {
                let variation = Variation {
                    scale,
                    corner: (middle, middle),
                    symmetry: Symmetry {
                        quarter_turns: 0,
                        mirrored: false,
                    },
                    distortion: Distortion::NONE,
                    effects: Effects::NONE,
                };
                let mut training = vec![0.0; preprocessing.view_len()];
                variation.view_into(&preprocessing, &image(), &mut training);
                let mut test = vec![0.0; preprocessing.view_len()];
                preprocessing.view_into(&image(), scale, &mut test);
                assert!(training == test, "scale {scale}");
            }
        }
    }
}

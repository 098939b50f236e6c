//! What other telescopes, nights and programs do to an image of the same galaxy.
//!
//! The paper's augmentation changes colours and shifts a view a little. A network trained with it is at a
//! loss when the seeing is worse, the pixels are of another size, or the stretch is another one, and does
//! not know it. So training views get all of that, each with its own probability, most of them within the
//! range that surveys deliver. The order of the bands is never changed: a blue galaxy is not a red one.
//!
//! Values are 0..=255, in views `[3, side, side]`, before they are whitened.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How often each effect happens, and how strong it is at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Telescope {
    /// The part of the views that can have effects; the others show what the paper's do. The
    /// probabilities below are those of a view that can.
    pub probability: f64,
    /// Another pixel scale: the galaxy is up to `largest_zoom` times as large, or as small. The factor's
    /// logarithm is uniform.
    pub zoom_probability: f64,
    /// See `zoom_probability`.
    pub largest_zoom: f32,
    /// Worse seeing: a Gaussian blur.
    pub seeing_probability: f64,
    /// The largest standard deviation of the blur, in pixels of the image; uniform.
    pub largest_seeing: f32,
    /// A shorter exposure: noise in each value of the view.
    pub noise_probability: f64,
    /// The largest standard deviation of the noise, of 255; uniform.
    pub largest_noise: f32,
    /// Another stretch, in equal parts a power law and an inverse hyperbolic sine.
    pub stretch_probability: f64,
    /// The exponent of the power law is up to this, or its inverse. The logarithm is uniform.
    pub largest_gamma: f32,
    /// The largest softening of the inverse hyperbolic sine; uniform.
    pub largest_softening: f32,
    /// A single band: each pixel is the mean of its colours.
    pub grey_probability: f64,
    /// The edge of the field: black beyond a straight line that leaves the centre visible.
    pub edge_probability: f64,
    /// Sky beyond the image, instead of black, where the image is smaller than the crop.
    pub mirror_probability: f64,
}

impl Default for Telescope {
    fn default() -> Self {
        Self {
            probability: 0.6,
            zoom_probability: 0.4,
            largest_zoom: 2.0,
            seeing_probability: 0.35,
            largest_seeing: 6.0,
            noise_probability: 0.25,
            largest_noise: 15.0,
            stretch_probability: 0.4,
            largest_gamma: 2.0,
            largest_softening: 10.0,
            grey_probability: 0.1,
            edge_probability: 0.1,
            mirror_probability: 0.5,
        }
    }
}

/// The effects on one view.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Effects {
    /// How many times as large the galaxy is.
    pub(super) zoom: f32,
    /// The standard deviation of the blur, in pixels of the image.
    pub(super) seeing: f32,
    /// Whether the image is mirrored at its edge.
    pub(super) mirrored: bool,
    pub(super) stretch: Option<Stretch>,
    pub(super) grey: bool,
    pub(super) noise: Option<Noise>,
    pub(super) edge: Option<Edge>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stretch {
    /// `x ^ exponent`, for x from 0 to 1.
    Power(f32),
    /// `asinh(softening x) / asinh(softening)`, for x from 0 to 1.
    Asinh(f32),
}

/// Noise that is drawn where it is added.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Noise {
    deviation: f32,
    random: ChaCha8Rng,
}

/// A straight line; what lies beyond it is black.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Edge {
    /// The direction from the centre, in radians.
    pub(super) angle: f32,
    /// The distance from the centre, of half a side.
    pub(super) distance: f32,
}

impl Telescope {
    /// Draws the effects on one view. The order of the draws is part of what makes a run repeatable.
    pub(super) fn draw(&self, random: &mut ChaCha8Rng) -> Effects {
        if !random.random_bool(self.probability) {
            return Effects::NONE;
        }
        let up_to_either_way = |random: &mut ChaCha8Rng, most: f32| {
            let log = most.ln();
            random.random_range(-log..=log).exp()
        };
        let zoom = (random.random_bool(self.zoom_probability))
            .then(|| up_to_either_way(random, self.largest_zoom));
        let seeing = (random.random_bool(self.seeing_probability))
            .then(|| random.random_range(0.0..=self.largest_seeing));
        let stretch = random.random_bool(self.stretch_probability).then(|| {
            if random.random() {
                Stretch::Power(up_to_either_way(random, self.largest_gamma))
            } else {
                // At a softening of nothing the curve is straight.
                Stretch::Asinh(random.random_range(0.01..=self.largest_softening))
            }
        });
        let grey = random.random_bool(self.grey_probability);
        let edge = random.random_bool(self.edge_probability).then(|| Edge {
            angle: random.random_range(0.0..TAU),
            distance: random.random_range(0.25..1.0),
        });
        let mirrored = random.random_bool(self.mirror_probability);
        let noise = random.random_bool(self.noise_probability).then(|| Noise {
            deviation: random.random_range(0.0..=self.largest_noise),
            random: random.clone(),
        });
        Effects {
            zoom: zoom.unwrap_or(1.0),
            seeing: seeing.unwrap_or(0.0),
            mirrored,
            stretch,
            grey,
            noise,
            edge,
        }
    }
}

impl Effects {
    /// No effect.
    pub(super) const NONE: Self = Self {
        zoom: 1.0,
        seeing: 0.0,
        mirrored: false,
        stretch: None,
        grey: false,
        noise: None,
        edge: None,
    };

    /// Changes a view `[3, side, side]` in place, before its colours are distorted: black at the edge of
    /// a field is then distorted like all other black.
    pub(super) fn apply(&self, view: &mut [f32], side: usize) {
        match self.stretch {
            Some(Stretch::Power(exponent)) => {
                for value in view.iter_mut() {
                    *value = 255.0 * (*value / 255.0).max(0.0).powf(exponent);
                }
            }
            Some(Stretch::Asinh(softening)) => {
                let white = 255.0 / softening.asinh();
                for value in view.iter_mut() {
                    *value = white * (*value / 255.0 * softening).asinh();
                }
            }
            None => {}
        }
        if self.grey {
            let (red, rest) = view.split_at_mut(view.len() / 3);
            let (green, blue) = rest.split_at_mut(red.len());
            for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
                let mean = (*r + *g + *b) / 3.0;
                (*r, *g, *b) = (mean, mean, mean);
            }
        }
        if let Some(noise) = &self.noise {
            noise.add(view);
        }
        if let Some(edge) = self.edge {
            edge.apply(view, side);
        }
    }
}

impl Edge {
    fn apply(self, view: &mut [f32], side: usize) {
        let (sin, cos) = self.angle.sin_cos();
        let half = side as f32 / 2.0;
        for plane in view.chunks_exact_mut(side * side) {
            for (y, line) in plane.chunks_exact_mut(side).enumerate() {
                let beyond = (y as f32 + 0.5 - half) * sin - self.distance * half;
                for (x, value) in line.iter_mut().enumerate() {
                    if (x as f32 + 0.5 - half) * cos + beyond > 0.0 {
                        *value = 0.0;
                    }
                }
            }
        }
    }
}

impl Noise {
    /// Adds a sum of four uniform bytes to each value, which is all but normally distributed.
    fn add(&self, view: &mut [f32]) {
        let factor = self.factor();
        for (value, sum) in view.iter_mut().zip(self.sums()) {
            *value += factor * f32::from(sum);
        }
    }

    /// The noise of one value after another, in steps of [`factor`](Self::factor): sums of four uniform
    /// bytes, less their mean.
    pub(super) fn sums(&self) -> impl Iterator<Item = i16> {
        let mut random = self.random.clone();
        std::iter::repeat_with(move || {
            let bytes = random.random::<u32>().to_le_bytes();
            let sum: i16 = bytes.into_iter().map(i16::from).sum();
            // The mean of a byte is 127.5.
            sum - 4 * 255 / 2
        })
    }

    /// What the sums are multiplied with.
    pub(super) fn factor(&self) -> f32 {
        // The variance of a byte is (256^2 - 1) / 12.
        self.deviation / (4.0_f32 * 65535.0 / 12.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const SIDE: usize = 40;

    fn random(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    fn ramp() -> Vec<f32> {
        (0..3 * SIDE * SIDE).map(|n| (n % 256) as f32).collect()
    }

    #[test]
    fn effects_happen_as_often_and_as_strongly_as_they_should() {
        let telescope = Telescope::default();
        let mut random = random(1);
        let drawn: Vec<Effects> = (0..4000).map(|_| telescope.draw(&mut random)).collect();
        let share = |happens: &dyn Fn(&Effects) -> bool| {
            drawn.iter().filter(|effects| happens(effects)).count() as f64 / drawn.len() as f64
        };
        for (found, wanted) in [
            (share(&|e| e.zoom != 1.0), telescope.zoom_probability),
            (share(&|e| e.zoom > 1.0), telescope.zoom_probability / 2.0),
            (share(&|e| e.seeing > 0.0), telescope.seeing_probability),
            (
                share(&|e| e.seeing > 3.0),
                telescope.seeing_probability / 2.0,
            ),
            (
                share(&|e| e.stretch.is_some()),
                telescope.stretch_probability,
            ),
            (share(&|e| e.grey), telescope.grey_probability),
            (share(&|e| e.noise.is_some()), telescope.noise_probability),
            (share(&|e| e.edge.is_some()), telescope.edge_probability),
            (share(&|e| e.mirrored), telescope.mirror_probability),
        ] {
            let wanted = telescope.probability * wanted;
            assert!((found - wanted).abs() < 0.03, "{found} for {wanted}");
        }
        let plain = share(&|effects| *effects == Effects::NONE);
        assert!(plain > 1.0 - telescope.probability - 0.03, "{plain}");
        assert!(drawn.iter().all(|e| (0.5..=2.0).contains(&e.zoom)));
        assert!(drawn.iter().all(|e| (0.0..=6.0).contains(&e.seeing)));
    }

    #[test]
    fn nothing_changes_nothing() {
        let mut view = ramp();
        Effects::NONE.apply(&mut view, SIDE);
        assert_eq!(view, ramp());
    }

    #[test]
    fn a_stretch_keeps_black_white_and_the_order() {
        for stretch in [
            Stretch::Power(0.5),
            Stretch::Power(2.0),
            Stretch::Asinh(0.01),
            Stretch::Asinh(10.0),
        ] {
            let mut view: Vec<f32> = (0..=255_u8).map(f32::from).collect();
            let effects = Effects {
                stretch: Some(stretch),
                ..Effects::NONE
            };
            effects.apply(&mut view, 16);
            assert!(
                view[0].abs() < 1e-4 && (view[255] - 255.0).abs() < 0.01,
                "{stretch:?}"
            );
            assert!(view.is_sorted(), "{stretch:?}");
        }
        let mut half = [127.5; 3];
        let squared = Effects {
            stretch: Some(Stretch::Power(2.0)),
            ..Effects::NONE
        };
        squared.apply(&mut half, 1);
        assert!((half[0] - 63.75).abs() < 0.01);
    }

    #[test]
    fn a_single_band_has_the_mean_of_the_colours() {
        let mut view = [30.0, 60.0, 120.0];
        let grey = Effects {
            grey: true,
            ..Effects::NONE
        };
        grey.apply(&mut view, 1);
        assert_eq!(view, [70.0; 3]);
    }

    #[test]
    fn noise_has_its_deviation_and_no_mean() {
        let noise = Noise {
            deviation: 10.0,
            random: random(2),
        };
        let mut view = vec![0.0; 60_000];
        noise.add(&mut view);
        let mean = view.iter().sum::<f32>() / 60_000.0;
        let variance = view.iter().map(|x| x * x).sum::<f32>() / 60_000.0;
        assert!(mean.abs() < 0.2, "{mean}");
        assert!((variance.sqrt() - 10.0).abs() < 0.15, "{}", variance.sqrt());
    }

    #[test]
    fn the_edge_of_the_field_is_on_one_side_and_leaves_the_centre() {
        let effects = Effects {
            edge: Some(Edge {
                angle: 0.0,
                distance: 0.5,
            }),
            ..Effects::NONE
        };
        let mut view = vec![9.0; 3 * SIDE * SIDE];
        effects.apply(&mut view, SIDE);
        for line in view.chunks_exact(SIDE) {
            assert!(line[..30].iter().all(|value| *value == 9.0));
            assert!(line[30..].iter().all(|value| *value == 0.0));
        }
    }
}

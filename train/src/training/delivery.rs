//! How an image reaches us: with fewer pixels than its galaxy deserves, in a JPEG file.
//!
//! A cutout of 64 x 64 pixels that shows a whole galaxy has a fifth of the pixels a side that the network looks at, and
//! the blocks of its JPEG become large squares. A network that saw only large images takes them for structure: it
//! loses twice as much by these blocks as by the pixels that are missing.

use galmorph_cutout::{Limits, RgbImage, decode};
use image::codecs::jpeg::JpegEncoder;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How often images are delivered so, and in how few pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The part of the views that are delivered so, of those that can have effects.
    pub probability: f64,
    /// The fewest pixels a side that a view is made of; their logarithm is uniform, up to the view's own.
    pub fewest_pixels: u32,
    /// The worst and the best JPEG quality, 1 to 100; uniform.
    pub quality: (u8, u8),
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            probability: 0.4,
            fewest_pixels: 22,
            quality: (60, 97),
        }
    }
}

/// How one view is delivered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Delivered {
    /// The part of a view's side, up to 1, that its pixels are: 0.5 for half as many a side.
    pub(super) pixels: f32,
    pub(super) quality: u8,
}

impl Delivery {
    /// Draws how a view of `side` x `side` pixels is delivered; `None` as it is.
    pub(super) fn draw(&self, side: u32, random: &mut ChaCha8Rng) -> Option<Delivered> {
        if !random.random_bool(self.probability) {
            return None;
        }
        let fewest = (self.fewest_pixels as f32 / side as f32).min(1.0);
        Some(Delivered {
            pixels: random.random_range(fewest.ln()..=0.0).exp(),
            quality: random.random_range(self.quality.0..=self.quality.1),
        })
    }
}

impl Delivered {
    /// Shrinks a view `[3, side, side]` of values 0..=255, writes and reads it as JPEG, and enlarges it again.
    #[expect(
        clippy::expect_used,
        reason = "an image that was just written is there and can be read"
    )]
    pub(super) fn apply(self, view: &mut [f32], side: usize) {
        let small_side = ((side as f32 * self.pixels).round() as usize).clamp(1, side);
        let shrink = means(side, small_side);
        let mut small = RgbImage::new(small_side as u32, small_side as u32);
        for (channel, plane) in view.chunks_exact(side * side).enumerate() {
            let values = resized(plane, side, &shrink);
            for (pixel, value) in small.pixels_mut().zip(values) {
                pixel.0[channel] = value.round().clamp(0.0, 255.0) as u8;
            }
        }
        let mut file = Vec::new();
        JpegEncoder::new_with_quality(&mut file, self.quality)
            .encode_image(&small)
            .expect("memory takes every image");
        let limits = Limits {
            min_side: 1,
            ..Limits::default()
        };
        let image = decode(&file, &limits).expect("it is a JPEG");
        let read = image.to_rgb8();
        let enlarge = between(small_side, side);
        for (channel, plane) in view.chunks_exact_mut(side * side).enumerate() {
            let values: Vec<f32> = read.pixels().map(|p| f32::from(p.0[channel])).collect();
            plane.copy_from_slice(&resized(&values, small_side, &enlarge));
        }
    }
}

/// For each pixel of a line that is resized, the first pixel that it is made of, and the weight of this one and of
/// those that follow.
type Line = Vec<(usize, Vec<f32>)>;

/// The mean of what lies below each pixel of a shorter line.
fn means(from: usize, to: usize) -> Line {
    let ratio = from as f32 / to as f32;
    let pixel = |number: usize| {
        let (begin, end) = (number as f32 * ratio, (number + 1) as f32 * ratio);
        let first = begin as usize;
        let last = (end.ceil() as usize).clamp(first + 1, from);
        let part = |source: usize| {
            (end.min((source + 1) as f32) - begin.max(source as f32)).max(0.0) / ratio
        };
        (first, (first..last).map(part).collect())
    };
    (0..to).map(pixel).collect()
}

/// The pixels of a longer line, each between two, by their distances; beyond the outermost, these.
fn between(from: usize, to: usize) -> Line {
    let ratio = from as f32 / to as f32;
    let pixel = |number: usize| {
        let place = ((number as f32 + 0.5) * ratio - 0.5).clamp(0.0, (from - 1) as f32);
        let first = (place as usize).min(from.saturating_sub(2));
        let part = place - first as f32;
        if from == 1 {
            (0, vec![1.0])
        } else {
            (first, vec![1.0 - part, part])
        }
    };
    (0..to).map(pixel).collect()
}

/// A plane of `width` x `width` pixels, with its lines resized, and then its columns.
fn resized(plane: &[f32], width: usize, line: &Line) -> Vec<f32> {
    let sum = |first: usize, weights: &[f32], at: &dyn Fn(usize) -> f32| -> f32 {
        let terms = weights.iter().enumerate();
        terms.map(|(n, weight)| weight * at(first + n)).sum()
    };
    let mut wide = Vec::with_capacity(width * line.len());
    for row in plane.chunks_exact(width) {
        wide.extend(
            line.iter()
                .map(|(first, weights)| sum(*first, weights, &|x| row[x])),
        );
    }
    let columns = line.len();
    let mut output = Vec::with_capacity(columns * columns);
    for (first, weights) in line {
        output.extend((0..columns).map(|x| sum(*first, weights, &|y| wide[y * columns + x])));
    }
    output
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const SIDE: usize = 64;

    /// A soft round galaxy.
    fn view() -> Vec<f32> {
        let value = |n: usize| {
            let (x, y) = ((n % SIDE) as f32 - 31.5, (n / SIDE) as f32 - 31.5);
            20.0 + 200.0 * (-(x * x + y * y) / 200.0).exp()
        };
        let plane: Vec<f32> = (0..SIDE * SIDE).map(value).collect();
        plane.repeat(3)
    }

    fn delivered(pixels: f32, quality: u8) -> Vec<f32> {
        let mut view = view();
        Delivered { pixels, quality }.apply(&mut view, SIDE);
        view
    }

    fn difference(one: &[f32], other: &[f32]) -> f32 {
        let sum: f32 = one.iter().zip(other).map(|(a, b)| (a - b).abs()).sum();
        sum / one.len() as f32
    }

    #[test]
    fn it_keeps_the_galaxy_and_loses_the_more_the_fewer_its_pixels_and_the_worse_its_quality() {
        let losses = [(1.0, 97), (0.5, 97), (0.2, 97), (0.2, 60)]
            .map(|(pixels, quality)| difference(&view(), &delivered(pixels, quality)));
        assert!(losses.is_sorted(), "{losses:?}");
        assert!(losses[0] > 0.0 && losses[3] < 6.0, "{losses:?}");
    }

    #[test]
    fn the_middle_stays_the_middle() {
        for pixels in [1.0, 0.7, 0.31] {
            let view = delivered(pixels, 97);
            let plane = &view[..SIDE * SIDE];
            let total: f32 = plane.iter().map(|value| value - 19.0).sum();
            let middle = |at: &dyn Fn(usize) -> usize| -> f32 {
                let terms = plane.iter().enumerate();
                let sum: f32 = terms.map(|(n, value)| (value - 19.0) * at(n) as f32).sum();
                sum / total
            };
            let (x, y) = (middle(&|n| n % SIDE), middle(&|n| n / SIDE));
            assert!(
                (x - 31.5).abs() < 0.3 && (y - 31.5).abs() < 0.3,
                "{pixels}: {x} {y}"
            );
        }
    }

    #[test]
    fn a_flat_view_stays_flat_in_any_number_of_pixels() {
        for small_side in [1, 2, 3, 7, 22, 63, 64] {
            let plane = vec![80.0; SIDE * SIDE];
            let small = resized(&plane, SIDE, &means(SIDE, small_side));
            assert_eq!(small.len(), small_side * small_side);
            let large = resized(&small, small_side, &between(small_side, SIDE));
            for value in small.iter().chain(&large) {
                assert!((value - 80.0).abs() < 1e-3, "{small_side}: {value}");
            }
        }
    }

    #[test]
    fn views_are_delivered_as_often_and_as_badly_as_they_should_be() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let delivery = Delivery::default();
        let drawn: Vec<_> = (0..4000).map(|_| delivery.draw(128, &mut random)).collect();
        let drawn: Vec<Delivered> = drawn.into_iter().flatten().collect();
        assert!((drawn.len() as f64 / 4000.0 - delivery.probability).abs() < 0.03);
        for one in &drawn {
            assert!((22.0 / 128.0 - 1e-4..=1.0).contains(&one.pixels), "{one:?}");
            assert!((60..=97).contains(&one.quality), "{one:?}");
        }
        // The middle of the logarithms.
        let below = drawn
            .iter()
            .filter(|one| one.pixels < (22.0_f32 / 128.0).sqrt())
            .count();
        assert!(
            (below as f64 / drawn.len() as f64 - 0.5).abs() < 0.05,
            "{below}"
        );
    }
}

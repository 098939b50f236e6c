//! Centre crop and bilinear resize as TensorFlow 1 computes them.
//!
//! The paper's images went through `tf.image.resize_image_with_crop_or_pad` and
//! `tf.image.resize_images`. That bilinear filter differs from most others: the source coordinate is
//! `destination * (in / out)` with no half-pixel shift, with two taps an axis, clamped at the far edge,
//! and without antialiasing. A network trained on one filter loses accuracy on another, so this one is
//! computed here, and the tests hold it against TensorFlow's own results.
//!
//! Only the part of the resized image that is asked for is computed: a 64 x 64 window of 80 x 80 is
//! two thirds of the work.

use std::array;
use std::borrow::Cow;

use crate::Image;
use crate::image::Samples;
use crate::tap_weights::Taps;

/// A square part of a resized image, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first column.
    pub left: u32,
    /// The first row.
    pub top: u32,
    /// Width and height.
    pub side: u32,
}

/// Where an output coordinate falls between two input pixels.
struct Neighbours {
    lower: usize,
    upper: usize,
    fraction: f32,
}

/// Between which pixels the rows and columns of a window fall.
struct Grid {
    rows: Vec<Neighbours>,
    columns: Vec<Neighbours>,
    /// Pixels in a row of the source.
    width: usize,
}

/// Centre-crops `image` to `crop` x `crop` (padding it with black where it is smaller), resizes that to
/// `resized` x `resized`, and writes `window` of the result to `output`.
///
/// `output` is planar RGB, `[3, window.side, window.side]`, with values 0..=255 that are not rounded.
/// An image of one plane fills all three.
///
/// # Panics
/// If `window` reaches outside the resized image, or `output` is not `3 * side * side` long.
pub fn resize_window(image: &Image, crop: u32, resized: u32, window: Window, output: &mut [f32]) {
    let area = window.side as usize * window.side as usize;
    assert!(
        window.left + window.side <= resized && window.top + window.side <= resized,
        "window {window:?} is outside {resized} x {resized}"
    );
    assert_eq!(output.len(), 3 * area, "output of the wrong length");

    let (width, height) = image.dimensions();
    let image = if width >= crop && height >= crop {
        Cow::Borrowed(image)
    } else {
        Cow::Owned(image.recentred(crop, crop))
    };
    let (width, height) = image.dimensions();
    // Odd differences are halved downwards, as TensorFlow does.
    let (left, top) = ((width - crop) / 2, (height - crop) / 2);
    let grid = Grid {
        columns: neighbours(crop, resized, window.left, window.side, left),
        rows: neighbours(crop, resized, window.top, window.side, top),
        width: width as usize,
    };
    match (image.samples(), image.planes()) {
        (Samples::Bytes(values), 3) => interpolate::<3>(&Interleaved(values), &grid, output),
        (Samples::Bytes(values), _) => interpolate::<1>(&Interleaved(values), &grid, output),
        (Samples::Floats(values), 3) => interpolate::<3>(&Planar(values), &grid, output),
        (Samples::Floats(values), _) => interpolate::<1>(&Planar(values), &grid, output),
    }
    if image.planes() == 1 {
        let (first, others) = output.split_at_mut(area);
        for other in others.chunks_exact_mut(area) {
            other.copy_from_slice(first);
        }
    }
}

/// Rows of pixels of `PLANES` values each.
trait Pixels<const PLANES: usize> {
    /// The pixels of a row, by their column.
    fn row(&self, row: usize, width: usize) -> impl Fn(usize) -> [f32; PLANES];
}

/// Samples `[pixels, PLANES]`.
struct Interleaved<'a>(&'a [u8]);

impl<const PLANES: usize> Pixels<PLANES> for Interleaved<'_> {
    #[inline]
    fn row(&self, row: usize, width: usize) -> impl Fn(usize) -> [f32; PLANES] {
        let samples = &self.0[PLANES * row * width..][..PLANES * width];
        move |column| {
            let samples = &samples[PLANES * column..][..PLANES];
            array::from_fn(|plane| f32::from(samples[plane]))
        }
    }
}

/// Values `[PLANES, pixels]`.
struct Planar<'a>(&'a [f32]);

impl<const PLANES: usize> Pixels<PLANES> for Planar<'_> {
    #[inline]
    fn row(&self, row: usize, width: usize) -> impl Fn(usize) -> [f32; PLANES] {
        let area = self.0.len() / PLANES;
        let lines: [&[f32]; PLANES] =
            array::from_fn(|plane| &self.0[plane * area + row * width..][..width]);
        move |column| lines.map(|line| line[column])
    }
}

/// Fills the first `PLANES` planes of `output`.
fn interpolate<const PLANES: usize>(source: &impl Pixels<PLANES>, grid: &Grid, output: &mut [f32]) {
    let columns = grid.columns.len();
    let area = grid.rows.len() * columns;
    for (number, row) in grid.rows.iter().enumerate() {
        let upper = source.row(row.lower, grid.width);
        let lower = source.row(row.upper, grid.width);
        let mut planes = output.chunks_exact_mut(area);
        let lines: [_; PLANES] = array::from_fn(|_| {
            let plane = planes.next().expect("the output has this many planes");
            &mut plane[number * columns..][..columns]
        });
        for (place, column) in grid.columns.iter().enumerate() {
            let above = between(&upper, column);
            let below = between(&lower, column);
            for plane in 0..PLANES {
                lines[plane][place] = above[plane] + (below[plane] - above[plane]) * row.fraction;
            }
        }
    }
}

/// The pixel at a fractional column of a row.
#[inline]
fn between<const PLANES: usize>(
    row: impl Fn(usize) -> [f32; PLANES],
    column: &Neighbours,
) -> [f32; PLANES] {
    let left = row(column.lower);
    let right = row(column.upper);
    array::from_fn(|plane| left[plane] + (right[plane] - left[plane]) * column.fraction)
}

/// The neighbours of `count` output coordinates from `first` on, along one axis; `offset` is where the crop
/// begins in the source.
fn neighbours(crop: u32, resized: u32, first: u32, count: u32, offset: u32) -> Vec<Neighbours> {
    let scale = crop as f32 / resized as f32;
    (first..first + count)
        .map(|coordinate| {
            let position = coordinate as f32 * scale;
            let lower = (position as u32).min(crop - 1);
            let upper = (lower + 1).min(crop - 1);
            Neighbours {
                lower: (offset + lower) as usize,
                upper: (offset + upper) as usize,
                fraction: position - lower as f32,
            }
        })
        .collect()
}

/// The weights that stand for the neighbours of `count` output coordinates from `first` on, in an image that is
/// `length` pixels long and may be shorter than the crop. What is outside the image is black, and so left
/// out.
pub(crate) fn in_image(crop: u32, resized: u32, first: u32, count: u32, length: u32) -> Vec<Taps> {
    assert!(
        first + count <= resized,
        "{count} pixels from {first} on are outside {resized}"
    );
    // As `Image::recentred` pads, and as the crop above is placed.
    let before = crop.saturating_sub(length) / 2;
    let offset = length.saturating_sub(crop) / 2;
    neighbours(crop, resized, first, count, offset)
        .into_iter()
        .map(|between| {
            let weights = [
                (between.lower, 1.0 - between.fraction),
                // At the far edge of the crop both are the same pixel.
                (between.upper, between.fraction),
            ];
            let mut found = Taps {
                first: 0,
                weights: Vec::new(),
            };
            for (pixel, weight) in weights {
                let Some(place) = pixel.checked_sub(before as usize) else {
                    continue;
                };
                if place >= length as usize {
                    continue;
                }
                if found.weights.is_empty() {
                    found.first = place;
                }
                match found.weights.get_mut(place - found.first) {
                    Some(sum) => *sum += weight,
                    None => found.weights.push(weight),
                }
            }
            found
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Exact on purpose: the values are representable.
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn whole(side: u32) -> Window {
        Window {
            left: 0,
            top: 0,
            side,
        }
    }

    fn ramp(width: u32, height: u32) -> Image {
        let picture = RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 3) as u8, (y * 5) as u8, (x + y) as u8])
        });
        picture.into()
    }

    #[test]
    fn resizing_to_the_same_size_is_the_centre_crop() {
        let image = ramp(21, 30);
        let mut output = vec![0.0; 3 * 8 * 8];
        resize_window(&image, 8, 8, whole(8), &mut output);
        for y in 0..8 {
            for x in 0..8 {
                for channel in 0..3 {
                    let value = output[channel * 64 + (y * 8 + x) as usize];
                    assert_eq!(value, image.value(channel, x + 6, y + 11));
                }
            }
        }
    }

    #[test]
    fn a_window_is_that_part_of_the_whole() {
        let image = ramp(50, 50);
        let mut all = vec![0.0; 3 * 20 * 20];
        resize_window(&image, 45, 20, whole(20), &mut all);
        let window = Window {
            left: 3,
            top: 7,
            side: 9,
        };
        let mut part = vec![0.0; 3 * 9 * 9];
        resize_window(&image, 45, 20, window, &mut part);
        for channel in 0..3 {
            for y in 0..9 {
                for x in 0..9 {
                    assert_eq!(
                        part[channel * 81 + y * 9 + x],
                        all[channel * 400 + (y + 7) * 20 + x + 3]
                    );
                }
            }
        }
    }

    #[test]
    fn a_smaller_image_is_padded_with_black_all_around() {
        let image = RgbImage::from_pixel(5, 9, Rgb([200; 3])).into();
        let mut output = vec![0.0; 3 * 8 * 8];
        resize_window(&image, 8, 8, whole(8), &mut output);
        let row: Vec<f32> = output[..8].to_vec();
        // Three columns are missing: one before, two after. No row is.
        assert_eq!(row, [0.0, 200.0, 200.0, 200.0, 200.0, 200.0, 0.0, 0.0]);
        assert_eq!(output[7 * 8 + 3], 200.0);
    }
}

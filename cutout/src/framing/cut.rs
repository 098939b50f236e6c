//! From an image and its frame to views.
//!
//! A view shows a centre crop of the frame. In the image, that is a crop of as many pixels as the frame is larger
//! or smaller than Galaxy Zoo's, to the nearest pixel, around the frame's centre. An image with more pixels than
//! Galaxy Zoo's frame has is first averaged over n x n pixels, with the least n for which it has no more: so a
//! view never skips more of the image than it does in the paper, and what the view code does after that is the
//! same for all.

use image::RgbImage;

use super::{FRAME_SIDE, Frame, Framing};
use crate::image::Samples;
use crate::{Image, Preprocessing};

impl Preprocessing {
    /// The network's inputs for an image of which the frame is known, as [`views`](Self::views) gives them. The
    /// image may be the middle of a larger one; what lies outside of it is black.
    pub fn framed_views(&self, image: &Image, frame: &Frame) -> Vec<f32> {
        if frame.framing == Framing::Paper {
            return self.views(image);
        }
        let (cut, scaled) = self.cut(image, frame);
        scaled.views(&cut)
    }

    /// The same views to be looked at, as [`picture`](Self::picture) gives them.
    pub fn framed_picture(&self, image: &Image, frame: &Frame, zoom: u32) -> RgbImage {
        if frame.framing == Framing::Paper {
            return self.picture(image, zoom);
        }
        let (cut, scaled) = self.cut(image, frame);
        scaled.picture(&cut, zoom)
    }

    /// The part of an image that the largest test scale sees, and the test scales in its pixels.
    fn cut(&self, image: &Image, frame: &Frame) -> (Image, Self) {
        let (step, ratio) = resolution(frame.side);
        let scaled = |scale: &u32| ((f64::from(*scale) * ratio).round() as u32).max(1);
        let preprocessing = Self {
            test_scales: self.test_scales.iter().map(scaled).collect(),
            ..self.clone()
        };
        let side = preprocessing.largest_scale();
        let (left, top) = image.offset();
        let half = f64::from(side * step) / 2.0;
        let corner = [frame.x - f64::from(left), frame.y - f64::from(top)]
            .map(|centre| (centre - half).round() as i64);
        let image = if step == 1 {
            cut(image, corner, side)
        } else {
            average(image, corner, side, step)
        };
        (image, preprocessing)
    }
}

/// Over how many pixels of the image, squared, is averaged, and how many of the pixels that this gives are one
/// of Galaxy Zoo's frame: more than 0 and at most 1.
pub(crate) fn resolution(side: f64) -> (u32, f64) {
    let ratio = side / f64::from(FRAME_SIDE);
    // A hair over a whole number is that number.
    let step = (ratio - 1e-6).ceil().max(1.0);
    (step as u32, ratio / step)
}

/// Along one axis, the pixels of a cut that lie in the image: where they begin in the cut and in the image, and
/// how many they are.
fn overlap(corner: i64, side: usize, length: u32) -> (usize, usize, usize) {
    let begin = corner.max(0);
    let end = (corner + side as i64).min(i64::from(length));
    if begin >= end {
        return (0, 0, 0);
    }
    (
        (begin - corner) as usize,
        begin as usize,
        (end - begin) as usize,
    )
}

/// The square of `side` pixels with this first column and row, black outside of the image.
fn cut(image: &Image, [left, top]: [i64; 2], side: u32) -> Image {
    let (width, planes) = (image.width() as usize, image.planes());
    let length = side as usize;
    let (to_x, from_x, columns) = overlap(left, length, image.width());
    let (to_y, from_y, rows) = overlap(top, length, image.height());
    match image.samples() {
        Samples::Bytes(values) => {
            let mut cut = vec![0; planes * length * length];
            for row in 0..rows {
                let from = planes * ((from_y + row) * width + from_x);
                let to = planes * ((to_y + row) * length + to_x);
                cut[to..][..planes * columns].copy_from_slice(&values[from..][..planes * columns]);
            }
            Image::from_bytes((side, side), planes, cut)
        }
        Samples::Floats(values) => {
            let area = width * image.height() as usize;
            let mut cut = vec![0.0; planes * length * length];
            for plane in 0..planes {
                for row in 0..rows {
                    let from = plane * area + (from_y + row) * width + from_x;
                    let to = plane * length * length + (to_y + row) * length + to_x;
                    cut[to..][..columns].copy_from_slice(&values[from..][..columns]);
                }
            }
            Image::from_planes(side, side, cut)
        }
    }
}

/// The same of `side * step` pixels, each `step` x `step` of them averaged to one.
fn average(image: &Image, [left, top]: [i64; 2], side: u32, step: u32) -> Image {
    let (length, step_length) = (side as usize, step as usize);
    let whole = length * step_length;
    let planes = image.planes();
    let (to_x, from_x, columns) = overlap(left, whole, image.width());
    let (to_y, from_y, rows) = overlap(top, whole, image.height());
    let mut cut = vec![0.0; planes * length * length];
    let share = 1.0 / (step * step) as f32;
    // Down the columns first: that runs along the rows as they lie in memory.
    let mut sums = vec![0.0_f32; whole * planes];
    for line in 0..length {
        sums.fill(0.0);
        let first = (line * step_length).max(to_y);
        let end = ((line + 1) * step_length).min(to_y + rows);
        for row in first..end {
            add_row(
                image,
                from_y + row - to_y,
                from_x,
                columns,
                &mut sums[planes * to_x..],
            );
        }
        for (plane, output) in cut.chunks_exact_mut(length * length).enumerate() {
            let output = &mut output[line * length..][..length];
            for (value, block) in output
                .iter_mut()
                .zip(sums.chunks_exact(planes * step_length))
            {
                *value = share * block.iter().skip(plane).step_by(planes).sum::<f32>();
            }
        }
    }
    Image::from_planes(side, side, cut)
}

/// Adds `columns` pixels of a row, from the column `first` on, to `sums`, `[columns, planes]`.
fn add_row(image: &Image, row: usize, first: usize, columns: usize, sums: &mut [f32]) {
    let (width, planes) = (image.width() as usize, image.planes());
    match image.samples() {
        Samples::Bytes(values) => {
            let values = &values[planes * (row * width + first)..][..planes * columns];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += f32::from(*value);
            }
        }
        Samples::Floats(values) => {
            let area = width * image.height() as usize;
            for plane in 0..planes {
                let values = &values[plane * area + row * width + first..][..columns];
                let sums = sums.iter_mut().skip(plane).step_by(planes);
                for (sum, value) in sums.zip(values) {
                    *sum += value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 7) as u8, (y * 3) as u8, (x * y) as u8])
        })
    }

    fn middle(image: &Image, side: f64) -> Frame {
        Frame {
            framing: Framing::Frame,
            x: f64::from(image.width()) / 2.0,
            y: f64::from(image.height()) / 2.0,
            side,
        }
    }

    /// Every pixel as a square of `factor` x `factor` equal ones.
    fn enlarged(picture: &RgbImage, factor: u32) -> Image {
        let (width, height) = picture.dimensions();
        RgbImage::from_fn(width * factor, height * factor, |x, y| {
            *picture.get_pixel(x / factor, y / factor)
        })
        .into()
    }

    #[test]
    fn a_frame_of_the_papers_size_gives_the_papers_views() {
        let preprocessing = Preprocessing::default();
        for size in [(424, 424), (300, 260), (200, 90)] {
            let image = Image::from(picture(size.0, size.1));
            let frame = middle(&image, 424.0);
            assert!(preprocessing.framed_views(&image, &frame) == preprocessing.views(&image));
        }
    }

    #[test]
    fn an_image_with_more_pixels_of_the_same_gives_the_same_views() {
        let (preprocessing, original) = (Preprocessing::default(), picture(424, 424));
        let views = preprocessing.views(&original.clone().into());
        for factor in [2, 3] {
            let image = enlarged(&original, factor);
            let frame = middle(&image, f64::from(424 * factor));
            let framed = preprocessing.framed_views(&image, &frame);
            let worst = views.iter().zip(&framed).map(|(a, b)| (a - b).abs());
            assert!(worst.fold(0.0, f32::max) < 1e-4, "{factor}");
        }
    }

    #[test]
    fn the_middle_of_an_image_gives_the_views_of_the_whole() {
        let preprocessing = Preprocessing::default();
        let image = Image::from(picture(601, 500)).with_origin(crate::Origin {
            format: crate::Format::Png,
            dimensions: (601, 500),
            bit_depth: 8,
            stretch: None,
            sky: None,
        });
        for side in [100.0, 424.0, 700.0] {
            let frame = middle(&image, side);
            let kept = image.clone().keep_centre(480);
            assert!(
                preprocessing.framed_views(&kept, &frame)
                    == preprocessing.framed_views(&image, &frame)
            );
        }
    }

    #[test]
    fn a_frame_elsewhere_shows_that_place_and_black_outside_of_the_image() {
        let image = Image::from(picture(200, 200));
        let inside = cut(&image, [30, 50], 16);
        assert!((inside.value(0, 3, 4) - image.value(0, 33, 54)).abs() < f32::EPSILON);
        let corner = cut(&image, [-8, 190], 16);
        assert!(corner.value(1, 7, 0) == 0.0 && corner.value(1, 8, 10) == 0.0);
        assert!((corner.value(1, 9, 5) - image.value(1, 1, 195)).abs() < f32::EPSILON);
        for outside in [[-16, 0], [500, 500], [0, i64::from(i32::MIN)]] {
            for step in [1, 2] {
                let image = if step == 1 {
                    cut(&image, outside, 16)
                } else {
                    average(&image, outside, 8, step)
                };
                let black = (0..image.height()).all(|y| image.value(0, 3, y) == 0.0);
                assert!(black, "{outside:?}");
            }
        }
    }

    #[test]
    fn averages_are_those_of_bytes_and_floats_and_of_one_plane() {
        let bytes = Image::from(picture(60, 50));
        let values = (0..3).flat_map(|plane| (0..50).map(move |y| (plane, y)));
        let values = values.flat_map(|(plane, y)| (0..60).map(move |x| (plane, x, y)));
        let values: Vec<f32> = values
            .map(|(plane, x, y)| bytes.value(plane, x, y))
            .collect();
        let floats = Image::from_planes(60, 50, values.clone());
        let grey = Image::from_planes(60, 50, values[..3000].to_vec());
        for corner in [[3, 5], [-7, 30]] {
            let average = |image| average(image, corner, 10, 3);
            assert_eq!(average(&bytes), average(&floats));
            assert!((average(&grey).value(0, 4, 3) - average(&bytes).value(0, 4, 3)).abs() < 1e-3);
        }
        let one = average(&bytes, [10, 20], 1, 2);
        let sum: f32 = [(10, 20), (11, 20), (10, 21), (11, 21)]
            .map(|(x, y)| bytes.value(1, x, y))
            .iter()
            .sum();
        assert!((one.value(1, 0, 0) - sum / 4.0).abs() < 1e-4);
    }
}

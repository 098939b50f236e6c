//! Centre crop and antialiased resize.
//!
//! A view that shrinks an image by 1.5 and reads two pixels an axis skips some of the light, and folds
//! fine structure (spiral arms, noise) into coarse. Here each output pixel is a weighted mean of all the
//! pixels that it covers: a triangle as wide as the reduction, with half-pixel centres, cut off at the
//! edge of the crop. This is the `BILINEAR` of Pillow's `Image.resize`, and the tests hold it against
//! Pillow's own results.
//!
//! Training may widen the filter by the point spread function of worse seeing. A blur and a resize are
//! both weighted means along an axis, so the two together cost hardly more than the resize.

use crate::Image;
use crate::image::Samples;
use crate::resize::Window;
use crate::tap_weights::Taps;

/// What a crop shows where it reaches beyond the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Black: what the daemon shows.
    Black,
    /// The image, mirrored at its edge: more sky, for training views that show a smaller galaxy.
    Mirrored,
}

/// What is taken from an image: its centre crop, resized, and of that a window.
pub(crate) struct Resample {
    /// The side of the centre crop, in pixels of the image.
    pub(crate) crop: u32,
    /// The side to which it is resized.
    pub(crate) resized: u32,
    /// The part of the resized crop that is computed.
    pub(crate) window: Window,
    /// The standard deviation of a Gaussian point spread function, in pixels of the image; 0 for none.
    pub(crate) seeing: f32,
    pub(crate) outside: Outside,
}

impl Resample {
    /// Writes the window to `output`: planar RGB, `[3, window.side, window.side]`, with values 0..=255
    /// that are not rounded. An image of one plane fills all three.
    ///
    /// # Panics
    /// If the window reaches outside the resized image, or `output` is not `3 * side * side` long.
    pub(crate) fn run(&self, image: &Image, output: &mut [f32]) {
        let window = self.window;
        let area = window.side as usize * window.side as usize;
        assert!(
            window.left + window.side <= self.resized && window.top + window.side <= self.resized,
            "window {window:?} is outside {0} x {0}",
            self.resized
        );
        assert_eq!(output.len(), 3 * area, "output of the wrong length");

        let (width, height) = image.dimensions();
        let columns = self.taps(width, window.left);
        let rows = self.taps(height, window.top);
        let (width, planes) = (width as usize, image.planes());
        match image.samples() {
            Samples::Bytes(values) => {
                let output = &mut output[..planes * area];
                filter(values, (width, planes), (&columns, &rows), output);
            }
            Samples::Floats(values) => {
                let values = values.chunks_exact(values.len() / planes);
                for (values, output) in values.zip(output.chunks_exact_mut(area)) {
                    filter(values, (width, 1), (&columns, &rows), output);
                }
            }
        }
        if planes == 1 {
            let (first, others) = output.split_at_mut(area);
            for other in others.chunks_exact_mut(area) {
                other.copy_from_slice(first);
            }
        }
    }

    /// The weights of the window's pixels along an axis. `length` is the image's, and `first` the
    /// window's first pixel.
    pub(crate) fn taps(&self, length: u32, first: u32) -> Vec<Taps> {
        let ratio = f64::from(self.crop) / f64::from(self.resized);
        let blur = gaussian(f64::from(self.seeing));
        // Where the crop begins in the image. Odd differences are halved downwards on either side of
        // zero, as for every other crop.
        let (length, crop) = (i64::from(length), i64::from(self.crop));
        let offset = if length < crop {
            -((crop - length) / 2)
        } else {
            (length - crop) / 2
        };
        (first..first + self.window.side)
            .map(|pixel| {
                let centre = (f64::from(pixel) + 0.5) * ratio;
                let (start, weights) = blurred(triangle(centre, ratio.max(1.0)), &blur, crop);
                self.in_image(start + offset, &weights, length)
            })
            .collect()
    }

    /// Weights of pixels from `start` on, brought into the image: what is outside is left out, or is
    /// added to the pixel that mirrors it.
    fn in_image(&self, start: i64, weights: &[f64], length: i64) -> Taps {
        let place = |pixel: i64| match self.outside {
            Outside::Black => (0..length).contains(&pixel).then_some(pixel),
            Outside::Mirrored => Some(mirrored(pixel, length)),
        };
        let placed: Vec<(i64, f64)> = (start..)
            .zip(weights)
            .filter_map(|(pixel, weight)| Some((place(pixel)?, *weight)))
            .collect();
        let Some(first) = placed.iter().map(|(pixel, _)| *pixel).min() else {
            return Taps {
                first: 0,
                weights: Vec::new(),
            };
        };
        let last = placed.iter().map(|(pixel, _)| *pixel).max();
        let mut sums = vec![0.0; last.map_or(0, |last| last - first + 1) as usize];
        for (pixel, weight) in placed {
            sums[(pixel - first) as usize] += weight;
        }
        Taps {
            first: first as usize,
            weights: sums.into_iter().map(|weight| weight as f32).collect(),
        }
    }
}

/// The pixel of an image that stands for one beyond its edge. The edge pixel is repeated, as in
/// `numpy.pad(mode="symmetric")`.
const fn mirrored(pixel: i64, length: i64) -> i64 {
    let place = pixel.rem_euclid(2 * length);
    if place < length {
        place
    } else {
        2 * length - 1 - place
    }
}

/// The first pixel and the weights, not normalised, of a triangle of this half width about `centre`.
fn triangle(centre: f64, half_width: f64) -> (i64, Vec<f64>) {
    let first = (centre - half_width + 0.5).floor() as i64;
    let end = (centre + half_width + 0.5).floor() as i64;
    let weights = (first..end)
        .map(|pixel| (1.0 - ((pixel as f64 + 0.5 - centre) / half_width).abs()).max(0.0))
        .collect();
    (first, weights)
}

/// The weights of a Gaussian of this standard deviation out to three of them, an odd number.
fn gaussian(deviation: f64) -> Vec<f64> {
    let radius = (3.0 * deviation).ceil() as i64;
    (-radius..=radius)
        .map(|pixel| match pixel {
            0 => 1.0,
            _ => (-0.5 * (pixel as f64 / deviation).powi(2)).exp(),
        })
        .collect()
}

/// The weights spread by `blur`, kept within a crop of this length, with a sum of 1.
fn blurred((first, weights): (i64, Vec<f64>), blur: &[f64], crop: i64) -> (i64, Vec<f64>) {
    let mut spread = vec![0.0; weights.len() + blur.len() - 1];
    for (place, weight) in weights.iter().enumerate() {
        for (sum, share) in spread[place..].iter_mut().zip(blur) {
            *sum += weight * share;
        }
    }
    let first = first - (blur.len() / 2) as i64;
    let before = (-first).max(0);
    let end = (crop - first).min(spread.len() as i64);
    let mut kept = spread[before as usize..end as usize].to_vec();
    let sum: f64 = kept.iter().sum();
    for weight in &mut kept {
        *weight /= sum;
    }
    (first + before, kept)
}

/// Weights the pixels of an image `[height, width, planes]` along both axes. `output` is
/// `[planes, rows, columns]`.
///
/// Each pass adds whole lines of pixels, so that the innermost loop runs over neighbours in memory. The
/// lines of the first are the image's rows; it leaves its result turned, so that those of the second are
/// its columns.
fn filter<T: Copy + Into<f32>>(
    samples: &[T],
    (width, planes): (usize, usize),
    (columns, rows): (&[Taps], &[Taps]),
    output: &mut [f32],
) {
    let end = |taps: &[Taps]| taps.iter().map(|t| t.first + t.weights.len()).max();
    let seen = columns.iter().filter(|taps| !taps.weights.is_empty());
    let first = seen.map(|taps| taps.first).min().unwrap_or(0);
    let count = end(columns).unwrap_or(0).saturating_sub(first);

    // [column of the image, row of the output, plane]
    let column_length = rows.len() * planes;
    let mut turned = vec![0.0; count * column_length];
    let mut line = vec![0.0; count * planes];
    for (number, taps) in rows.iter().enumerate() {
        line.fill(0.0);
        for (row, weight) in (taps.first..).zip(&taps.weights) {
            let start = (row * width + first) * planes;
            add(*weight, &samples[start..start + line.len()], &mut line);
        }
        for (column, pixel) in line.chunks_exact(planes).enumerate() {
            turned[column * column_length + number * planes..][..planes].copy_from_slice(pixel);
        }
    }

    let mut line = vec![0.0; column_length];
    for (number, taps) in columns.iter().enumerate() {
        line.fill(0.0);
        for (column, weight) in (taps.first..).zip(&taps.weights) {
            let start = (column - first) * column_length;
            add(*weight, &turned[start..start + column_length], &mut line);
        }
        for (row, pixel) in line.chunks_exact(planes).enumerate() {
            for (plane, value) in pixel.iter().enumerate() {
                output[(plane * rows.len() + row) * columns.len() + number] = *value;
            }
        }
    }
}

fn add<T: Copy + Into<f32>>(weight: f32, line: &[T], sum: &mut [f32]) {
    for (sum, value) in sum.iter_mut().zip(line) {
        *sum += weight * (*value).into();
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn picture(width: u32, height: u32) -> Image {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 7) as u8, (y * 3 + x) as u8, (x * y) as u8])
        })
        .into()
    }

    fn resample(crop: u32, resized: u32) -> Resample {
        Resample {
            crop,
            resized,
            window: Window {
                left: 0,
                top: 0,
                side: resized,
            },
            seeing: 0.0,
            outside: Outside::Black,
        }
    }

    fn values(resample: &Resample, image: &Image) -> Vec<f32> {
        let area = resample.window.side * resample.window.side;
        let mut output = vec![f32::NAN; 3 * area as usize];
        resample.run(image, &mut output);
        output
    }

    fn assert_near(ours: &[f32], wanted: &[f32]) {
        assert_eq!(ours.len(), wanted.len());
        for (ours, wanted) in ours.iter().zip(wanted) {
            assert!((ours - wanted).abs() < 1e-3, "{ours} {wanted}");
        }
    }

    #[test]
    fn resizing_to_the_same_size_is_the_centre_crop() {
        let image = picture(21, 30);
        let output = values(&resample(8, 8), &image);
        for y in 0..8 {
            for x in 0..8 {
                for plane in 0..3 {
                    let value = output[plane * 64 + (y * 8 + x) as usize];
                    assert!((value - image.value(plane, x + 6, y + 11)).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn half_the_size_weights_four_pixels_an_axis_as_a_triangle() {
        // One bright column of eight: 1/8, 3/8, 3/8, 1/8 of the pixels around an output's centre.
        let image = RgbImage::from_fn(8, 8, |x, _| Rgb([if x == 3 { 80 } else { 0 }; 3])).into();
        let output = values(&resample(8, 4), &image);
        assert_near(&output[..4], &[0.0, 30.0, 10.0, 0.0]);
    }

    #[test]
    fn a_window_is_that_part_of_the_whole() {
        let image = picture(50, 50);
        let whole = values(&resample(45, 20), &image);
        let window = Window {
            left: 3,
            top: 7,
            side: 9,
        };
        let part = values(
            &Resample {
                window,
                ..resample(45, 20)
            },
            &image,
        );
        for plane in 0..3 {
            for y in 0..9 {
                for x in 0..9 {
                    let wanted = whole[plane * 400 + (y + 7) * 20 + x + 3];
                    assert!(part[plane * 81 + y * 9 + x] == wanted);
                }
            }
        }
    }

    #[test]
    fn what_is_outside_the_image_is_black_or_its_mirror_image() {
        let image = RgbImage::from_fn(4, 4, |x, _| Rgb([10 * (x as u8 + 1); 3])).into();
        let black = values(&resample(8, 8), &image);
        assert_near(&black[..8], &[0.0; 8]);
        let row = &black[2 * 8..3 * 8];
        assert_near(row, &[0.0, 0.0, 10.0, 20.0, 30.0, 40.0, 0.0, 0.0]);
        let mirrored = Resample {
            outside: Outside::Mirrored,
            ..resample(12, 12)
        };
        let row = &values(&mirrored, &image)[..12];
        let wanted = [40, 30, 20, 10, 10, 20, 30, 40, 40, 30, 20, 10];
        assert_near(row, &wanted.map(|v| v as f32));
    }

    #[test]
    fn seeing_spreads_a_star_and_keeps_its_light() {
        let star = RgbImage::from_fn(41, 41, |x, y| Rgb([255 * u8::from(x == 20 && y == 20); 3]));
        let seen = Resample {
            seeing: 2.0,
            ..resample(41, 41)
        };
        let output = &values(&seen, &star.into())[..41 * 41];
        let light: f32 = output.iter().sum();
        assert!((light - 255.0).abs() < 0.01, "{light}");
        // A Gaussian of this width, cut off at three deviations.
        let at = |x: usize, y: usize| output[y * 41 + x];
        let peak = 255.0 / (2.0 * std::f32::consts::PI * 4.0);
        assert!((at(20, 20) / peak - 1.0).abs() < 0.02, "{}", at(20, 20));
        assert!((at(22, 20) / at(20, 20) - (-0.5_f32).exp()).abs() < 1e-4);
        assert!((at(20, 18) / at(20, 20) - (-0.5_f32).exp()).abs() < 1e-4);
    }

    #[test]
    fn bytes_floats_and_a_single_plane_give_the_same_values() {
        let image = picture(40, 33);
        let (width, height) = image.dimensions();
        let all = (0..3).flat_map(|p| (0..height).map(move |y| (p, y)));
        let all = all.flat_map(|(p, y)| (0..width).map(move |x| (p, y, x)));
        let planar: Vec<f32> = all.map(|(p, y, x)| image.value(p, x, y)).collect();
        let seen = Resample {
            seeing: 1.5,
            ..resample(37, 16)
        };
        let floats = Image::from_planes(width, height, planar.clone());
        assert!(values(&seen, &image) == values(&seen, &floats));
        let area = (width * height) as usize;
        let single = Image::from_planes(width, height, planar[..area].to_vec());
        let tripled = Image::from_planes(width, height, planar[..area].repeat(3));
        assert!(values(&seen, &single) == values(&seen, &tripled));
    }
}

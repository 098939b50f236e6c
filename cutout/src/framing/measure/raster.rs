//! A grey image of few pixels, to measure on: the time that takes does not grow with the image.

use crate::Image;
use crate::image::Samples;

/// The most pixels that a raster has on its shorter side.
const SIDE: u32 = 96;

/// The most rows of a pixel of the raster that are looked at. Of each, it is the middle, up to 24 bytes.
const LOOKS: u32 = 2;

/// A part of an image, grey.
#[derive(Debug, Clone)]
pub(super) struct Raster {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Row by row, 0 to 255.
    pub(super) values: Vec<f32>,
    /// How many pixels of the image one pixel of the raster is wide.
    pub(super) step: u32,
    /// Where it begins in the image, in pixels.
    pub(super) left: u32,
    pub(super) top: u32,
}

/// A rectangle of an image, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The least side of a part that anything is measured on, in pixels.
const LEAST: u32 = 12;

impl Part {
    /// Whether there is enough of it to measure anything.
    pub(super) fn is_enough(self) -> bool {
        self.width.min(self.height) >= LEAST
    }

    /// How many pixels of the image one pixel of its raster is wide.
    pub(super) fn step(self) -> u32 {
        self.width.min(self.height).div_ceil(SIDE).max(1)
    }

    /// All of an image.
    pub(super) fn whole(image: &Image) -> Self {
        let (width, height) = image.dimensions();
        Self {
            left: 0,
            top: 0,
            width,
            height,
        }
    }

    /// The square around a point as far as it lies in the image.
    pub(super) fn around(image: &Image, x: f64, y: f64, side: f64) -> Self {
        let span = |middle: f64, length: u32| {
            let first = (middle - side / 2.0).max(0.0) as u32;
            let end = ((middle + side / 2.0).ceil() as u32).min(length);
            (first, end.saturating_sub(first))
        };
        let (left, width) = span(x, image.width());
        let (top, height) = span(y, image.height());
        Self {
            left,
            top,
            width,
            height,
        }
    }
}

impl Raster {
    /// A part of an image. What is left over of a pixel of the raster is left out, on both sides alike.
    pub(super) fn of(image: &Image, part: Part) -> Self {
        let step = part.step();
        let (width, height) = (part.width / step, part.height / step);
        let left = part.left + (part.width - width * step) / 2;
        let top = part.top + (part.height - height * step) / 2;
        let looks = looks(step);
        let mut values = vec![0.0; (width * height) as usize];
        let lines = values.chunks_exact_mut(width.max(1) as usize);
        for (line, y) in lines.zip((top..).step_by(step as usize)) {
            let share = 1.0 / looks.len() as f32;
            for look in &looks {
                add_row(image, y + look, left, step, share, line);
            }
        }
        Self {
            width: width as usize,
            height: height as usize,
            values,
            step,
            left,
            top,
        }
    }

    /// The rows and columns between borders of one colour, which are no data: of a survey's edge, or put there to
    /// make an image square. Returns how many rows and columns were taken away.
    pub(super) fn trim(&mut self) -> usize {
        let (mut left, mut right, mut top, mut bottom) = (0, self.width, 0, self.height);
        let row = |y: usize, left: usize, right: usize| {
            is_flat((left..right).map(|x| self.values[y * self.width + x]))
        };
        let column = |x: usize, top: usize, bottom: usize| {
            is_flat((top..bottom).map(|y| self.values[y * self.width + x]))
        };
        let least = 8;
        while bottom - top > least && row(top, left, right) {
            top += 1;
        }
        while bottom - top > least && row(bottom - 1, left, right) {
            bottom -= 1;
        }
        while right - left > least && column(left, top, bottom) {
            left += 1;
        }
        while right - left > least && column(right - 1, top, bottom) {
            right -= 1;
        }
        // A sky without noise has one colour, too, but no edge: where it ends, an object begins.
        let (upper_left, lower_right) = (self.values[0], self.values[self.values.len() - 1]);
        let is_edge = |line: &mut dyn Iterator<Item = (usize, usize)>, colour: f32| {
            let (mut others, mut count) = (0, 0);
            for (x, y) in line {
                count += 1;
                others += usize::from((self.values[y * self.width + x] - colour).abs() > 1.0);
            }
            2 * others > count
        };
        let has_edge = [
            is_edge(&mut (left..right).map(|x| (x, top)), upper_left),
            is_edge(&mut (left..right).map(|x| (x, bottom - 1)), lower_right),
            is_edge(&mut (top..bottom).map(|y| (left, y)), upper_left),
            is_edge(&mut (top..bottom).map(|y| (right - 1, y)), lower_right),
        ];
        if !has_edge[0] {
            top = 0;
        }
        if !has_edge[1] {
            bottom = self.height;
        }
        if !has_edge[2] {
            left = 0;
        }
        if !has_edge[3] {
            right = self.width;
        }
        let (width, height) = (right - left, bottom - top);
        let trimmed = self.width - width + self.height - height;
        if trimmed > 0 {
            let rows = (top..bottom).map(|y| &self.values[y * self.width..][left..right]);
            self.values = rows.flatten().copied().collect();
            self.left += left as u32 * self.step;
            self.top += top as u32 * self.step;
            (self.width, self.height) = (width, height);
        }
        trimmed
    }

    /// Each value averaged with its eight neighbours; at the border, with itself in place of those that there aren't.
    pub(super) fn smoothed(&self) -> Vec<f32> {
        let (width, last) = (self.width, self.height - 1);
        let line = |y: usize| &self.values[y * width..][..width];
        let mut smooth = vec![0.0; self.values.len()];
        // The sums down the columns, with the first and the last twice.
        let mut sums = vec![0.0; width + 2];
        for (y, output) in smooth.chunks_exact_mut(width).enumerate() {
            let (above, below) = (line(y.saturating_sub(1)), line((y + 1).min(last)));
            for (((sum, above), value), below) in
                sums[1..].iter_mut().zip(above).zip(line(y)).zip(below)
            {
                *sum = (above + value + below) / 9.0;
            }
            sums[0] = sums[1];
            sums[width + 1] = sums[width];
            for (value, sums) in output.iter_mut().zip(sums.windows(3)) {
                *value = sums[0] + sums[1] + sums[2];
            }
        }
        smooth
    }
}

/// Adds to each value a share of the mean of `step` pixels of the row `y`, beginning with the pixel `left`.
fn add_row(image: &Image, y: u32, left: u32, step: u32, share: f32, values: &mut [f32]) {
    let (step, first) = (
        step as usize,
        y as usize * image.width() as usize + left as usize,
    );
    match image.samples() {
        Samples::Bytes(bytes) => {
            let length = image.planes() * step;
            let row = &bytes[image.planes() * first..];
            let add = match length {
                1 => add_bytes::<1>,
                2 => add_bytes::<2>,
                3..=5 => add_bytes::<3>,
                6..=7 => add_bytes::<6>,
                8..=15 => add_bytes::<8>,
                16..=23 => add_bytes::<16>,
                _ => add_bytes::<24>,
            };
            add(row, length, share, values);
        }
        Samples::Floats(floats) => {
            let area = image.width() as usize * image.height() as usize;
            let share = share / (image.planes() * step) as f32;
            for plane in floats.chunks_exact(area) {
                for (value, pixels) in values.iter_mut().zip(plane[first..].chunks_exact(step)) {
                    *value += share * sum_of_floats(pixels);
                }
            }
        }
    }
}

/// Adds to each value a share of the mean of the middle `N` of `length` bytes. With a number that the compiler knows, that
/// takes a third of the time.
fn add_bytes<const N: usize>(row: &[u8], length: usize, share: f32, values: &mut [f32]) {
    let skipped = (length - N) / 2;
    let share = share / N as f32;
    for (value, bytes) in values.iter_mut().zip(row.chunks_exact(length)) {
        let bytes = bytes[skipped..].first_chunk::<N>();
        let bytes = bytes.expect("the middle of the bytes lies within them");
        *value += share * sum_of_bytes(bytes) as f32;
    }
}

/// The sum of up to 256 bytes, eight at a time: the even and the odd ones of a word are added in lanes of 16 bits, and
/// the lanes by a product.
fn sum_of_bytes<const N: usize>(bytes: &[u8; N]) -> u32 {
    const EVEN: u64 = 0x00FF_00FF_00FF_00FF;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut lanes = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        lanes += (word & EVEN) + ((word >> 8) & EVEN);
    }
    let sum = lanes.wrapping_mul(0x0001_0001_0001_0001) >> 48;
    sum as u32 + rest.iter().map(|byte| u32::from(*byte)).sum::<u32>()
}

/// In four lanes: with one running total, every addition would wait for the last.
fn sum_of_floats(values: &[f32]) -> f32 {
    let (fours, rest) = values.as_chunks::<4>();
    let mut lanes = [0.0; 4];
    for four in fours {
        for (lane, value) in lanes.iter_mut().zip(four) {
            *lane += value;
        }
    }
    lanes.iter().chain(rest).sum()
}

/// Which of `step` rows are looked at: a few, spread over them.
fn looks(step: u32) -> Vec<u32> {
    let count = step.min(LOOKS);
    (0..count)
        .map(|look| (2 * look + 1) * step / (2 * count))
        .collect()
}

/// Whether values differ by no more than what compression does to one colour.
fn is_flat(mut values: impl Iterator<Item = f32>) -> bool {
    let Some(first) = values.next() else {
        return true;
    };
    let (mut least, mut most) = (first, first);
    values.all(|value| {
        least = least.min(value);
        most = most.max(value);
        most - least <= 2.0
    })
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    #[test]
    fn bytes_are_summed_up_as_one_by_one() {
        let bytes: [u8; 24] = std::array::from_fn(|place| (place * 41) as u8);
        let plainly = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        assert_eq!(sum_of_bytes(&bytes), plainly(&bytes));
        assert_eq!(sum_of_bytes(&[255; 24]), 24 * 255);
        assert_eq!(sum_of_bytes(&[255; 256]), 256 * 255);
        for part in [1, 5, 9] {
            let part: [u8; 6] = *bytes[part..].first_chunk().unwrap();
            assert_eq!(sum_of_bytes(&part), plainly(&part));
        }
    }

    #[test]
    fn a_raster_has_few_pixels_and_the_means_of_the_image() {
        for side in [20, 96, 97, 200, 424, 640, 1000, 1024] {
            let value = |x: u32, y: u32| 255.0 * f64::from(x + 2 * y) / f64::from(3 * side);
            let picture = RgbImage::from_fn(side, side, |x, y| Rgb([value(x, y).round() as u8; 3]));
            let grey = (0..side * side).map(|pixel| value(pixel % side, pixel / side) as f32);
            for image in [
                Image::from_planes(side, side, grey.collect()),
                Image::from(picture),
            ] {
                let raster = Raster::of(&image, Part::whole(&image));
                assert!(raster.width <= SIDE as usize);
                let place = |first: u32, at: usize| first + at as u32 * raster.step;
                for (x, y) in [
                    (0, 0),
                    (raster.width / 2, 3),
                    (raster.width - 1, raster.width / 2),
                ] {
                    let (left, top) = (place(raster.left, x), place(raster.top, y));
                    assert!(left.max(top) + raster.step <= side);
                    let corners = [0, raster.step - 1].map(|far| value(left + far, top + far));
                    let wanted = f64::midpoint(corners[0], corners[1]);
                    let found = f64::from(raster.values[y * raster.width + x]);
                    assert!((found - wanted).abs() < 0.7, "{side}: {found} for {wanted}");
                }
            }
        }
    }

    #[test]
    fn all_planes_count() {
        for side in [50, 150, 250, 424, 1000] {
            for plane in 0..3 {
                let mut colour = [0; 3];
                colour[plane] = 240;
                let image = Image::from(RgbImage::from_pixel(side, side, Rgb(colour)));
                let value = Raster::of(&image, Part::whole(&image)).values[7];
                assert!((50.0..110.0).contains(&value), "{side}: {value}");
            }
        }
    }

    #[test]
    fn a_border_of_one_colour_is_trimmed_and_a_dark_sky_is_not() {
        let picture = |border: u32| {
            RgbImage::from_fn(90, 90, |x, y| {
                let is_inside = |at: u32| (border..90 - border).contains(&at);
                let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 9;
                Rgb([if is_inside(x) && is_inside(y) {
                    (noise % 9) as u8
                } else {
                    40
                }; 3])
            })
        };
        for border in [0, 1, 10, 30] {
            let image = Image::from(picture(border));
            let mut raster = Raster::of(&image, Part::whole(&image));
            raster.trim();
            assert_eq!(
                (raster.width as u32, raster.left),
                (90 - 2 * border, border)
            );
            assert_eq!(raster.values.len(), raster.width * raster.height);
        }
    }
}

//! A grey image of few pixels, to measure on: the time that takes does not grow with the image.

use crate::Image;

/// The most pixels that a raster has on its shorter side.
const SIDE: u32 = 96;

/// The most rows and columns of a pixel of the raster that are looked at.
const LOOKS: u32 = 3;

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
        let step = part.width.min(part.height).div_ceil(SIDE).max(1);
        let (width, height) = (part.width / step, part.height / step);
        let left = part.left + (part.width - width * step) / 2;
        let top = part.top + (part.height - height * step) / 2;
        let looks: Vec<u32> = looks(step).collect();
        let share = 1.0 / (looks.len() * looks.len() * image.planes()) as f32;
        let mut values = vec![0.0; (width * height) as usize];
        for (row, line) in values.chunks_exact_mut(width.max(1) as usize).enumerate() {
            for look in &looks {
                let y = top + row as u32 * step + look;
                image.add_grey(y, left, step, &looks, line);
            }
            for value in line {
                *value *= share;
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

    /// Each value averaged with its eight neighbours; at the border, with those that there are.
    pub(super) fn smoothed(&self) -> Vec<f32> {
        let (width, height) = (self.width, self.height);
        let mut rows = vec![0.0; width * height];
        for y in 0..height {
            let line = &self.values[y * width..][..width];
            let output = &mut rows[y * width..][..width];
            for x in 0..width {
                let (first, last) = (x.saturating_sub(1), (x + 1).min(width - 1));
                let sum = line[first] + line[x] + line[last];
                output[x] = sum / 3.0;
            }
        }
        let mut smooth = vec![0.0; width * height];
        for y in 0..height {
            let (first, last) = (y.saturating_sub(1), (y + 1).min(height - 1));
            let output = &mut smooth[y * width..][..width];
            for (x, value) in output.iter_mut().enumerate() {
                let sum = rows[first * width + x] + rows[y * width + x] + rows[last * width + x];
                *value = sum / 3.0;
            }
        }
        smooth
    }
}

/// Which of `step` rows or columns are looked at: a few, spread over them.
fn looks(step: u32) -> impl Iterator<Item = u32> {
    let count = step.min(LOOKS);
    (0..count).map(move |look| (2 * look + 1) * step / (2 * count))
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
    fn a_raster_has_few_pixels_and_the_means_of_the_image() {
        for side in [20, 96, 97, 424, 1000] {
            let picture = RgbImage::from_fn(side, side, |x, y| Rgb([x as u8, y as u8, 9]));
            let image = Image::from(picture);
            let raster = Raster::of(&image, Part::whole(&image));
            assert!(raster.width <= 96 && raster.width * raster.step as usize <= side as usize);
            if side < 256 {
                let middle = (raster.height / 2) * raster.width + raster.width / 2;
                let (x, y) = (raster.width / 2, raster.height / 2);
                let place = |start: u32, at: usize| {
                    f64::from(start) + (at as f64 + 0.5) * f64::from(raster.step) - 0.5
                };
                let wanted = (place(raster.left, x) + place(raster.top, y) + 9.0) / 3.0;
                assert!(
                    (f64::from(raster.values[middle]) - wanted).abs() < 0.5,
                    "{side}"
                );
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

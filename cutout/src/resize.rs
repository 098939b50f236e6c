//! Centre crop and bilinear resize as TensorFlow 1 computes them.
//!
//! The paper's images went through `tf.image.resize_image_with_crop_or_pad` and
//! `tf.image.resize_images`, whose bilinear filter is unlike most others: the source coordinate is
//! `destination * (in / out)` with no half-pixel shift, two taps an axis, clamped at the far edge,
//! and no antialiasing. A network trained on one filter loses accuracy on another, so this is
//! computed here and held against TensorFlow's own results in the tests.
//!
//! Only the part of the resized image that is asked for is computed: a 64 x 64 window of 80 x 80 is
//! two thirds of the work.

use std::borrow::Cow;

use image::{Rgb, RgbImage};

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
struct Tap {
    lower: usize,
    upper: usize,
    fraction: f32,
}

/// Centre-crops `image` to `crop` x `crop` (zero-padding where it is smaller), resizes that to
/// `resized` x `resized`, and writes `window` of the result to `output`.
///
/// `output` is planar RGB, `[3, window.side, window.side]`, with values 0..=255 that are not rounded.
///
/// # Panics
/// If `window` reaches outside the resized image, or `output` is not `3 * side * side` long.
pub fn resize_window(
    image: &RgbImage,
    crop: u32,
    resized: u32,
    window: Window,
    output: &mut [f32],
) {
    let side = window.side as usize;
    assert!(
        window.left + window.side <= resized && window.top + window.side <= resized,
        "window {window:?} is outside {resized} x {resized}"
    );
    assert_eq!(output.len(), 3 * side * side, "output of the wrong length");

    let (source, left, top) = centred(image, crop);
    let columns = taps(crop, resized, window.left, window.side, left);
    let rows = taps(crop, resized, window.top, window.side, top);
    let pixels = source.as_raw().as_slice();
    let stride = 3 * source.width() as usize;

    let (red, rest) = output.split_at_mut(side * side);
    let (green, blue) = rest.split_at_mut(side * side);
    for (y, row) in rows.iter().enumerate() {
        let upper_line = &pixels[row.lower * stride..][..stride];
        let lower_line = &pixels[row.upper * stride..][..stride];
        let line = y * side..(y + 1) * side;
        let outputs = red[line.clone()]
            .iter_mut()
            .zip(&mut green[line.clone()])
            .zip(&mut blue[line]);
        for (column, ((red, green), blue)) in columns.iter().zip(outputs) {
            let above = between(upper_line, column);
            let below = between(lower_line, column);
            let mix =
                |channel: usize| above[channel] + (below[channel] - above[channel]) * row.fraction;
            *red = mix(0);
            *green = mix(1);
            *blue = mix(2);
        }
    }
}

/// The pixel of one line at a fractional column.
#[inline]
fn between(line: &[u8], column: &Tap) -> [f32; 3] {
    let left = &line[3 * column.lower..][..3];
    let right = &line[3 * column.upper..][..3];
    [0, 1, 2].map(|channel| {
        let a = f32::from(left[channel]);
        let b = f32::from(right[channel]);
        a + (b - a) * column.fraction
    })
}

/// The taps of `count` output coordinates from `first` on, along one axis; `offset` is where the crop
/// begins in the source.
fn taps(crop: u32, resized: u32, first: u32, count: u32, offset: u32) -> Vec<Tap> {
    let scale = crop as f32 / resized as f32;
    (first..first + count)
        .map(|coordinate| {
            let position = coordinate as f32 * scale;
            let lower = (position as u32).min(crop - 1);
            let upper = (lower + 1).min(crop - 1);
            Tap {
                lower: (offset + lower) as usize,
                upper: (offset + upper) as usize,
                fraction: position - lower as f32,
            }
        })
        .collect()
}

/// An image that holds the whole crop, and where the crop begins in it. Odd differences are halved
/// downwards, as TensorFlow does.
fn centred(image: &RgbImage, crop: u32) -> (Cow<'_, RgbImage>, u32, u32) {
    let (width, height) = image.dimensions();
    if width >= crop && height >= crop {
        return (
            Cow::Borrowed(image),
            (width - crop) / 2,
            (height - crop) / 2,
        );
    }
    let cut = |length: u32| length.saturating_sub(crop) / 2;
    let pad = |length: u32| crop.saturating_sub(length) / 2;
    let padded = RgbImage::from_fn(crop, crop, |x, y| {
        let x = (x + cut(width)).checked_sub(pad(width));
        let y = (y + cut(height)).checked_sub(pad(height));
        match (x, y) {
            (Some(x), Some(y)) if x < width && y < height => *image.get_pixel(x, y),
            _ => Rgb([0; 3]),
        }
    });
    (Cow::Owned(padded), 0, 0)
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Exact on purpose: the values are representable.
mod tests {
    use super::*;

    fn whole(side: u32) -> Window {
        Window {
            left: 0,
            top: 0,
            side,
        }
    }

    fn ramp(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 3) as u8, (y * 5) as u8, (x + y) as u8])
        })
    }

    #[test]
    fn resizing_to_the_same_size_is_the_centre_crop() {
        let image = ramp(21, 30);
        let mut output = vec![0.0; 3 * 8 * 8];
        resize_window(&image, 8, 8, whole(8), &mut output);
        for y in 0..8 {
            for x in 0..8 {
                let wanted = image.get_pixel(x + 6, y + 11);
                for channel in 0..3 {
                    let value = output[channel * 64 + (y * 8 + x) as usize];
                    assert_eq!(value, f32::from(wanted[channel]));
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
        let image = RgbImage::from_pixel(5, 9, Rgb([200; 3]));
        let mut output = vec![0.0; 3 * 8 * 8];
        resize_window(&image, 8, 8, whole(8), &mut output);
        let row: Vec<f32> = output[..8].to_vec();
        // Three columns are missing: one before, two after. No row is.
        assert_eq!(row, [0.0, 200.0, 200.0, 200.0, 200.0, 200.0, 0.0, 0.0]);
        assert_eq!(output[7 * 8 + 3], 200.0);
    }
}

//! From arrays to pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use galmorph_cutout::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, imageops};
use plotters::style::RGBColor;

/// The gap between the tiles of a [`mosaic`], in pixels.
const GAP: u32 = 2;

/// The colour of the gap, which is neither an end nor the middle of a colour scale.
const FRAME: Rgb<u8> = Rgb([176; 3]);

/// Planar RGB `[3, height, width]` as a picture; `scale` maps a value to 0..=255.
pub(super) fn from_planes(planes: &[f32], width: usize, scale: impl Fn(f32) -> f32) -> RgbImage {
    let area = planes.len() / 3;
    RgbImage::from_fn(width as u32, (area / width.max(1)) as u32, |x, y| {
        let pixel = y as usize * width + x as usize;
        Rgb([0, 1, 2].map(|channel| scale(planes[channel * area + pixel]).round() as u8))
    })
}

/// Planar RGB of any range as a picture. The smallest value becomes 0, the largest 255.
pub(super) fn stretched(planes: &[f32], width: usize) -> RgbImage {
    let unit = to_unit(planes);
    from_planes(planes, width, |value| 255.0 * unit(value))
}

/// One plane as a picture that is `width` pixels wide.
pub(super) fn coloured(plane: &[f32], width: usize, colour: impl Fn(f32) -> RGBColor) -> RgbImage {
    let height = plane.len() / width.max(1);
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let RGBColor(r, g, b) = colour(plane[y as usize * width + x as usize]);
        Rgb([r, g, b])
    })
}

/// Maps the range of some values to 0..=1. Values that are all the same, or not finite, become 0.
pub(super) fn to_unit(values: &[f32]) -> impl Fn(f32) -> f32 + use<> {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let low = finite().fold(f32::INFINITY, f32::min);
    let high = finite().fold(f32::NEG_INFINITY, f32::max);
    move |value| {
        if high > low && value.is_finite() {
            (value - low) / (high - low)
        } else {
            0.0
        }
    }
}

/// Tiles in rows of `columns` on white. Each pixel becomes a square of `factor` x `factor`, and each
/// tile gets a grey frame.
pub(super) fn mosaic(tiles: &[RgbImage], columns: usize, factor: u32) -> RgbImage {
    let (width, height) = tiles.first().map_or((0, 0), RgbImage::dimensions);
    let (width, height) = (width * factor, height * factor);
    let columns = columns.clamp(1, tiles.len().max(1));
    let rows = tiles.len().div_ceil(columns);
    let length = |count: usize, side: u32| count as u32 * (side + GAP) + GAP;
    let size = (length(columns, width), length(rows, height));
    let mut picture = RgbImage::from_pixel(size.0, size.1, Rgb([255; 3]));
    for (number, tile) in tiles.iter().enumerate() {
        let enlarged = imageops::resize(tile, width, height, imageops::FilterType::Nearest);
        let (x, y) = (
            length(number % columns, width),
            length(number / columns, height),
        );
        let frame = RgbImage::from_pixel(width + 2 * GAP, height + 2 * GAP, FRAME);
        imageops::replace(&mut picture, &frame, i64::from(x - GAP), i64::from(y - GAP));
        imageops::replace(&mut picture, &enlarged, i64::from(x), i64::from(y));
    }
    picture
}

/// The picture, shrunk if needed to at most `side` pixels in width and height.
pub(super) fn thumbnail(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= side {
        return picture.clone();
    }
    let scaled = |length: u32| (length * side / longest).max(1);
    imageops::resize(
        picture,
        scaled(width),
        scaled(height),
        imageops::FilterType::Triangle,
    )
}

/// A picture as a PNG in a data URI.
pub(super) fn png_uri(picture: &RgbImage) -> String {
    let mut bytes = Vec::new();
    encode(picture, PngEncoder::new(&mut bytes));
    format!("data:image/png;base64,{}", STANDARD.encode(bytes))
}

/// A picture as a JPEG in a data URI.
pub(super) fn jpeg_uri(picture: &RgbImage) -> String {
    let mut bytes = Vec::new();
    encode(picture, JpegEncoder::new_with_quality(&mut bytes, 90));
    format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes))
}

#[expect(
    clippy::expect_used,
    reason = "memory takes every byte, and no picture here is too large for its format"
)]
fn encode(picture: &RgbImage, encoder: impl ImageEncoder) {
    let (width, height) = picture.dimensions();
    encoder
        .write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8)
        .expect("a picture fits its format");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mosaic_places_its_tiles_row_by_row() {
        let tiles: Vec<RgbImage> = (1..=5_u8)
            .map(|n| RgbImage::from_pixel(3, 3, Rgb([n; 3])))
            .collect();
        let picture = mosaic(&tiles, 2, 4);
        assert_eq!(picture.dimensions(), (2 * 12 + 3 * 2, 3 * 12 + 4 * 2));
        assert_eq!(*picture.get_pixel(1, 1), FRAME);
        assert_eq!(picture.get_pixel(2, 2).0, [1; 3]);
        assert_eq!(picture.get_pixel(16, 13).0, [2; 3]);
        assert_eq!(picture.get_pixel(2, 16).0, [3; 3]);
        assert_eq!(
            picture.get_pixel(16, 30).0,
            [255; 3],
            "the sixth place is empty"
        );
    }

    #[test]
    fn a_stretch_spans_the_range_and_survives_values_that_are_all_the_same() {
        let planes: Vec<f32> = (0..12).map(|n| n as f32 - 20.0).collect();
        let picture = stretched(&planes, 2);
        assert_eq!(picture.get_pixel(0, 0).0[0], 0);
        assert_eq!(picture.get_pixel(1, 1).0[2], 255);
        let flat = stretched(&[3.0; 12], 2);
        assert!(flat.pixels().all(|pixel| pixel.0 == [0; 3]));
        let broken = stretched(&[f32::NAN; 12], 2);
        assert!(broken.pixels().all(|pixel| pixel.0 == [0; 3]));
    }

    #[test]
    fn a_thumbnail_keeps_the_proportions() {
        let picture = RgbImage::new(400, 200);
        assert_eq!(thumbnail(&picture, 100).dimensions(), (100, 50));
        assert_eq!(thumbnail(&picture, 900).dimensions(), (400, 200));
    }
}

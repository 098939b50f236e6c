//! PNG, with 8 or 16 bits a sample.

use image::{ImageDecoder as _, ImageFormat};

use super::{DecodeError, Format, Limits, raster};
use crate::Image;

/// What every PNG file begins with.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Image, DecodeError> {
    let decoder = raster::open(bytes, ImageFormat::Png, limits)?;
    raster::read(decoder, Format::Png)
}

pub(super) fn dimensions(bytes: &[u8], limits: &Limits) -> Result<(u32, u32), DecodeError> {
    raster::open(bytes, ImageFormat::Png, limits).map(|decoder| decoder.dimensions())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, Rgba};

    use super::*;
    use crate::Preprocessing;

    fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn decoded(image: impl Into<DynamicImage>) -> Image {
        decode(&png(image), &Limits::default()).unwrap()
    }

    fn bit_depth(image: &Image) -> u8 {
        image.origin().unwrap().bit_depth
    }

    /// Every level, a pixel each.
    fn level(x: u32, y: u32) -> u8 {
        (x + 16 * y) as u8
    }

    #[test]
    fn grey_is_one_plane_and_keeps_every_level_with_and_without_alpha() {
        let grey = GrayImage::from_fn(16, 16, |x, y| Luma([level(x, y)]));
        let with_alpha = GrayAlphaImage::from_fn(16, 16, |x, y| LumaA([level(x, y), x as u8]));
        for image in [decoded(grey), decoded(with_alpha)] {
            assert_eq!((image.planes(), bit_depth(&image)), (1, 8));
            for (x, y, pixel) in image.to_rgb8().enumerate_pixels() {
                assert_eq!(pixel.0, [level(x, y); 3]);
            }
        }
    }

    #[test]
    fn sixteen_bits_are_kept() {
        // What is 257 times an 8-bit level, and what lies between two of them.
        let samples: [u16; 11] = [
            0, 1, 128, 129, 256, 257, 300, 0x8000, 65_278, 65_534, 65_535,
        ];
        let sample = |x: u32, y: u32| samples[(x + y) as usize % samples.len()];
        let grey = ImageBuffer::from_fn(20, 16, |x, y| Luma([sample(x, y)]));
        let colour = ImageBuffer::from_fn(20, 16, |x, y| {
            Rgb([sample(x, y), 514, 65_535 - sample(x, y)])
        });
        let with_alpha = ImageBuffer::from_fn(20, 16, |x, y| {
            Rgba([sample(x, y), 514, 65_535 - sample(x, y), 9])
        });
        let grey_with_alpha = ImageBuffer::from_fn(20, 16, |x, y| LumaA([sample(x, y), 9]));

        for image in [decoded(grey), decoded(grey_with_alpha)] {
            assert_eq!((image.planes(), bit_depth(&image)), (1, 16));
            for x in 0..20 {
                assert_eq!(image.value(0, x, 3), f32::from(sample(x, 3)) / 257.0);
            }
        }
        for image in [decoded(colour), decoded(with_alpha)] {
            assert_eq!((image.planes(), bit_depth(&image)), (3, 16));
            for x in 0..20 {
                let wanted = f32::from(sample(x, 3)) / 257.0;
                assert_eq!(image.value(0, x, 3), wanted);
                assert_eq!(image.value(1, x, 3), 2.0);
                assert!((image.value(2, x, 3) - (255.0 - wanted)).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn sixteen_bits_that_say_no_more_than_eight_give_the_same_views() {
        let narrow = ImageBuffer::from_fn(264, 230, |x, y| {
            Rgb([level(x, y), (x * y) as u8, (3 * x) as u8])
        });
        let wide = ImageBuffer::from_fn(264, 230, |x, y| {
            Rgb(narrow
                .get_pixel(x, y)
                .0
                .map(|sample| 257 * u16::from(sample)))
        });
        let preprocessing = Preprocessing::default();
        assert!(preprocessing.views(&decoded(wide)) == preprocessing.views(&decoded(narrow)));
    }

    #[test]
    fn sixteen_bits_show_what_eight_cannot() {
        // Four levels within a single one of eight bits: uniform, and so all zero, if it were cut off.
        let faint = ImageBuffer::from_fn(264, 264, |x, y| Luma([1000 + (x + y) as u16 % 4 * 20]));
        let views = Preprocessing::default().views(&decoded(faint));
        assert!(views.iter().any(|value| value.abs() > 1e-3));
    }
}

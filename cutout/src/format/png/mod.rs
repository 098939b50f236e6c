//! PNG, with 8 or 16 bits a sample. The `image` crate decodes it; `whole` looks at what that leaves out.

mod whole;

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::{DecodeError, Format, ImageHeader, Limits};
use crate::Image;
use crate::image::Origin;

/// What every PNG file begins with.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The most memory that one pixel can take while it is decoded: four channels of two bytes.
const BYTES_A_PIXEL: u64 = 8;

/// A 16-bit sample over the 8-bit sample of the same brightness: 65535 / 255.
const LEVELS_16_TO_8: f32 = 257.0;

pub(super) fn header(bytes: &[u8], limits: &Limits) -> Result<ImageHeader, DecodeError> {
    let mut decoder = open(bytes, limits)?;
    // A packet that can't be read says nothing; it is no reason to reject the image.
    let xmp = decoder.xmp_metadata().ok().flatten();
    Ok(ImageHeader::of_picture(
        decoder.dimensions(),
        xmp.as_deref(),
    ))
}

/// Reads a file's header and checks the size that it claims. No pixel is decoded yet.
fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<impl ImageDecoder + use<'a>, DecodeError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut allocation = image::Limits::default();
    allocation.max_alloc = Some(limits.max_pixels.saturating_mul(BYTES_A_PIXEL));
    reader.limits(allocation);
    let decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    limits.check_dimensions(width, height)?;
    Ok(decoder)
}

/// Decodes the pixels. What is wholly transparent is black, and any other opacity counts as full; colour profiles and gamma
/// are not applied.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Image, DecodeError> {
    let decoder = open(bytes, limits)?;
    let size = decoder.dimensions();
    let image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    whole::check(bytes).map_err(DecodeError::Broken)?;
    let bytes = |samples: Vec<u8>, planes| (Image::from_bytes(size, planes, samples), 8);
    let floats = |samples: &[u16], channels, planes| {
        let values = to_planes(samples, channels, planes);
        (Image::from_planes(size.0, size.1, values), 16)
    };
    let (image, bit_depth) = match image {
        DynamicImage::ImageLuma8(grey) => bytes(grey.into_raw(), 1),
        DynamicImage::ImageLumaA8(grey) => bytes(without_alpha::<2>(grey.into_raw()), 1),
        DynamicImage::ImageRgb8(colour) => bytes(colour.into_raw(), 3),
        DynamicImage::ImageRgba8(colour) => bytes(without_alpha::<4>(colour.into_raw()), 3),
        DynamicImage::ImageLuma16(grey) => floats(&grey, 1, 1),
        DynamicImage::ImageLumaA16(grey) => floats(&masked(grey.into_raw(), 2), 2, 1),
        DynamicImage::ImageRgb16(colour) => floats(&colour, 3, 3),
        DynamicImage::ImageRgba16(colour) => floats(&masked(colour.into_raw(), 4), 4, 3),
        // The format has no others; the crate may decode some to others some day.
        other => {
            let colour = other.color();
            return Err(DecodeError::Broken(format!(
                "its samples are of an unknown kind ({colour:?})"
            )));
        }
    };
    Ok(image.with_origin(Origin {
        format: Format::Png,
        dimensions: size,
        bit_depth,
        stretch: None,
        sky: None,
    }))
}

/// Samples of pixels whose last sample is their opacity, with black where it is none: that is how programs mask, and
/// whatever colour lies under a mask was not meant to be seen.
fn masked<T: Copy + Default + PartialEq>(mut samples: Vec<T>, channels: usize) -> Vec<T> {
    for pixel in samples.chunks_exact_mut(channels) {
        if pixel[channels - 1] == T::default() {
            pixel.fill(T::default());
        }
    }
    samples
}

/// The samples of masked pixels of `CHANNELS` samples each, without the last one of each pixel.
fn without_alpha<const CHANNELS: usize>(samples: Vec<u8>) -> Vec<u8> {
    let samples = masked(samples, CHANNELS);
    let (pixels, _) = samples.as_chunks::<CHANNELS>();
    let kept = pixels.iter().flat_map(|pixel| &pixel[..CHANNELS - 1]);
    kept.copied().collect()
}

/// 16-bit samples `[height, width, channels]` to values `[planes, height, width]` from 0 to 255. Not
/// rounded: that would throw away what 16 bits have over 8.
fn to_planes(samples: &[u16], channels: usize, planes: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(samples.len() / channels * planes);
    for plane in 0..planes {
        let plane = samples.iter().skip(plane).step_by(channels);
        values.extend(plane.map(|sample| f32::from(*sample) / LEVELS_16_TO_8));
    }
    values
}

fn broken(error: ImageError) -> DecodeError {
    match error {
        ImageError::Limits(limit) => DecodeError::TooLarge(limit.to_string()),
        other => DecodeError::Broken(other.to_string()),
    }
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
        let with_alpha = GrayAlphaImage::from_fn(16, 16, |x, y| LumaA([level(x, y), 1 + x as u8]));
        for image in [decoded(grey), decoded(with_alpha)] {
            assert_eq!((image.planes(), bit_depth(&image)), (1, 8));
            for (x, y, pixel) in image.to_rgb8().enumerate_pixels() {
                assert_eq!(pixel.0, [level(x, y); 3]);
            }
        }
    }

    #[test]
    fn what_is_wholly_transparent_is_black_and_what_shows_through_is_not() {
        let opacity = |x: u32| [0_u16, 1, 200, 255][x as usize % 4];
        let small = ImageBuffer::from_fn(20, 16, |x, _| Rgba([90, 80, 70, opacity(x) as u8]));
        let large = ImageBuffer::from_fn(20, 16, |x, _| {
            Rgba([257 * 90, 257 * 80, 257 * 70, opacity(x)])
        });
        let grey = ImageBuffer::from_fn(20, 16, |x, _| LumaA([257 * 90, opacity(x)]));
        let colours = |image: &Image| [0, 1, 2, 3].map(|x| image.value(0, x, 5));
        for image in [decoded(small), decoded(large), decoded(grey)] {
            assert_eq!(colours(&image), [0.0, 90.0, 90.0, 90.0]);
        }
        let hidden = ImageBuffer::from_fn(264, 264, |x, y| {
            Rgba([level(x, y), level(y, x), x as u8, 0])
        });
        assert!(decoded(hidden).is_blank());
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

    /// Where the chunk of that name has its checksum.
    fn checksum_at(file: &[u8], name: [u8; 4]) -> usize {
        let start = file.windows(4).position(|four| *four == name).unwrap();
        let length = u32::from_be_bytes(file[start - 4..start].try_into().unwrap());
        start + 4 + length as usize
    }

    #[test]
    fn a_wrong_checksum_of_pixels_is_broken_and_one_of_a_text_is_nothing() {
        let picture = GrayImage::from_fn(32, 24, |x, y| Luma([level(x, y)]));
        let whole = png(picture);
        for chunk in [b"IHDR", b"IDAT"] {
            let mut damaged = whole.clone();
            damaged[checksum_at(&whole, *chunk)] ^= 1;
            let reason = decode(&damaged, &Limits::default()).map_err(|fault| fault.reason());
            assert_eq!(reason, Err(crate::RejectReason::Broken));
        }
        let header_end = checksum_at(&whole, *b"IHDR") + 4;
        let text = b"\0\0\0\x0btEXtComment\0ngcWRNG";
        let with_text = [&whole[..header_end], text, &whole[header_end..]].concat();
        let image = decode(&with_text, &Limits::default()).unwrap();
        assert_eq!(image, decode(&whole, &Limits::default()).unwrap());
    }

    #[test]
    fn every_damaged_byte_of_the_pixels_is_noticed() {
        let whole = png(GrayImage::from_fn(32, 24, |x, y| Luma([level(x, y)])));
        let end = checksum_at(&whole, *b"IDAT") + 4;
        let start = whole.windows(4).position(|four| four == b"IDAT").unwrap() + 4;
        for place in start..end {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            assert!(
                decode(&damaged, &Limits::default()).is_err(),
                "byte {place}"
            );
        }
    }
}

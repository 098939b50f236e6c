//! What JPEG and PNG have in common: the `image` crate decodes both.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::{DecodeError, Format, Limits};
use crate::Image;
use crate::image::Origin;

/// The most memory that one pixel can take while it is decoded: four channels of two bytes.
const BYTES_A_PIXEL: u64 = 8;

/// A 16-bit sample over the 8-bit sample of the same brightness: 65535 / 255.
const LEVELS_16_TO_8: f32 = 257.0;

/// Reads a file's header and checks the size that it claims. No pixel is decoded yet.
pub(super) fn open<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    limits: &Limits,
) -> Result<impl ImageDecoder + use<'a>, DecodeError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut allocation = image::Limits::default();
    allocation.max_alloc = Some(limits.max_pixels.saturating_mul(BYTES_A_PIXEL));
    reader.limits(allocation);
    let decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    limits.check_dimensions(width, height)?;
    Ok(decoder)
}

/// Decodes the pixels. An alpha channel is dropped; colour profiles and gamma are not applied.
pub(super) fn read(decoder: impl ImageDecoder, format: Format) -> Result<Image, DecodeError> {
    let size = decoder.dimensions();
    let image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let bytes = |samples: Vec<u8>, planes| (Image::from_bytes(size, planes, samples), 8);
    let floats = |samples: &[u16], channels, planes| {
        let values = to_planes(samples, channels, planes);
        (Image::from_planes(size.0, size.1, values), 16)
    };
    let (image, bit_depth) = match image {
        DynamicImage::ImageLuma8(grey) => bytes(grey.into_raw(), 1),
        DynamicImage::ImageLumaA8(grey) => bytes(without_alpha::<2>(&grey), 1),
        DynamicImage::ImageRgb8(colour) => bytes(colour.into_raw(), 3),
        DynamicImage::ImageRgba8(colour) => bytes(without_alpha::<4>(&colour), 3),
        DynamicImage::ImageLuma16(grey) => floats(&grey, 1, 1),
        DynamicImage::ImageLumaA16(grey) => floats(&grey, 2, 1),
        DynamicImage::ImageRgb16(colour) => floats(&colour, 3, 3),
        DynamicImage::ImageRgba16(colour) => floats(&colour, 4, 3),
        // Neither format has others today; the crate may decode more some day.
        other => {
            let colour = other.color();
            return Err(DecodeError::Broken(format!(
                "its samples are of an unknown kind ({colour:?})"
            )));
        }
    };
    Ok(image.with_origin(Origin { format, bit_depth }))
}

/// The samples of pixels of `CHANNELS` samples each, without the last one of each pixel.
fn without_alpha<const CHANNELS: usize>(samples: &[u8]) -> Vec<u8> {
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

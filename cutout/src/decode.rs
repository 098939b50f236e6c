//! Bytes to pixels, within limits.
//!
//! A daemon that runs for years is handed everything sooner or later: truncated transfers, HTML error
//! pages named `.jpg`, images that unpack to gigabytes. The size that an image claims is checked
//! before a pixel of it is decoded, and each way to fail has its own error, since the catalog records
//! which it was.

use std::io::Cursor;

use crate::jpeg;
use image::{ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

/// What an image may cost before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, in bytes.
    pub max_bytes: u64,
    /// The largest width or height, in pixels.
    pub max_side: u32,
    /// The largest width times height, in pixels.
    pub max_pixels: u64,
    /// The smallest width or height, in pixels.
    pub min_side: u32,
}

impl Default for Limits {
    /// Generous for a cutout (the paper's are 424 x 424 pixels and some 12 kB) and harmless for a
    /// machine: at most 48 MB of pixels an image.
    fn default() -> Self {
        Self {
            max_bytes: 32 << 20,
            max_side: 8192,
            max_pixels: 16_000_000,
            min_side: 16,
        }
    }
}

/// Why some bytes are not an image that we classify.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no JPEG and no PNG, whatever the file is called.
    #[error("not an image we read (JPEG or PNG)")]
    NotAnImage,
    /// It begins like an image, and can't be decoded to its end.
    #[error("broken image: {0}")]
    Broken(String),
    /// Over one of the [`Limits`].
    #[error("too large: {0}")]
    TooLarge(String),
    /// Under [`Limits::min_side`].
    #[error("too small: {width} x {height} pixels, under {min_side} on a side")]
    TooSmall {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit in force, in pixels.
        min_side: u32,
    },
}

impl DecodeError {
    /// A short name for the kind of fault, stable enough to query by: `not_an_image`, `broken`,
    /// `too_large` or `too_small`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotAnImage => "not_an_image",
            Self::Broken(_) => "broken",
            Self::TooLarge(_) => "too_large",
            Self::TooSmall { .. } => "too_small",
        }
    }
}

/// Decodes a whole JPEG or PNG file to 8-bit RGB.
///
/// The format is found from the content, never from a name. Greyscale is repeated in all three
/// channels, 16-bit samples are scaled to 8 bits, and an alpha channel is dropped.
///
/// # Errors
/// See [`DecodeError`]; nothing is allocated for an image that is over `limits`.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, DecodeError> {
    let (decoder, format) = open(bytes, limits)?;
    if format == ImageFormat::Jpeg && !jpeg::is_whole(bytes) {
        return Err(DecodeError::Broken("the JPEG ends early".into()));
    }
    let image = image::DynamicImage::from_decoder(decoder).map_err(broken)?;
    Ok(image.into_rgb8())
}

/// The width and the height of an image in pixels, from its header alone. No pixel is decoded, so this says
/// nothing about the rest of the file; the limits are those of [`decode`].
///
/// # Errors
/// See [`DecodeError`].
pub fn dimensions(bytes: &[u8], limits: &Limits) -> Result<(u32, u32), DecodeError> {
    let (decoder, _) = open(bytes, limits)?;
    Ok(decoder.dimensions())
}

/// Reads a file's header, and checks the size that it claims.
fn open<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<(impl ImageDecoder + use<'a>, ImageFormat), DecodeError> {
    if bytes.len() as u64 > limits.max_bytes {
        return Err(DecodeError::TooLarge(format!(
            "{} bytes, over {}",
            bytes.len(),
            limits.max_bytes
        )));
    }
    let Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) = image::guess_format(bytes) else {
        return Err(DecodeError::NotAnImage);
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut allocation = image::Limits::default();
    // Four channels of two bytes is the most that a PNG pixel can take while it is decoded.
    allocation.max_alloc = Some(limits.max_pixels.saturating_mul(8));
    reader.limits(allocation);

    let decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_dimensions(width, height, limits)?;
    Ok((decoder, format))
}

fn check_dimensions(width: u32, height: u32, limits: &Limits) -> Result<(), DecodeError> {
    if width.max(height) > limits.max_side {
        return Err(DecodeError::TooLarge(format!(
            "{width} x {height} pixels, over {} on a side",
            limits.max_side
        )));
    }
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(DecodeError::TooLarge(format!(
            "{width} x {height} pixels, over {} in all",
            limits.max_pixels
        )));
    }
    if width.min(height) < limits.min_side {
        return Err(DecodeError::TooSmall {
            width,
            height,
            min_side: limits.min_side,
        });
    }
    Ok(())
}

fn broken(error: ImageError) -> DecodeError {
    match error {
        ImageError::Limits(limit) => DecodeError::TooLarge(limit.to_string()),
        other => DecodeError::Broken(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{DynamicImage, GrayImage, ImageBuffer, Rgba};

    fn gradient(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([x as u8, y as u8, (x + y) as u8])
        })
    }

    fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Vec::new();
        image
            .into()
            .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
            .unwrap();
        bytes
    }

    fn jpeg(image: &RgbImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90)
            .encode_image(image)
            .unwrap();
        bytes
    }

    fn kind(bytes: &[u8], limits: &Limits) -> &'static str {
        decode(bytes, limits).unwrap_err().kind()
    }

    #[test]
    fn a_png_keeps_its_pixels() {
        let image = gradient(40, 30);
        let decoded = decode(&png(image.clone()), &Limits::default()).unwrap();
        assert_eq!(decoded, image);
    }

    #[test]
    fn a_jpeg_keeps_its_size_and_nearly_its_pixels() {
        let image = gradient(64, 48);
        let decoded = decode(&jpeg(&image), &Limits::default()).unwrap();
        assert_eq!(decoded.dimensions(), (64, 48));
        let worst = image
            .iter()
            .zip(decoded.iter())
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst <= Some(40), "{worst:?}");
    }

    #[test]
    fn the_header_alone_has_the_size_and_is_held_to_the_limits() {
        let (whole, small) = (jpeg(&gradient(256, 192)), png(gradient(15, 64)));
        let limits = Limits::default();
        let half = &whole[..whole.len() / 2];
        assert_eq!(dimensions(half, &limits).unwrap(), (256, 192));
        assert_eq!(dimensions(&small, &limits).unwrap_err().kind(), "too_small");
        assert!(dimensions(b"<html>", &limits).is_err());
    }

    #[test]
    fn greyscale_fills_all_channels_and_alpha_is_dropped() {
        let grey = GrayImage::from_pixel(20, 20, image::Luma([77]));
        let decoded = decode(&png(grey), &Limits::default()).unwrap();
        assert_eq!(decoded.get_pixel(3, 4).0, [77, 77, 77]);

        let alpha: ImageBuffer<Rgba<u8>, _> =
            ImageBuffer::from_pixel(20, 20, Rgba([10, 20, 30, 0]));
        let decoded = decode(&png(alpha), &Limits::default()).unwrap();
        assert_eq!(decoded.get_pixel(3, 4).0, [10, 20, 30]);
    }

    #[test]
    fn each_fault_has_its_kind() {
        let limits = Limits::default();
        assert_eq!(kind(b"", &limits), "not_an_image");
        assert_eq!(kind(b"<html>404</html>", &limits), "not_an_image");
        assert_eq!(kind(b"GIF89a", &limits), "not_an_image");

        let whole = png(gradient(64, 64));
        assert_eq!(kind(&whole[..whole.len() / 2], &limits), "broken");
        let whole = jpeg(&gradient(64, 64));
        for part in [8, 4, 2] {
            assert_eq!(kind(&whole[..whole.len() / part], &limits), "broken");
        }

        assert_eq!(kind(&png(gradient(15, 64)), &limits), "too_small");
        assert_eq!(kind(&png(gradient(8193, 16)), &limits), "too_large");
        let few_pixels = Limits {
            max_pixels: 4095,
            ..limits
        };
        assert_eq!(kind(&png(gradient(64, 64)), &few_pixels), "too_large");
        let few_bytes = Limits {
            max_bytes: 100,
            ..limits
        };
        assert_eq!(kind(&whole, &few_bytes), "too_large");
    }
}

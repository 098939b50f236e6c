//! Bytes to an image, within limits.
//!
//! A daemon that runs for years receives everything sooner or later: truncated transfers, HTML error
//! pages named `.jpg`, images that unpack to gigabytes. So the size that an image claims is checked
//! before any pixel is decoded, and each way to fail has its own [`RejectReason`], which the catalog
//! records.
//!
//! Each format is one file here, which knows the format's first bytes and decodes it. To add a format,
//! add its file, its variant of [`Format`], and its line in [`decode`].

mod avm;
mod fits;
mod jpeg;
mod limits;
mod png;
mod sky;

pub use fits::Rendering;
pub use limits::Limits;

use crate::{Format, Image, Position, PositionSource, RejectReason};

/// Why some bytes are not an image that we classify.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no JPEG, no PNG and no FITS file, whatever the file is called.
    #[error("not a JPEG, PNG or FITS image")]
    NotAnImage,
    /// They are a FITS file, and no picture is in it.
    #[error("no image: {0}")]
    NoImage(String),
    /// They begin like an image, but can't be decoded to its end.
    #[error("broken image: {0}")]
    Broken(String),
    /// They are a whole image of a kind that we don't read.
    #[error("unsupported image: {0}")]
    Unsupported(String),
    /// They are a whole image in which nothing is to be seen.
    #[error("the image shows nothing: {0}")]
    Blank(String),
    /// The bands that the [`Rendering`] asks for are not in the file, or can't be told apart.
    #[error("missing bands: {0}")]
    MissingBands(String),
    /// The file or the image is over one of the [`Limits`].
    #[error("too large: {0}")]
    TooLarge(String),
    /// The image is under [`Limits::min_side`].
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
    /// The same fault of the file that has this band.
    fn of_band(self, band: &str) -> Self {
        let of = |fault: String| format!("the file of band {band}: {fault}");
        match self {
            Self::NotAnImage => Self::NoImage(of("not a FITS file".into())),
            Self::NoImage(fault) => Self::NoImage(of(fault)),
            Self::Broken(fault) => Self::Broken(of(fault)),
            Self::Unsupported(fault) => Self::Unsupported(of(fault)),
            Self::Blank(fault) => Self::Blank(of(fault)),
            Self::MissingBands(fault) => Self::MissingBands(of(fault)),
            Self::TooLarge(fault) => Self::TooLarge(of(fault)),
            small @ Self::TooSmall { .. } => small,
        }
    }

    /// The reason for which the file is rejected.
    pub const fn reason(&self) -> RejectReason {
        match self {
            Self::NotAnImage | Self::NoImage(_) => RejectReason::NotAnImage,
            Self::Broken(_) => RejectReason::Broken,
            Self::Unsupported(_) => RejectReason::Unsupported,
            Self::Blank(_) => RejectReason::Blank,
            Self::MissingBands(_) => RejectReason::MissingBands,
            Self::TooLarge(_) => RejectReason::TooLarge,
            Self::TooSmall { .. } => RejectReason::TooSmall,
        }
    }
}

impl Format {
    /// The format of a file, found from its first bytes; `None` when we don't read it.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let signatures = [(Self::Jpeg, jpeg::SIGNATURE), (Self::Png, png::SIGNATURE)];
        let mut known = signatures.into_iter();
        let of_signature = known.find(|(_, signature)| bytes.starts_with(signature));
        let of_signature = of_signature.map(|(format, _)| format);
        of_signature.or_else(|| fits::is_fits(bytes).then_some(Self::Fits))
    }
}

/// Decodes a whole file: JPEG, PNG or FITS. FITS images are shown by the default [`Rendering`].
///
/// The format is found from the content, never from a name. A greyscale image has one plane, a colour
/// image three. Samples of 16 bits keep them. An alpha channel is dropped.
///
/// # Errors
/// See [`DecodeError`]. No pixel is decoded of an image that is over `limits`.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Image, DecodeError> {
    decode_centre(bytes, limits, u32::MAX)
}

/// Decodes a whole file to the part that [`Image::keep_centre`] keeps of it, which takes less time. Damage
/// outside of that part is damage, too.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_centre(bytes: &[u8], limits: &Limits, side: u32) -> Result<Image, DecodeError> {
    decode_rendered(bytes, limits, side, &Rendering::default())
}

/// The same, with FITS images shown as `rendering` says.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_rendered(
    bytes: &[u8],
    limits: &Limits,
    side: u32,
    rendering: &Rendering,
) -> Result<Image, DecodeError> {
    limits.check_bytes(bytes.len() as u64)?;
    match Format::of(bytes).ok_or(DecodeError::NotAnImage)? {
        Format::Fits => fits::decode(bytes, limits, side, rendering),
        Format::Jpeg => jpeg::decode(bytes, limits, side),
        Format::Png => png::decode(bytes, limits).map(|image| image.keep_centre(side)),
    }
}

/// A FITS file that has one band of an image.
#[derive(Debug, Clone, Copy)]
pub struct BandBytes<'a> {
    /// The name of the band. What telescopes put around it is taken away, as from a band that a file names.
    pub band: &'a str,
    /// The whole file.
    pub bytes: &'a [u8],
}

/// The same of an image whose bands lie in files of their own, at least one. They must be FITS files of the same size,
/// of the same unit as far as they have one, and of the same place on the sky to a pixel as far as they say it.
/// [`Rendering::bands`] is not needed. The limits hold for all files together.
///
/// # Errors
/// Those of [`decode`]; the message names the band.
pub fn decode_bands(
    files: &[BandBytes],
    limits: &Limits,
    side: u32,
    rendering: &Rendering,
) -> Result<Image, DecodeError> {
    fits::decode_bands(files, limits, side, rendering)
}

/// The width and the height of an image in pixels, from its header alone. No pixel is decoded, so this says
/// nothing about the rest of the file; the limits are those of [`decode`].
///
/// # Errors
/// See [`DecodeError`].
pub fn dimensions(bytes: &[u8], limits: &Limits) -> Result<(u32, u32), DecodeError> {
    header(bytes, limits, &Rendering::default()).map(|header| header.dimensions)
}

/// What the header of an image says.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ImageHeader {
    /// Width and height in pixels.
    pub dimensions: (u32, u32),
    /// Where the middle of the image is on the sky, by the WCS of a FITS image or by AVM in another one.
    pub position: Option<(Position, PositionSource)>,
    /// The side of a pixel by the WCS, in arcseconds.
    pub pixel_scale: Option<f64>,
}

impl ImageHeader {
    /// That of a JPEG or PNG with this XMP packet.
    fn of_picture(dimensions: (u32, u32), xmp: Option<&[u8]>) -> Self {
        let packet = xmp.and_then(|packet| std::str::from_utf8(packet).ok());
        let position = packet.and_then(|packet| avm::centre(packet, dimensions));
        Self {
            dimensions,
            position: position.map(|position| (position, PositionSource::Avm)),
            pixel_scale: None,
        }
    }
}

/// What the header of an image says, of which the bands are named by `rendering`. No pixel is decoded, so this says
/// nothing about the rest of the file; the limits are those of [`decode`].
///
/// # Errors
/// See [`DecodeError`].
pub fn header(
    bytes: &[u8],
    limits: &Limits,
    rendering: &Rendering,
) -> Result<ImageHeader, DecodeError> {
    limits.check_bytes(bytes.len() as u64)?;
    match Format::of(bytes).ok_or(DecodeError::NotAnImage)? {
        Format::Fits => fits::header(bytes, limits, rendering),
        Format::Jpeg => jpeg::header(bytes, limits),
        Format::Png => png::header(bytes, limits),
    }
}

/// The same of an image whose bands lie in files of their own.
///
/// # Errors
/// Those of [`decode_bands`].
pub fn header_of_bands(files: &[BandBytes], limits: &Limits) -> Result<ImageHeader, DecodeError> {
    fits::header_of_bands(files, limits)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::jpeg::JpegEncoder;
    use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, RgbImage, Rgba};

    use super::*;

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

    /// A packet with the position of an object.
    const XMP: &str = "<r xmlns:avm='http://www.communicatingastronomy.org/avm/1.0/'
        avm:Spatial.CoordinateFrame='ICRS' avm:Spatial.Quality='Position'
        avm:Spatial.ReferenceValue='10.5;-20.5'/>";

    #[test]
    fn a_position_is_found_in_the_packet_of_a_jpeg_and_of_a_png() {
        let limits = Limits::default();
        let position = |bytes: &[u8]| {
            let header = header(bytes, &limits, &Rendering::default()).unwrap();
            assert_eq!(header.dimensions, (20, 30));
            assert_eq!(header.pixel_scale, None);
            header.position
        };
        let expected = Position::new(10.5, -20.5).map(|at| (at, PositionSource::Avm));

        let plain = jpeg(&gradient(20, 30));
        assert_eq!(position(&plain), None);
        let packet = ["http://ns.adobe.com/xap/1.0/\0", XMP].concat();
        let length = (packet.len() as u16 + 2).to_be_bytes();
        let segment = [&[0xFF, 0xE1], &length[..], packet.as_bytes()].concat();
        let with = [&plain[..2], &segment, &plain[2..]].concat();
        assert_eq!(position(&with), expected);
        assert!(decode(&with, &limits).unwrap() == decode(&plain, &limits).unwrap());

        let plain = png(gradient(20, 30));
        assert_eq!(position(&plain), None);
        let data = ["iTXtXML:com.adobe.xmp\0\0\0\0\0", XMP].concat();
        let length = (data.len() as u32 - 4).to_be_bytes();
        let sum = crc32fast::hash(data.as_bytes()).to_be_bytes();
        let chunk = [&length[..], data.as_bytes(), &sum].concat();
        // Behind the signature and the header.
        let with = [&plain[..33], &chunk, &plain[33..]].concat();
        assert_eq!(position(&with), expected);
    }

    fn reason(bytes: &[u8], limits: &Limits) -> &'static str {
        decode(bytes, limits).unwrap_err().reason().as_str()
    }

    #[test]
    fn a_png_keeps_its_pixels() {
        let image = gradient(40, 30);
        let decoded = decode(&png(image.clone()), &Limits::default()).unwrap();
        assert_eq!(decoded.to_rgb8(), image);
    }

    #[test]
    fn a_jpeg_keeps_its_size_and_nearly_its_pixels() {
        let image = gradient(64, 48);
        let decoded = decode(&jpeg(&image), &Limits::default()).unwrap();
        assert_eq!(decoded.dimensions(), (64, 48));
        let worst = image
            .iter()
            .zip(decoded.to_rgb8().iter())
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst <= Some(40), "{worst:?}");
    }

    #[test]
    fn the_header_alone_has_the_size_and_is_held_to_the_limits() {
        let (whole, small) = (jpeg(&gradient(640, 480)), png(gradient(15, 64)));
        let limits = Limits::default();
        let half = &whole[..whole.len() / 2];
        assert_eq!(dimensions(half, &limits).unwrap(), (640, 480));
        let fault = dimensions(&small, &limits).unwrap_err();
        assert_eq!(fault.reason(), RejectReason::TooSmall);
        assert!(dimensions(b"<html>", &limits).is_err());
    }

    #[test]
    fn greyscale_fills_all_channels_and_alpha_is_dropped() {
        let grey = GrayImage::from_pixel(20, 20, image::Luma([77]));
        let decoded = decode(&png(grey), &Limits::default()).unwrap();
        assert_eq!(decoded.to_rgb8().get_pixel(3, 4).0, [77, 77, 77]);

        let alpha: ImageBuffer<Rgba<u8>, _> =
            ImageBuffer::from_pixel(20, 20, Rgba([10, 20, 30, 1]));
        let decoded = decode(&png(alpha), &Limits::default()).unwrap();
        assert_eq!(decoded.to_rgb8().get_pixel(3, 4).0, [10, 20, 30]);
    }

    #[test]
    fn each_fault_has_its_reason() {
        let limits = Limits::default();
        assert_eq!(reason(b"", &limits), "not_an_image");
        assert_eq!(reason(b"<html>404</html>", &limits), "not_an_image");
        assert_eq!(reason(b"GIF89a", &limits), "not_an_image");

        let whole = png(gradient(64, 64));
        assert_eq!(reason(&whole[..whole.len() / 2], &limits), "broken");
        let whole = jpeg(&gradient(64, 64));
        for part in [8, 4, 2] {
            assert_eq!(reason(&whole[..whole.len() / part], &limits), "broken");
        }

        assert_eq!(reason(&png(gradient(15, 64)), &limits), "too_small");
        assert_eq!(reason(&png(gradient(8193, 16)), &limits), "too_large");
        let few_pixels = Limits {
            max_pixels: 4095,
            ..limits
        };
        assert_eq!(reason(&png(gradient(64, 64)), &few_pixels), "too_large");
        let few_bytes = Limits {
            max_bytes: 100,
            ..limits
        };
        assert_eq!(reason(&whole, &few_bytes), "too_large");
    }
}

//! JPEG, and whether a file is there to its end.
//!
//! The decoder fills what is missing with grey and says nothing, so half a transfer would become half a
//! galaxy with a confident class. A whole file ends with the marker EOI, and that marker can be found
//! without decoding: within the compressed data 0xFF is always followed by a zero or a restart marker,
//! and everything else states its length (ITU-T T.81, annex B).

use image::{ImageDecoder as _, ImageFormat};

use super::{DecodeError, Format, Limits, raster};
use crate::Image;

/// What every JPEG file begins with: the marker SOI, and the first byte of the next marker.
pub(super) const SIGNATURE: &[u8] = &[0xFF, SOI, 0xFF];

/// Start of image.
const SOI: u8 = 0xD8;
/// End of image.
const EOI: u8 = 0xD9;
/// Start of scan: compressed data follows its header.
const SOS: u8 = 0xDA;

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Image, DecodeError> {
    let decoder = raster::open(bytes, ImageFormat::Jpeg, limits)?;
    if !is_whole(bytes) {
        return Err(DecodeError::Broken("the JPEG ends early".into()));
    }
    raster::read(decoder, Format::Jpeg)
}

pub(super) fn dimensions(bytes: &[u8], limits: &Limits) -> Result<(u32, u32), DecodeError> {
    raster::open(bytes, ImageFormat::Jpeg, limits).map(|decoder| decoder.dimensions())
}

/// Whether the file's markers lead from its start to the end of the image. Bytes after that end are
/// ignored.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    walk(bytes) == Some(())
}

/// Follows the markers to the end of the image. `None` when the bytes end or make no sense before it.
fn walk(bytes: &[u8]) -> Option<()> {
    let mut position = 0;
    loop {
        // Any number of 0xFF may stand between two segments. Other bytes may not, but decoders skip them.
        position += marker_position(bytes.get(position..)?)?;
        let marker = bytes[position + 1];
        position += 2;
        match marker {
            EOI => return Some(()),
            // Markers without a length: SOI, TEM, and restart markers.
            SOI | 0x01 | 0xD0..=0xD7 => {}
            _ => {
                let length = bytes.get(position..position + 2)?;
                position += usize::from(u16::from_be_bytes([length[0], length[1]]));
                if marker == SOS {
                    position = end_of_scan(bytes, position)?;
                }
            }
        }
    }
}

/// The position of the next marker.
fn marker_position(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(2)
        .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF))
}

/// The position of the first marker after the compressed data that begins at `start`.
fn end_of_scan(bytes: &[u8], start: usize) -> Option<usize> {
    let data = bytes.get(start..)?;
    let length = data
        .windows(2)
        .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xD0..=0xD7))?;
    Some(start + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;
    use image::codecs::jpeg::JpegEncoder;

    fn jpeg() -> Vec<u8> {
        let image = RgbImage::from_fn(90, 70, |x, y| {
            image::Rgb([(x * 31) as u8, (y * 57) as u8, (x * y) as u8])
        });
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95)
            .encode_image(&image)
            .unwrap();
        bytes
    }

    #[test]
    fn a_jpeg_is_whole_and_no_beginning_of_it_is() {
        let whole = jpeg();
        assert!(is_whole(&whole));
        for length in 0..whole.len() {
            assert!(!is_whole(&whole[..length]), "{length} of {}", whole.len());
        }
    }

    #[test]
    fn bytes_after_the_end_are_ignored() {
        let mut bytes = jpeg();
        bytes.extend_from_slice(b"written by an instrument that pads its files\0\0\0");
        assert!(is_whole(&bytes));
    }

    #[test]
    fn padding_between_segments_is_no_end() {
        let whole = jpeg();
        for padding in [&[0xFF, 0xFF][..], &[0x00], &[0xFF, 0x00]] {
            assert!(is_whole(&[&whole[..2], padding, &whole[2..]].concat()));
        }
    }

    #[test]
    fn an_end_marker_inside_a_comment_is_not_the_end() {
        let whole = jpeg();
        let comment = [0xFF, 0xFE, 0x00, 0x04, 0xFF, EOI];
        let mut bytes = [&whole[..2], &comment, &whole[2..]].concat();
        assert!(is_whole(&bytes));
        bytes.truncate(whole.len() / 2);
        assert!(!is_whole(&bytes));
    }
}

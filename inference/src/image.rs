//! From the bytes of a file to an image that the network may see. A decoder that panics costs one image.

use galmorph_cutout::{
    DecodeError, Image, ImageHeader, Limits, RejectReason, Rendering, decode_rendered,
};

use crate::catch;

/// Decodes the middle of an image, up to `side` pixels on a side. A fault is its reason and its message.
pub fn decode(
    bytes: &[u8],
    limits: &Limits,
    side: u32,
    rendering: &Rendering,
) -> Result<Image, (RejectReason, String)> {
    guarded(|| decode_rendered(bytes, limits, side, rendering))
}

/// What the header of an image says. A fault is its reason and its message.
pub fn header(
    bytes: &[u8],
    limits: &Limits,
    rendering: &Rendering,
) -> Result<ImageHeader, (RejectReason, String)> {
    guarded(|| galmorph_cutout::header(bytes, limits, rendering))
}

/// Refuses an image that shows nothing. Any network would have an answer for it.
pub fn with_signal(image: Image) -> Result<Image, (RejectReason, String)> {
    if image.is_blank() {
        return Err((
            RejectReason::Blank,
            "the image shows nothing: it has one colour".into(),
        ));
    }
    Ok(image)
}

/// Runs a decoder. If it panics, the image is broken. A fault is its reason and its message.
pub fn guarded<T>(
    work: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, (RejectReason, String)> {
    let decoded = catch(work).unwrap_or_else(|panic| Err(DecodeError::Broken(panic)));
    decoded.map_err(|error| (error.reason(), error.to_string()))
}

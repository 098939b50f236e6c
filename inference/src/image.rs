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
            format!("the image shows nothing: {}", without_signal(&image)),
        ));
    }
    Ok(image)
}

/// What was found in an image that shows nothing. Of a file whose values are not scaled to its kind of number, it has to
/// be told from an image of one colour.
fn without_signal(image: &Image) -> String {
    let span = image.span();
    let depth = image.origin().map(|origin| origin.bit_depth);
    if span == 0.0 {
        "it has one colour".into()
    } else if span > 10.0 {
        "it has one colour, but for fewer than one pixel in a thousand".into()
    } else if depth == Some(16) {
        let levels = (span * 257.0).round();
        format!("its values span {levels} of 65535 (scale them to the whole range)")
    } else {
        format!("its values span {span:.1} of 255 (scale them to the whole range)")
    }
}

/// Runs a decoder. If it panics, the image is broken. A fault is its reason and its message.
pub fn guarded<T>(
    work: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, (RejectReason, String)> {
    let decoded = catch(work).unwrap_or_else(|panic| Err(DecodeError::Broken(panic)));
    decoded.map_err(|error| (error.reason(), error.to_string()))
}

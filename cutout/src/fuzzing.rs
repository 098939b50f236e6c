//! What must hold for any bytes at all. The fuzz targets (`fuzz/`) call these functions, and a test feeds
//! them every input that once did harm.

use crate::{DecodeError, Format, Image, Limits, ModelCard};

/// An image is decoded or rejected, and an image that is decoded is within the limits.
pub fn decode(bytes: &[u8]) {
    let limits = Limits {
        max_side: 512,
        max_pixels: 65_536,
        ..Limits::default()
    };
    if let Ok(image) = crate::decode(bytes, &limits) {
        let (width, height) = image.dimensions();
        assert!(width.max(height) <= limits.max_side && width.min(height) >= limits.min_side);
        assert!(u64::from(width) * u64::from(height) <= limits.max_pixels);
        assert_eq!(image.origin().map(|o| o.format), Format::of(bytes));
    }
}

/// The middle of a JPEG is the same whether it is decoded alone or cut from the whole, and is refused when the
/// whole is. Bytes after the end change nothing.
pub fn jpeg(bytes: &[u8]) {
    let limits = Limits {
        max_side: 512,
        max_pixels: 65_536,
        min_side: 1,
        ..Limits::default()
    };
    if Format::of(bytes) != Some(Format::Jpeg) {
        return;
    }
    let whole = crate::decode(bytes, &limits);
    let middle = crate::decode_centre(bytes, &limits, 13);
    let reason =
        |decoded: &Result<Image, DecodeError>| decoded.as_ref().err().map(DecodeError::reason);
    assert_eq!(reason(&whole), reason(&middle));
    if let (Ok(whole), Ok(middle)) = (whole, middle) {
        let padded = crate::decode(&[bytes, b"\0end"].concat(), &limits);
        assert_eq!(padded.ok().as_ref(), Some(&whole));
        assert_eq!(whole.keep_centre(13), middle);
    }
}

/// A card is read or refused, and a card that was read is the same when it is written and read again.
pub fn card(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(card) = ModelCard::from_json(&text) {
        let again = card.to_json().and_then(|json| ModelCard::from_json(&json));
        assert_eq!(again.ok(), Some(card));
    }
}

#[cfg(test)]
#[path = "../../tests/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::corpus::{feed_corpus, flip_bits};
    use super::*;

    #[test]
    fn fuzzing_inputs_that_did_harm_do_none() {
        feed_corpus("decode", decode);
        feed_corpus("jpeg", jpeg);
        feed_corpus("card", card);
    }

    #[test]
    fn every_bit_of_a_jpeg_can_be_flipped() {
        for name in ["baseline", "progressive", "cmyk"] {
            flip_bits(
                &format!("../daemon/tests/daemon/data/{name}.jpg"),
                1,
                |damaged| {
                    decode(damaged);
                    jpeg(damaged);
                },
            );
        }
    }
}

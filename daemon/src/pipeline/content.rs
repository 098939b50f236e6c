//! What was read of an image: the bytes of its file, or of the files that have a band each.

use blake3::Hash;
use galmorph_catalog::digest_of_bands;
use galmorph_cutout::{
    BandBytes, Format, Image, ImageHeader, Limits, RejectReason, Rendering, decode_bands,
    header_of_bands,
};
use galmorph_inference::{decode, guarded, header};

/// A fault of a content: its reason and its message.
pub(crate) type ContentFault = (RejectReason, String);

/// The bytes of an image.
#[derive(Debug)]
pub(crate) enum Content {
    /// Of its file.
    File(Vec<u8>),
    /// Of the file of each band that is there, with the band's name, in the order of the bands.
    Bands(Vec<(String, Vec<u8>)>),
}

impl Content {
    /// What identifies it. Of several files: their bands, sizes and bytes, one after the other.
    pub(crate) fn digest(&self) -> Hash {
        match self {
            Self::File(bytes) => blake3::hash(bytes),
            Self::Bands(files) => digest_of_bands(&bands(files)),
        }
    }

    /// Whether it is a FITS image, or is to be one.
    pub(crate) fn is_fits(&self) -> bool {
        match self {
            Self::File(bytes) => Format::of(bytes) == Some(Format::Fits),
            Self::Bands(_) => true,
        }
    }

    /// What its header says.
    pub(crate) fn header(
        &self,
        limits: &Limits,
        rendering: &Rendering,
    ) -> Result<ImageHeader, ContentFault> {
        match self {
            Self::File(bytes) => header(bytes, limits, rendering),
            Self::Bands(files) => guarded(|| header_of_bands(&bands(files), limits)),
        }
    }

    /// Decodes its middle, up to `side` pixels on a side.
    pub(crate) fn decode(
        &self,
        limits: &Limits,
        side: u32,
        rendering: &Rendering,
    ) -> Result<Image, ContentFault> {
        match self {
            Self::File(bytes) => decode(bytes, limits, side, rendering),
            Self::Bands(files) => guarded(|| decode_bands(&bands(files), limits, side, rendering)),
        }
    }
}

fn bands(files: &[(String, Vec<u8>)]) -> Vec<BandBytes<'_>> {
    files
        .iter()
        .map(|(band, bytes)| BandBytes { band, bytes })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_set_is_that_of_its_bands_in_their_order() {
        let set = |files: &[(&str, &str)]| {
            let file =
                |(band, bytes): &(&str, &str)| ((*band).to_owned(), bytes.as_bytes().to_vec());
            Content::Bands(files.iter().map(file).collect()).digest()
        };
        let digest = set(&[("g", "1"), ("r", "23")]);
        assert_eq!(digest, set(&[("g", "1"), ("r", "23")]));
        for other in [
            set(&[("r", "1"), ("g", "23")]),
            set(&[("g", "12"), ("r", "3")]),
            set(&[("g", "1"), ("z", "23")]),
            set(&[("g", "1")]),
            Content::File(b"123".to_vec()).digest(),
        ] {
            assert_ne!(digest, other);
        }
        assert_eq!(
            Content::File(b"123".to_vec()).digest(),
            blake3::hash(b"123")
        );
    }
}

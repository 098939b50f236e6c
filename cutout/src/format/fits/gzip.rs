//! A whole file that is packed with gzip.

use std::io::Read as _;

use flate2::bufread::GzDecoder;

use crate::{DecodeError, Limits};

const SIGNATURE: &[u8] = b"\x1f\x8b";

/// Whether bytes are packed.
pub(super) fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// Whether bytes are packed, and what is packed begins like this.
pub(super) fn begins_with(bytes: &[u8], start: &[u8]) -> bool {
    if !is_packed(bytes) {
        return false;
    }
    let mut begin = vec![0; start.len()];
    GzDecoder::new(bytes).read_exact(&mut begin).is_ok() && begin == start
}

/// Unpacks bytes, of one member or of several. What is unpacked is held to the same limit as a file that
/// never was packed, and no more than that is unpacked to find out.
pub(super) fn unpack(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, DecodeError> {
    let mut unpacked = Vec::new();
    let mut rest = bytes;
    // Some archives fill the last block with zeros.
    while unpacked.is_empty() || rest.iter().any(|byte| *byte != 0) {
        let mut decoder = GzDecoder::new(rest);
        let room = limits.max_bytes - unpacked.len() as u64;
        let before = unpacked.len();
        decoder
            .by_ref()
            .take(room + 1)
            .read_to_end(&mut unpacked)
            .map_err(|fault| DecodeError::Broken(format!("it can't be unpacked: {fault}")))?;
        limits.check_bytes(unpacked.len() as u64)?;
        rest = decoder.into_inner();
        if unpacked.len() == before {
            break;
        }
    }
    Ok(unpacked)
}

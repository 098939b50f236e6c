//! What an image may cost before it is refused.

use super::DecodeError;

/// The sizes that an image must keep within.
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
    /// Generous for a cutout (the paper's have 424 x 424 pixels and about 12 kB) and harmless for a
    /// machine: a decoded image takes at most 48 MB with 8-bit samples, and 192 MB with 16-bit ones.
    fn default() -> Self {
        Self {
            max_bytes: 32 << 20,
            max_side: 8192,
            max_pixels: 16_000_000,
            min_side: 16,
        }
    }
}

impl Limits {
    /// Checks the size of a file, before it is read or decoded.
    pub fn check_bytes(&self, bytes: u64) -> Result<(), DecodeError> {
        if bytes > self.max_bytes {
            return Err(DecodeError::TooLarge(format!(
                "{bytes} bytes, over {}",
                self.max_bytes
            )));
        }
        Ok(())
    }

    /// Checks the size that an image claims; to be called before any pixel is decoded.
    pub(super) fn check_dimensions(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if width.max(height) > self.max_side {
            return Err(DecodeError::TooLarge(format!(
                "{width} x {height} pixels, over {} on a side",
                self.max_side
            )));
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(DecodeError::TooLarge(format!(
                "{width} x {height} pixels, over {} in all",
                self.max_pixels
            )));
        }
        if width.min(height) < self.min_side {
            return Err(DecodeError::TooSmall {
                width,
                height,
                min_side: self.min_side,
            });
        }
        Ok(())
    }
}

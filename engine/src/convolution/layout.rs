//! Images in memory: NHWC, with a border of zeros around each image.
//!
//! The channels of a pixel lie next to each other, so a row of a convolution's window is one segment of
//! memory. The border takes the place of padding: a window never leaves the buffer, and no loop tests for the
//! image's edge.

use std::ops::Range;

/// The dimensions of a batch of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dims {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Dims {
    /// The numbers of an image.
    pub(crate) fn image_len(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// Rows and columns of zeros around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct Border {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) bottom: usize,
    pub(crate) right: usize,
}

impl Border {
    /// The smallest border that contains both.
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

/// How many numbers a buffer has room for behind its last image. Kernels may read them: units are read whole,
/// and tiles 64 bytes at a time. The weights that they are multiplied with are zero.
pub(crate) const SLACK: usize = 64;

/// A [`gap`](Layout::gap) that holds all that a kernel reads behind a window. It is a whole cache line of
/// bf16, so that all images begin at the same place of one.
const GAP: usize = 32;

/// Where the numbers of a batch of images are in their buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) border: Border,
    /// Zeros behind each image, where kernels read beyond the end of a window: what they read there has zero
    /// weights, but zero times the infinity or NaN of another image would be NaN.
    pub(crate) gap: usize,
}

impl Layout {
    /// Images without a border and without gaps.
    pub(crate) fn plain(batch: usize, height: usize, width: usize, channels: usize) -> Self {
        Self {
            batch,
            height,
            width,
            channels,
            border: Border::default(),
            gap: 0,
        }
    }

    /// The gap for kernels that read `overread` numbers beyond a window; none is needed if there is only one
    /// image.
    pub(crate) fn gap_for(overread: usize, batch: usize) -> usize {
        debug_assert!(overread <= GAP);
        if overread > 0 && batch > 1 { GAP } else { 0 }
    }

    /// The number of pixels, without the borders.
    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.height * self.width
    }

    /// The pixels of a row, with its border.
    fn row_pixels(&self) -> usize {
        self.border.left + self.width + self.border.right
    }

    /// The pixels of an image, with its border.
    pub(crate) fn image_pixels(&self) -> usize {
        (self.border.top + self.height + self.border.bottom) * self.row_pixels()
    }

    /// The numbers of an image, with its border and the gap behind it.
    fn image_len(&self) -> usize {
        self.image_pixels() * self.channels + self.gap
    }

    /// The numbers of all images, with their borders and gaps.
    pub(crate) fn len(&self) -> usize {
        self.batch * self.image_len()
    }

    /// Where some images are in the buffer, and what may be read behind them.
    pub(crate) fn image_range(&self, images: &Range<usize>) -> Range<usize> {
        images.start * self.image_len()..images.end * self.image_len() + SLACK
    }

    /// Where the first channel of a pixel is. Row and column count from the border's corner.
    pub(crate) fn offset(&self, image: usize, row: usize, column: usize) -> usize {
        image * self.image_len() + (row * self.row_pixels() + column) * self.channels
    }

    /// Where the first channel of each pixel is, in the order of images, rows and columns.
    pub(crate) fn pixel_offsets(self) -> impl Iterator<Item = usize> {
        (0..self.batch).flat_map(move |image| {
            (0..self.height).flat_map(move |row| {
                (0..self.width).map(move |column| {
                    self.offset(image, row + self.border.top, column + self.border.left)
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_behind_the_border() {
        let layout = Layout {
            border: Border {
                top: 1,
                left: 2,
                bottom: 0,
                right: 1,
            },
            ..Layout::plain(2, 2, 3, 5)
        };
        assert_eq!(layout.len(), 2 * (3 * 6) * 5);
        let offsets: Vec<usize> = layout.pixel_offsets().collect();
        assert_eq!(offsets.len(), layout.pixels());
        assert_eq!(offsets[0], (6 + 2) * 5);
        assert_eq!(offsets[3], (2 * 6 + 2) * 5);
        assert_eq!(offsets[6], (18 + 6 + 2) * 5);
    }
}

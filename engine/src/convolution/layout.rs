//! Images in memory: batch, rows, columns, channels, with a border of zeros around each image.
//!
//! Channels lie next to each other, so a row of a convolution's window is one run of numbers. The border
//! takes the place of padding: a window never leaves the buffer, and nobody has to ask whether it does.

use std::ops::Range;

/// Zeros around an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct Border {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) bottom: usize,
    pub(crate) right: usize,
}

impl Border {
    /// What has room for both.
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

/// Where the numbers of a batch of images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) border: Border,
}

impl Layout {
    /// Images without a border.
    pub(crate) fn plain(batch: usize, height: usize, width: usize, channels: usize) -> Self {
        Self {
            batch,
            height,
            width,
            channels,
            border: Border::default(),
        }
    }

    /// The number of pixels, without the border.
    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.height * self.width
    }

    /// The pixels of a row and its border.
    fn stride(&self) -> usize {
        self.border.left + self.width + self.border.right
    }

    /// The pixels of an image and its border.
    fn area(&self) -> usize {
        (self.border.top + self.height + self.border.bottom) * self.stride()
    }

    /// The values of all images and borders.
    pub(crate) fn len(&self) -> usize {
        self.batch * self.image()
    }

    /// The values of an image and its border.
    fn image(&self) -> usize {
        self.area() * self.channels
    }

    /// Where the first channel of a pixel is. Row and column count from the border's corner.
    pub(crate) fn at(&self, image: usize, row: usize, column: usize) -> usize {
        (image * self.area() + row * self.stride() + column) * self.channels
    }

    /// Where the first channel of each pixel is, in the order of images, rows and columns.
    pub(crate) fn starts(self) -> impl Iterator<Item = usize> {
        (0..self.batch).flat_map(move |image| {
            (0..self.height).flat_map(move |row| {
                (0..self.width).map(move |column| {
                    self.at(image, row + self.border.top, column + self.border.left)
                })
            })
        })
    }
}

/// Kernels read whole units of 4 bytes, and tiles 64 bytes at once: so many numbers more than a buffer has
/// (and the weights of them are zero).
pub(crate) const SLACK: usize = 32;

/// Where the numbers of some images are in a buffer, and what may be read behind them.
fn of_images(layout: &Layout, images: Range<usize>) -> Range<usize> {
    images.start * layout.image()..images.end * layout.image() + SLACK
}

/// Numbers of a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Numbers<'a> {
    F32(&'a [f32]),
    Bf16(&'a [u16]),
}

impl Numbers<'_> {
    /// Those of some images.
    pub(crate) fn images(self, layout: &Layout, images: Range<usize>) -> Self {
        let range = of_images(layout, images);
        match self {
            Self::F32(values) => Self::F32(&values[range]),
            Self::Bf16(values) => Self::Bf16(&values[range]),
        }
    }

    /// The first byte.
    pub(crate) fn as_ptr(self) -> *const u8 {
        match self {
            Self::F32(values) => values.as_ptr().cast(),
            Self::Bf16(values) => values.as_ptr().cast(),
        }
    }

    /// How many bytes can be read.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32(values) => size_of_val(values),
            Self::Bf16(values) => size_of_val(values),
        }
    }
}

/// Numbers of a buffer that are written.
#[derive(Debug)]
pub(crate) enum NumbersMut<'a> {
    F32(&'a mut [f32]),
    Bf16(&'a mut [u16]),
}

impl NumbersMut<'_> {
    /// Those of some images.
    pub(crate) fn images(self, layout: &Layout, images: Range<usize>) -> Self {
        let range = of_images(layout, images);
        match self {
            Self::F32(values) => Self::F32(&mut values[range]),
            Self::Bf16(values) => Self::Bf16(&mut values[range]),
        }
    }

    /// The same, to be read.
    pub(crate) fn shared(&self) -> Numbers<'_> {
        match self {
            Self::F32(values) => Numbers::F32(values),
            Self::Bf16(values) => Numbers::Bf16(values),
        }
    }
}

/// The nearest bf16; of two as near, the even one. What is not a number stays so.
#[inline]
pub(crate) fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    let rounding = 0x7FFF + ((bits >> 16) & 1);
    (bits.wrapping_add(rounding) >> 16) as u16
}

/// The f32 that a bf16 stands for.
#[cfg(test)]
pub(crate) fn from_bf16(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
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
        let starts: Vec<usize> = layout.starts().collect();
        assert_eq!(starts.len(), layout.pixels());
        assert_eq!(starts[0], (6 + 2) * 5);
        assert_eq!(starts[3], (2 * 6 + 2) * 5);
        assert_eq!(starts[6], (18 + 6 + 2) * 5);
    }

    #[test]
    fn bf16_is_the_nearest_and_keeps_what_is_special() {
        for value in [0.0, -0.0, 1.0, -2.5, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(from_bf16(to_bf16(value)).to_bits(), value.to_bits());
        }
        assert!(from_bf16(to_bf16(f32::NAN)).is_nan());
        // 1 + 2^-8 lies in the middle of 1 and 1 + 2^-7: to the even one.
        assert_eq!(from_bf16(to_bf16(1.0 + 0.003_906_25)), 1.0);
        assert_eq!(
            from_bf16(to_bf16(1.0 + 3.0 * 0.003_906_25)),
            1.0 + 0.015_625
        );
        assert_eq!(from_bf16(to_bf16(1.004)), 1.007_812_5);
        assert_eq!(from_bf16(to_bf16(f32::MAX)), f32::INFINITY);
    }
}

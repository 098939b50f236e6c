//! Samples of the components, and the pixels that they make.
//!
//! Colour is coded with fewer samples than brightness. They are interpolated as libjpeg does it ("fancy
//! upsampling", `jdsample.c`): linearly, from samples that lie in the middle of the pixels that they stand for.
//! Other ratios than 2 repeat them.

use super::frame::{Component, Frame};
use super::idct::{self, Block};

/// A part of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The samples of a component that a region needs: whole blocks.
pub(super) struct Plane {
    samples: Vec<u8>,
    stride: usize,
    /// The first block's column and row, and the ones behind the last.
    first: (usize, usize),
    end: (usize, usize),
    /// The component's samples in a row and in a column.
    width: usize,
    height: usize,
    /// Pixels in a row and in a column for one sample.
    h_ratio: usize,
    v_ratio: usize,
}

impl Plane {
    pub(super) fn new(component: &Component, frame: &Frame, region: Region) -> Self {
        // One sample more on each side, for the interpolation.
        let blocks = |start: usize, length: usize, ratio: usize, size: usize| {
            let first = (start / ratio).saturating_sub(1);
            let end = ((start + length).div_ceil(ratio) + 1).min(size);
            (first / 8, end.div_ceil(8))
        };
        let (h_ratio, v_ratio) = (frame.max_h / component.h, frame.max_v / component.v);
        let columns = blocks(region.left, region.width, h_ratio, component.width);
        let rows = blocks(region.top, region.height, v_ratio, component.height);
        let stride = 8 * (columns.1 - columns.0);
        Self {
            samples: vec![0; stride * 8 * (rows.1 - rows.0)],
            stride,
            first: (columns.0, rows.0),
            end: (columns.1, rows.1),
            width: component.width,
            height: component.height,
            h_ratio,
            v_ratio,
        }
    }

    /// Whether the region needs a block.
    #[inline]
    pub(super) fn has_block(&self, column: usize, row: usize) -> bool {
        (self.first.0..self.end.0).contains(&column) && (self.first.1..self.end.1).contains(&row)
    }

    /// The columns and the rows of the blocks that the region needs.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let columns = self.first.0..self.end.0;
        (self.first.1..self.end.1)
            .flat_map(move |row| columns.clone().map(move |column| (column, row)))
    }

    /// Stores a block that the region needs.
    #[inline]
    pub(super) fn store_block(
        &mut self,
        column: usize,
        row: usize,
        block: &Block,
        quantisation: &[i32; 64],
    ) {
        let samples = idct::samples(block, quantisation);
        for (samples, row) in samples.iter().zip(self.block_rows(column, row)) {
            row[..8].copy_from_slice(samples);
        }
    }

    /// The same for a block that has no coefficient but the first.
    #[inline]
    pub(super) fn fill_block(
        &mut self,
        column: usize,
        row: usize,
        dc: i16,
        quantisation: &[i32; 64],
    ) {
        let sample = idct::flat_sample(dc, quantisation[0]);
        for row in self.block_rows(column, row) {
            row[..8].fill(sample);
        }
    }

    #[inline]
    fn block_rows(&mut self, column: usize, row: usize) -> impl Iterator<Item = &mut [u8]> {
        let start = 8 * ((row - self.first.1) * self.stride + column - self.first.0);
        self.samples[start..].chunks_mut(self.stride).take(8)
    }

    /// The sample at a place, or the nearest one inside of the image.
    fn column(&self, column: isize) -> usize {
        let last = self.width - 1;
        usize::try_from(column).unwrap_or(0).min(last) - 8 * self.first.0
    }

    fn row(&self, row: isize) -> &[u8] {
        let last = self.height - 1;
        let row = usize::try_from(row).unwrap_or(0).min(last) - 8 * self.first.1;
        &self.samples[row * self.stride..][..self.stride]
    }

    /// A row of pixels from `left` on, interpolated; `sums` is scratch memory.
    #[inline(always)]
    pub(super) fn upsample(&self, left: usize, row: usize, sums: &mut Vec<u16>, pixels: &mut [u8]) {
        let near = (row / self.v_ratio) as isize;
        // The row before or behind, whichever is nearer to the pixels.
        let is_upper = row.is_multiple_of(2);
        let far = self.row(if is_upper { near - 1 } else { near + 1 });
        let near = self.row(near);
        match (self.h_ratio, self.v_ratio) {
            (1, 1) => {
                let first = left - 8 * self.first.0;
                pixels.copy_from_slice(&near[first..][..pixels.len()]);
            }
            (1, 2) => {
                let first = left - 8 * self.first.0;
                let bias = if is_upper { 1 } else { 2 };
                for ((pixel, near), far) in pixels.iter_mut().zip(&near[first..]).zip(&far[first..])
                {
                    *pixel = ((3 * u16::from(*near) + u16::from(*far) + bias) >> 2) as u8;
                }
            }
            (2, 1) if self.width > 2 => {
                self.sum::<1, 0>(near, far, left, pixels.len(), sums);
                interpolate::<1, 2, 2>(left, sums, pixels);
            }
            (2, 2) if self.width > 2 => {
                self.sum::<3, 1>(near, far, left, pixels.len(), sums);
                interpolate::<8, 7, 4>(left, sums, pixels);
            }
            (h_ratio, _) => {
                for (pixel, x) in pixels.iter_mut().zip(left..) {
                    *pixel = near[x / h_ratio - 8 * self.first.0];
                }
            }
        }
    }

    /// Fills `sums` with weighted sums of two rows, for the samples of `count` pixels from `left` on, two a
    /// sample, and one more on each side.
    #[inline(always)]
    fn sum<const NEAR: u16, const FAR: u16>(
        &self,
        near: &[u8],
        far: &[u8],
        left: usize,
        count: usize,
        sums: &mut Vec<u16>,
    ) {
        let (first, last) = ((left / 2) as isize, ((left + count - 1) / 2) as isize);
        let (before, behind) = (self.column(first - 1), self.column(last + 1));
        let (first, last) = (self.column(first), self.column(last));
        sums.clear();
        sums.resize(last - first + 3, 0);
        let inner = near[first..=last].iter().zip(&far[first..=last]);
        for (sum, (near, far)) in sums[1..].iter_mut().zip(inner) {
            *sum = NEAR * u16::from(*near) + FAR * u16::from(*far);
        }
        for (place, column) in [(0, before), (last - first + 2, behind)] {
            sums[place] = NEAR * u16::from(near[column]) + FAR * u16::from(far[column]);
        }
    }
}

/// The two pixels of the sum in the middle: three quarters of it and a quarter of its neighbour, over
/// `2^SHIFT`.
#[inline(always)]
fn pair<const LEFT: u16, const RIGHT: u16, const SHIFT: u16>(sums: &[u16; 3]) -> [u8; 2] {
    let near = 3 * sums[1];
    let left = (near + sums[0] + LEFT) >> SHIFT;
    let right = (near + sums[2] + RIGHT) >> SHIFT;
    [left as u8, right as u8]
}

/// Pixels from `left` on, from the sums for them and one more on each side.
#[inline(always)]
fn interpolate<const LEFT: u16, const RIGHT: u16, const SHIFT: u16>(
    left: usize,
    sums: &[u16],
    pixels: &mut [u8],
) {
    // An odd column is the right one of its pair.
    let (head, pixels) = pixels.split_at_mut((left % 2).min(pixels.len()));
    let mut sums = sums;
    if let ([pixel], Some(three)) = (head, sums.first_chunk::<3>()) {
        *pixel = pair::<LEFT, RIGHT, SHIFT>(three)[1];
        sums = &sums[1..];
    }
    let (pairs, tail) = pixels.as_chunks_mut::<2>();
    let count = pairs.len();
    let (before, here, behind) = (&sums[..count], &sums[1..=count], &sums[2..count + 2]);
    for n in 0..count {
        pairs[n] = pair::<LEFT, RIGHT, SHIFT>(&[before[n], here[n], behind[n]]);
    }
    if let ([pixel], Some(three)) = (tail, sums[count..].first_chunk::<3>()) {
        *pixel = pair::<LEFT, RIGHT, SHIFT>(three)[0];
    }
}

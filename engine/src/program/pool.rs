//! Poolings that are steps of their own, because no convolution before them can do them in its epilogue.

use smallvec::SmallVec;

use crate::convolution::layout::{Border, Layout};
use crate::microkernel::pixels::{greatest_bytes, greatest_values, sum_bytes, sum_values};

/// What a pooling makes of the values of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    Max,
    Sum,
    Mean {
        /// Whether the zeros of the padding count as values.
        counts_padding: bool,
    },
}

/// The window of a pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Rows and columns.
    pub(crate) size: [usize; 2],
    /// Rows and columns from one pixel's window to the next one's.
    pub(crate) strides: [usize; 2],
    pub(crate) padding: Border,
}

impl Window {
    /// Whether it only skips pixels, as the shortcut of a strided residual unit does.
    pub(crate) fn skips(&self) -> bool {
        self.size == [1, 1] && self.padding == Border::default()
    }
}

/// Where the pixels of a window begin that lie in the image.
fn inside(
    window: &Window,
    layout: &Layout,
    pixel_offsets: &[usize],
    [row, column]: [usize; 2],
) -> SmallVec<[usize; 16]> {
    // The part of the window that lies in the image, along one axis.
    let range = |at: usize, axis: usize, before: usize, size: usize| {
        let begin = at * window.strides[axis];
        let end = (begin + window.size[axis]).min(size + before);
        begin.saturating_sub(before)..end.saturating_sub(before)
    };
    let rows = range(row, 0, window.padding.top, layout.height);
    let columns = range(column, 1, window.padding.left, layout.width);
    rows.flat_map(|row| &pixel_offsets[row * layout.width..][columns.clone()])
        .copied()
        .collect()
}

/// What a sum over a window is multiplied with, if `inside` of its pixels lie in the image.
fn part(pooling: Pooling, window: &Window, inside: usize) -> f32 {
    let count = match pooling {
        Pooling::Mean {
            counts_padding: true,
        } => window.size[0] * window.size[1],
        Pooling::Mean {
            counts_padding: false,
        } => inside,
        Pooling::Max | Pooling::Sum => 1,
    };
    1.0 / count as f32
}

/// The number of the only pixel of a window that skips others.
fn only_pixel(window: &Window, layout: &Layout, [row, column]: [usize; 2]) -> usize {
    let [down, across] = window.strides;
    row * down * layout.width + column * across
}

/// Pools the window of the output pixel at a row and column, of an image whose pixels begin at `pixel_offsets`.
/// `pooled` is scratch memory for its channels. Returns the channels.
pub(super) fn pool<'a>(
    pooling: Pooling,
    window: &Window,
    layout: &Layout,
    values: &'a [f32],
    pixel_offsets: &[usize],
    at: [usize; 2],
    pooled: &'a mut [f32],
) -> &'a [f32] {
    if window.skips() {
        let only = only_pixel(window, layout, at);
        return &values[pixel_offsets[only]..][..pooled.len()];
    }
    let inside = inside(window, layout, pixel_offsets, at);
    match pooling {
        Pooling::Max => greatest_values(values, &inside, pooled),
        Pooling::Sum | Pooling::Mean { .. } => {
            let part = part(pooling, window, inside.len());
            sum_values(values, &inside, part, pooled);
        }
    }
    pooled
}

/// The greatest bytes of a window, as [`pool`] does it.
pub(super) fn pool_to_greatest<'a>(
    window: &Window,
    layout: &Layout,
    values: &'a [u8],
    pixel_offsets: &[usize],
    at: [usize; 2],
    pooled: &'a mut [u8],
) -> &'a [u8] {
    if window.skips() {
        let only = only_pixel(window, layout, at);
        return &values[pixel_offsets[only]..][..pooled.len()];
    }
    let inside = inside(window, layout, pixel_offsets, at);
    greatest_bytes(values, &inside, pooled);
    pooled
}

/// The sum or mean of a window of bytes, as [`pool`] does it. `zero_point` stands for zero, and one is a `quantum`.
pub(super) fn pool_to_sums(
    pooling: Pooling,
    window: &Window,
    layout: &Layout,
    (values, zero_point, quantum): (&[u8], u8, f32),
    pixel_offsets: &[usize],
    at: [usize; 2],
    (sums, pooled): (&mut [i32], &mut [f32]),
) {
    let inside = inside(window, layout, pixel_offsets, at);
    let part = part(pooling, window, inside.len());
    sum_bytes(values, &inside, zero_point, [quantum, part], sums, pooled);
}

//! Poolings that are steps of their own, because no convolution before them can do them in its epilogue.

use crate::convolution::layout::{Border, Layout};
use crate::microkernel::bytes::sum_pixels;
use crate::microkernel::epilogue::max_assign;

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

/// The pixels of a window that lie in the image, by number, and how many they are.
fn inside(
    window: &Window,
    layout: &Layout,
    [row, column]: [usize; 2],
) -> (impl Iterator<Item = usize> + Clone + use<>, usize) {
    // The part of the window that lies in the image, along one axis.
    let range = |at: usize, axis: usize, before: usize, size: usize| {
        let begin = at * window.strides[axis];
        let end = (begin + window.size[axis]).min(size + before);
        begin.saturating_sub(before)..end.saturating_sub(before)
    };
    let rows = range(row, 0, window.padding.top, layout.height);
    let columns = range(column, 1, window.padding.left, layout.width);
    let count = rows.len() * columns.len();
    let width = layout.width;
    let pixels = rows.flat_map(move |row| columns.clone().map(move |column| row * width + column));
    (pixels, count)
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
    let (pixels, inside) = inside(window, layout, at);
    match pooling {
        Pooling::Max => {
            pooled.fill(f32::NEG_INFINITY);
            for pixel in pixels {
                max_assign(pooled, &values[pixel_offsets[pixel]..]);
            }
        }
        Pooling::Sum | Pooling::Mean { .. } => {
            pooled.fill(0.0);
            for pixel in pixels {
                for (sum, value) in pooled.iter_mut().zip(&values[pixel_offsets[pixel]..]) {
                    *sum += value;
                }
            }
            let part = part(pooling, window, inside);
            for sum in pooled.iter_mut() {
                *sum *= part;
            }
        }
    }
    pooled
}

/// The greatest bytes of a window, as [`pool`] does it.
pub(super) fn greatest_bytes<'a>(
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
    pooled.fill(0);
    for pixel in inside(window, layout, at).0 {
        for (most, value) in pooled.iter_mut().zip(&values[pixel_offsets[pixel]..]) {
            *most = (*most).max(*value);
        }
    }
    pooled
}

/// The sum or mean of a window of bytes, as [`pool`] does it. `zero_point` stands for zero, and one is a `quantum`.
pub(super) fn sum_bytes(
    pooling: Pooling,
    window: &Window,
    layout: &Layout,
    (values, zero_point, quantum): (&[u8], u8, f32),
    pixel_offsets: &[usize],
    at: [usize; 2],
    (sums, pooled): (&mut [i32], &mut [f32]),
) {
    let (pixels, inside) = inside(window, layout, at);
    sum_pixels(values, pixels.map(|pixel| pixel_offsets[pixel]), sums);
    let part = part(pooling, window, inside);
    let zero = i32::from(zero_point) * inside as i32;
    for (value, sum) in pooled.iter_mut().zip(sums) {
        *value = (*sum - zero) as f32 * quantum * part;
    }
}

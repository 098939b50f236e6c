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
        let begin = (at * window.strides[axis]).min(size + before);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_behind_the_image_has_no_values() {
        let layout = Layout::plain(1, 4, 4, 1);
        let offsets: Vec<usize> = layout.pixel_offsets().collect();
        let values: Vec<f32> = (0..16_u8).map(f32::from).collect();
        let bytes: Vec<u8> = (0..16).collect();
        let window = Window {
            size: [2, 2],
            strides: [1, 1],
            padding: Border {
                bottom: 3,
                right: 3,
                ..Border::default()
            },
        };
        let mean = Pooling::Mean {
            counts_padding: true,
        };
        // The window of the last pixel, one that begins in the last row or column, and those behind.
        for (at, greatest, sum) in [
            ([2, 2], 15.0, 10.0 + 11.0 + 14.0 + 15.0),
            ([3, 2], 15.0, 14.0 + 15.0),
            ([2, 4], f32::NEG_INFINITY, 0.0),
            ([5, 2], f32::NEG_INFINITY, 0.0),
            ([5, 5], f32::NEG_INFINITY, 0.0),
        ] {
            let pooled = |pooling| {
                let mut pooled = [7.0];
                pool(
                    pooling,
                    &window,
                    &layout,
                    &values,
                    &offsets,
                    at,
                    &mut pooled,
                )[0]
            };
            assert_eq!(pooled(Pooling::Max), greatest, "{at:?}");
            assert_eq!(pooled(Pooling::Sum), sum, "{at:?}");
            assert_eq!(pooled(mean), sum / 4.0, "{at:?}");
            let most = pool_to_greatest(&window, &layout, &bytes, &offsets, at, &mut [7])[0];
            assert_eq!(f32::from(most), greatest.max(0.0), "{at:?}");
            let (mut sums, mut of_bytes) = ([7], [7.0]);
            let scratch = (sums.as_mut_slice(), of_bytes.as_mut_slice());
            pool_to_sums(
                mean,
                &window,
                &layout,
                (&bytes, 0, 1.0),
                &offsets,
                at,
                scratch,
            );
            assert_eq!(of_bytes, [sum / 4.0], "{at:?}");
        }
    }
}

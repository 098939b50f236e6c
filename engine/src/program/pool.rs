//! Poolings that are steps of their own, because no convolution before them can do them in its epilogue.

use crate::convolution::layout::{Border, Layout};
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

/// Pools the window of the output pixel at a row and column, of an image whose pixels begin at `pixel_offsets`.
/// `pooled` is scratch memory for its channels. Returns the channels.
pub(super) fn pool<'a>(
    pooling: Pooling,
    window: &Window,
    layout: &Layout,
    values: &'a [f32],
    pixel_offsets: &[usize],
    [row, column]: [usize; 2],
    pooled: &'a mut [f32],
) -> &'a [f32] {
    if window.skips() {
        let [down, across] = window.strides;
        let only = row * down * layout.width + column * across;
        return &values[pixel_offsets[only]..][..pooled.len()];
    }
    // The part of the window that lies in the image, along one axis.
    let range = |at: usize, axis: usize, before: usize, size: usize| {
        let begin = at * window.strides[axis];
        let end = (begin + window.size[axis]).min(size + before);
        begin.saturating_sub(before)..end.saturating_sub(before)
    };
    let rows = range(row, 0, window.padding.top, layout.height);
    let columns = range(column, 1, window.padding.left, layout.width);
    let inside = rows.len() * columns.len();
    let pixels = rows.flat_map(|row| {
        columns
            .clone()
            .map(move |column| row * layout.width + column)
    });
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
            let count = match pooling {
                Pooling::Mean {
                    counts_padding: true,
                } => window.size[0] * window.size[1],
                Pooling::Mean {
                    counts_padding: false,
                } => inside,
                Pooling::Max | Pooling::Sum => 1,
            };
            let part = 1.0 / count as f32;
            for sum in pooled.iter_mut() {
                *sum *= part;
            }
        }
    }
    pooled
}

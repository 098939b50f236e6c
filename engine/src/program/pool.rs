//! Pooling that no convolution does on its way.

use crate::convolution::layout::{Border, Layout};
use crate::graph::{Pooling, Window};
use crate::microkernel::epilogue::raise;

/// Pools the window of the pixel at this row and column. `pooled` is room for its channels.
pub(super) fn pool<'a>(
    pooling: Pooling,
    window: &Window,
    layout: &Layout,
    values: &'a [f32],
    starts: &[usize],
    [row, column]: [usize; 2],
    pooled: &'a mut [f32],
) -> &'a [f32] {
    if window.size == [1, 1] && window.padding == Border::default() {
        // A shortcut takes every second pixel in this way.
        let [down, across] = window.strides;
        let only = row * down * layout.width + column * across;
        return &values[starts[only]..][..pooled.len()];
    }
    let range = |at: usize, axis: usize, before: usize, size: usize| {
        let begin = at * window.strides[axis];
        let end = (begin + window.size[axis]).min(size + before);
        begin.saturating_sub(before)..end.saturating_sub(before)
    };
    let rows = range(row, 0, window.padding.top, layout.height);
    let columns = range(column, 1, window.padding.left, layout.width);
    let inside = rows.len() * columns.len();
    let places = rows.flat_map(|row| {
        columns
            .clone()
            .map(move |column| row * layout.width + column)
    });
    match pooling {
        Pooling::Max => {
            pooled.fill(f32::NEG_INFINITY);
            for place in places {
                raise(pooled, &values[starts[place]..]);
            }
        }
        Pooling::Sum | Pooling::Mean { .. } => {
            pooled.fill(0.0);
            for place in places {
                for (sum, value) in pooled.iter_mut().zip(&values[starts[place]..]) {
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

//! The order in which the pixels of a convolution are computed (m), and where the window of each begins.

use super::layout::{Border, Layout};
use super::{ConvSpec, loops};
use crate::microkernel::Kernel;
use crate::microkernel::epilogue::PoolGroups;
use crate::microkernel::tile_registers::SIDE;

/// The pixels, in the order in which they are computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PixelOrder {
    /// Where each pixel's window begins in the input, in bytes. The last one is repeated to fill the last tile.
    pub(super) windows: Vec<usize>,
    /// The distance between the windows of neighbours in a tile, in bytes, where it is the same in all tiles.
    pub(super) stride: Option<usize>,
    pub(super) pooling: PoolGroups,
}

impl PixelOrder {
    /// For tiles an order whose windows are equally far apart, where there is one; in all other cases one
    /// pooling window after the other.
    pub(super) fn new(kernel: Kernel, spec: &ConvSpec, input: &Layout, output: &Layout) -> Self {
        if kernel.is_of_tiles()
            && let Some(order) = Self::for_tiles(kernel, spec, input, output)
        {
            return order;
        }
        let [rows, columns] = spec.pooling;
        let start = window_start(kernel, spec, input);
        let mut windows = Vec::new();
        for (image, row, column) in positions(output) {
            for pooled in 0..rows * columns {
                let [row, column] = [
                    row * rows + pooled / columns,
                    column * columns + pooled % columns,
                ];
                windows.push(start(image, row, column));
            }
        }
        let whole = windows.len().next_multiple_of(kernel.mr());
        // An output without pixels has none to repeat, and `whole` is 0.
        let last = windows.last().copied().unwrap_or_default();
        windows.resize(whole, last);
        let pooling = PoolGroups {
            outputs: 1,
            pixels: rows * columns,
            step: 0,
            others: (1..rows * columns).collect(),
        };
        Self {
            windows,
            stride: None,
            pooling,
        }
    }

    /// Tiles of pixels side by side, so that all are equally far apart. Where windows are pooled, the tiles of
    /// their rows come one after the other:
    ///
    /// ```text
    ///   pooling 2 x 2, so 16 pixels side by side are the upper halves of 8 windows:
    ///
    ///     row 0   .- tile 0 -.- tile 2 -.     others = [1, 16, 17]: the right neighbour,
    ///     row 1   '- tile 1 -'- tile 3 -'     and the two below, which are in the next tile
    /// ```
    fn for_tiles(kernel: Kernel, spec: &ConvSpec, input: &Layout, output: &Layout) -> Option<Self> {
        let [rows, columns] = spec.pooling;
        let width = output.width * columns;
        let is_pooled = rows * columns > 1;
        let is_even = width.is_multiple_of(SIDE) && SIDE.is_multiple_of(columns);
        // No pooling window may lie in two groups of pixels.
        let is_together = loops::TILE_MC.is_multiple_of(SIDE * rows);
        if is_pooled && !(is_even && is_together) {
            return None;
        }
        let side = if is_pooled { SIDE } else { width };
        let start = window_start(kernel, spec, input);
        let mut windows = Vec::new();
        for image in 0..output.batch {
            for band in 0..output.height {
                for first in (0..width).step_by(side) {
                    for row in band * rows..(band + 1) * rows {
                        for column in first..first + side {
                            windows.push(start(image, row, column));
                        }
                    }
                }
            }
        }
        let stride = windows.get(1)?.checked_sub(windows[0])?;
        let is_even = |tile: &[usize]| tile.windows(2).all(|pair| pair[0] + stride == pair[1]);
        if !windows.len().is_multiple_of(kernel.mr()) || !windows.chunks(SIDE).all(is_even) {
            return None;
        }
        let others = (1..rows * columns).map(|other| other / columns * SIDE + other % columns);
        Some(Self {
            windows,
            stride: Some(stride),
            pooling: PoolGroups {
                outputs: side / columns,
                pixels: side * rows,
                step: columns,
                others: others.collect(),
            },
        })
    }
}

/// Image, row and column of each pixel of the output.
fn positions(output: &Layout) -> impl Iterator<Item = (usize, usize, usize)> {
    let Layout { width, height, .. } = *output;
    (0..output.pixels()).map(move |n| (n / (height * width), n / width % height, n % width))
}

/// Where the window of a computed pixel begins in the input, in bytes.
fn window_start(
    kernel: Kernel,
    spec: &ConvSpec,
    input: &Layout,
) -> impl Fn(usize, usize, usize) -> usize {
    // The border may be wider than this convolution's padding, because of another one that reads the same
    // input.
    let Border { top, left, .. } = input.border;
    let corner = [top - spec.padding.top, left - spec.padding.left];
    let (strides, input) = (spec.strides, *input);
    move |image, row, column| {
        let row = corner[0] + row * strides[0];
        let column = corner[1] + column * strides[1];
        input.offset(image, row, column) * kernel.dtype().bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the windows of all pixels begin that are pooled into each one of the output, by an order.
    fn pooled(order: &PixelOrder, output: &Layout) -> Vec<Vec<usize>> {
        let of_output = |number: usize| {
            let first = order.pooling.first(number);
            let others = order.pooling.others.iter().map(|other| first + other);
            std::iter::once(first)
                .chain(others)
                .map(|pixel| order.windows[pixel])
                .collect()
        };
        (0..output.pixels()).map(of_output).collect()
    }

    #[test]
    fn an_order_of_tiles_pools_the_same_pixels_as_one_of_windows() {
        let padding = Border {
            top: 1,
            left: 1,
            bottom: 1,
            right: 1,
        };
        let mut tiles = 0;
        let sizes = [
            (4, 16),
            (8, 32),
            (6, 12),
            (16, 16),
            (4, 64),
            (2, 8),
            (4, 4),
            (32, 16),
        ];
        let poolings = [
            [1, 1],
            [2, 2],
            [1, 2],
            [2, 1],
            [4, 4],
            [8, 1],
            [8, 2],
            [16, 1],
        ];
        for (height, width) in sizes {
            for pooling in poolings {
                let spec = ConvSpec {
                    window: [3, 3],
                    strides: [1, 1],
                    padding,
                    channels: 1,
                    pooling,
                };
                let input = Layout {
                    border: padding,
                    ..Layout::plain(2, height, width, 6)
                };
                let [rows, columns] = spec.output(height, width);
                let output = Layout::plain(2, rows, columns, 1);
                let plain = PixelOrder::new(Kernel::Portable, &spec, &input, &output);
                assert_eq!(plain.stride, None);
                let order = PixelOrder::new(Kernel::AmxBf16, &spec, &input, &output);
                // Numbers of 2 bytes instead of 4.
                let halved = |start: usize| start / 2;
                let expected: Vec<Vec<usize>> = pooled(&plain, &output)
                    .into_iter()
                    .map(|window| window.into_iter().map(halved).collect())
                    .collect();
                assert_eq!(pooled(&order, &output), expected, "{height} x {width}");
                if let Some(stride) = order.stride {
                    tiles += 1;
                    for tile in order.windows.chunks(SIDE) {
                        assert_eq!(tile.len(), SIDE);
                        assert!(tile.windows(2).all(|pair| pair[0] + stride == pair[1]));
                    }
                }
            }
        }
        assert!(tiles > 10, "{tiles} are tiles");
    }
}

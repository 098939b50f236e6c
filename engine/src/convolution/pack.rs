//! What of a convolution is known before it runs: its blocks of channels, the runs of a window, where each
//! pixel's window begins, and the weights in the order in which they are read.

use super::{Border, Layout, Shape, Term, loops};
use crate::convolution::layout::to_bf16;
use crate::microkernel::tile::SIDE;
use crate::microkernel::{Kernel, Number, Run};

/// Channels that a kernel computes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) first: usize,
    /// How many are computed: more than there are at the end, where there is no narrower way.
    pub(crate) columns: usize,
}

/// Blocks of all channels, as wide as the kernel's columns let them, and as equal as its lanes let them: a
/// narrow one has the same inputs loaded for fewer products.
pub(super) fn blocks(kernel: Kernel, channels: usize) -> Vec<Block> {
    let vectors = channels.div_ceil(kernel.lanes());
    let count = vectors.div_ceil(kernel.columns() / kernel.lanes());
    let mut first = 0;
    let block = |number: usize| {
        let wider = usize::from(number < vectors % count);
        let columns = (vectors / count + wider) * kernel.lanes();
        first += columns;
        Block {
            first: first - columns,
            columns,
        }
    };
    (0..count).map(block).collect()
}

/// The pixels, in the order in which they are computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    /// Where each one's window begins, in bytes; the last is repeated to fill the last tile.
    pub(super) pixels: Vec<usize>,
    /// How far the windows of a tile's pixels are apart, in bytes, where they are equally far in all tiles.
    pub(super) stride: Option<usize>,
    pub(super) pooled: Pooled,
}

/// Where the pixels that are pooled for one of the output are, by their numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pooled {
    // Pixels of the output whose first ones are `step` apart, and how many pixels are computed for them.
    together: usize,
    pixels: usize,
    step: usize,
    /// How far the others are from the first.
    pub(crate) others: Vec<usize>,
}

impl Pooled {
    /// The first pixel of those that are pooled for one of the output.
    pub(crate) fn first(&self, output: usize) -> usize {
        if self.others.is_empty() {
            return output;
        }
        output / self.together * self.pixels + output % self.together * self.step
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.others.len() + 1
    }
}

impl Order {
    /// For tiles where it can be, for all others one window of the pooling after the other.
    pub(super) fn new(kernel: Kernel, shape: &Shape, input: &Layout, output: &Layout) -> Self {
        if kernel == Kernel::AmxBf16
            && let Some(order) = Self::of_tiles(kernel, shape, input, output)
        {
            return order;
        }
        let [rows, columns] = shape.pooling;
        let start = start(kernel, shape, input);
        let mut pixels = Vec::new();
        for (image, row, column) in positions(output) {
            for pooled in 0..rows * columns {
                let [row, column] = [
                    row * rows + pooled / columns,
                    column * columns + pooled % columns,
                ];
                pixels.push(start(image, row, column));
            }
        }
        let whole = pixels.len().next_multiple_of(kernel.rows());
        let last = pixels.last().copied().unwrap_or_default();
        pixels.resize(whole, last);
        let pooled = Pooled {
            together: 1,
            pixels: rows * columns,
            step: 0,
            others: (1..rows * columns).collect(),
        };
        Self {
            pixels,
            stride: None,
            pooled,
        }
    }

    /// Tiles of pixels side by side, so that all are equally far apart. Where windows are pooled, the tiles
    /// of their rows come one after the other.
    fn of_tiles(kernel: Kernel, shape: &Shape, input: &Layout, output: &Layout) -> Option<Self> {
        let [rows, columns] = shape.pooling;
        let width = output.width * columns;
        let is_pooled = rows * columns > 1;
        let is_even = width.is_multiple_of(SIDE) && SIDE.is_multiple_of(columns);
        // No window may lie in two groups of pixels.
        let is_together = loops::PIXELS
            .iter()
            .all(|group| group.is_multiple_of(SIDE * rows));
        if is_pooled && !(is_even && is_together) {
            return None;
        }
        let side = if is_pooled { SIDE } else { width };
        let start = start(kernel, shape, input);
        let mut pixels = Vec::new();
        for image in 0..output.batch {
            for band in 0..output.height {
                for first in (0..width).step_by(side) {
                    for row in band * rows..(band + 1) * rows {
                        for column in first..first + side {
                            pixels.push(start(image, row, column));
                        }
                    }
                }
            }
        }
        let stride = pixels.get(1)?.checked_sub(pixels[0])?;
        let is_even = |tile: &[usize]| tile.windows(2).all(|pair| pair[0] + stride == pair[1]);
        if !pixels.len().is_multiple_of(kernel.rows()) || !pixels.chunks(SIDE).all(is_even) {
            return None;
        }
        let others = (1..rows * columns).map(|other| other / columns * SIDE + other % columns);
        Some(Self {
            pixels,
            stride: Some(stride),
            pooled: Pooled {
                together: side / columns,
                pixels: side * rows,
                step: columns,
                others: others.collect(),
            },
        })
    }
}

/// Each pixel of the output: its image, row and column.
fn positions(output: &Layout) -> impl Iterator<Item = (usize, usize, usize)> {
    let Layout { width, height, .. } = *output;
    (0..output.pixels()).map(move |n| (n / (height * width), n / width % height, n % width))
}

/// Where the window of a pixel of the convolution begins, in bytes.
fn start(kernel: Kernel, shape: &Shape, input: &Layout) -> impl Fn(usize, usize, usize) -> usize {
    let Border { top, left, .. } = input.border;
    let corner = [top - shape.padding.top, left - shape.padding.left];
    let (strides, input) = (shape.strides, *input);
    move |image, row, column| {
        let row = corner[0] + row * strides[0];
        let column = corner[1] + column * strides[1];
        input.at(image, row, column) * kernel.number().bytes()
    }
}

/// The runs of a pixel's window: its rows, each with all its columns and channels, in multiples of so many
/// units. What a row has too much is read and multiplied with zero.
pub(super) fn runs(shape: &Shape, input: &Layout, number: Number, multiple: usize) -> Vec<Run> {
    let units = (shape.window[1] * input.channels).div_ceil(number.per_unit());
    (0..shape.window[0])
        .map(|row| Run {
            offset: input.at(0, row, 0) * number.bytes(),
            units: units.next_multiple_of(multiple),
        })
        .collect()
}

/// Cuts runs into parts of so many units; the last may have fewer.
pub(super) fn parts(runs: &[Run], most: usize) -> Vec<Vec<Run>> {
    let mut parts = Vec::new();
    let (mut part, mut room) = (Vec::new(), most);
    for run in runs {
        let mut rest = *run;
        while rest.units > 0 {
            let units = rest.units.min(room);
            part.push(Run { units, ..rest });
            rest = Run {
                offset: rest.offset + 4 * units,
                units: rest.units - units,
            };
            room -= units;
            if room == 0 {
                parts.push(std::mem::take(&mut part));
                room = most;
            }
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// How many units a part has, in whole steps of the kernel.
pub(super) fn units(runs: &[Run], kernel: Kernel) -> usize {
    let units: usize = runs.iter().map(|run| run.units).sum();
    units.next_multiple_of(kernel.depth())
}

/// Where a term's weights are, as a kernel reads them: for each block and part, for each unit the weights of
/// all the block's channels, then zeros to whole steps.
#[derive(Debug, Clone)]
pub(super) struct Packing {
    kernel: Kernel,
    // Where those of each block and part begin.
    offsets: Vec<usize>,
    // How many parts there are, and how many units all but the last have.
    parts: usize,
    most: usize,
}

impl Packing {
    /// Places for the weights of so many blocks, which [`place`] says.
    pub(super) fn new(kernel: Kernel, blocks: usize, parts: &[Vec<Run>]) -> Self {
        Self {
            kernel,
            offsets: vec![0; blocks * parts.len()],
            parts: parts.len(),
            most: parts[0].iter().map(|run| run.units).sum(),
        }
    }

    /// Where the weights of a block and part begin.
    pub(super) fn offset(&self, block: usize, part: usize) -> usize {
        self.offsets[block * self.parts + part]
    }

    /// Puts weights, `[channels][input channels][rows][columns]`, each times the scale of its channel, where
    /// they belong among zeros.
    pub(super) fn fill(
        &self,
        shape: &Shape,
        blocks: &[Block],
        runs: &[Run],
        (weights, scale): (&[f32], &[f32]),
        packed: &mut [f32],
    ) {
        let [rows, columns] = shape.window;
        let of_channel = weights.len() / shape.channels;
        let inputs = of_channel / (rows * columns);
        let as_number = self.kernel.number();
        let units = runs[0].units;
        let width = units * as_number.per_unit();
        // A row of the window for each channel of a block: its columns, each with all inputs. What is packed
        // is written from the first to the last then, a cache line at a time.
        let mut of_block = vec![0.0; self.kernel.columns() * width];
        for (number, block) in blocks.iter().enumerate() {
            let channels = block.columns.min(shape.channels - block.first);
            for row in 0..rows {
                for (channel, to) in of_block.chunks_mut(width).take(channels).enumerate() {
                    let channel = block.first + channel;
                    let weights = &weights[channel * of_channel..][..of_channel];
                    for column in 0..columns {
                        let from = weights[row * columns + column..].iter();
                        let to = to[column * inputs..][..inputs].iter_mut();
                        for (to, from) in to.zip(from.step_by(rows * columns)) {
                            *to = from * scale[channel];
                        }
                    }
                }
                for unit in 0..units {
                    let of_window = row * units + unit;
                    let (part, of_part) = (of_window / self.most, of_window % self.most);
                    let at = self.offset(number, part) + of_part * block.columns;
                    let packed = packed[at..][..channels].iter_mut();
                    for (packed, of_channel) in packed.zip(of_block.chunks(width)) {
                        *packed = match as_number {
                            Number::F32 => of_channel[unit],
                            Number::Bf16 => {
                                let [low, high] =
                                    [0, 1].map(|half| to_bf16(of_channel[2 * unit + half]));
                                f32::from_bits(u32::from(high) << 16 | u32::from(low))
                            }
                        };
                    }
                }
            }
        }
    }
}

/// Makes room for the weights of all terms, in the order in which they are read: `together` blocks at a time
/// have those of a part one after the other, then those of the next part, then those of the next term.
/// Returns how many units there are.
pub(super) fn place(
    kernel: Kernel,
    blocks: &[Block],
    terms: &mut [Term],
    together: usize,
) -> usize {
    let (mut end, mut first) = (0, 0);
    for blocks in blocks.chunks(together) {
        for term in &mut *terms {
            for (part, runs) in term.parts.iter().enumerate() {
                for (number, block) in blocks.iter().enumerate() {
                    let place = (first + number) * term.parts.len() + part;
                    term.packing.offsets[place] = end;
                    end += units(runs, kernel) * block.columns;
                }
            }
        }
        first += blocks.len();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the windows of all pixels begin that are pooled for each one of the output, by an order.
    fn pooled(order: &Order, output: &Layout) -> Vec<Vec<usize>> {
        let of_output = |number: usize| {
            let first = order.pooled.first(number);
            let others = order.pooled.others.iter().map(|other| first + other);
            std::iter::once(first)
                .chain(others)
                .map(|pixel| order.pixels[pixel])
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
        for (height, width) in [(4, 16), (8, 32), (6, 12), (16, 16), (4, 64), (2, 8), (4, 4)] {
            for pooling in [[1, 1], [2, 2], [1, 2], [2, 1], [4, 4]] {
                let shape = Shape {
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
                let [rows, columns] = shape.output(height, width);
                let output = Layout::plain(2, rows, columns, 1);
                let plain = Order::new(Kernel::Portable, &shape, &input, &output);
                assert_eq!(plain.stride, None);
                let order = Order::new(Kernel::AmxBf16, &shape, &input, &output);
                // Numbers of 2 bytes instead of 4.
                let halved = |start: usize| start / 2;
                let expected: Vec<Vec<usize>> = pooled(&plain, &output)
                    .into_iter()
                    .map(|window| window.into_iter().map(halved).collect())
                    .collect();
                assert_eq!(pooled(&order, &output), expected, "{height} x {width}");
                if let Some(stride) = order.stride {
                    tiles += 1;
                    for tile in order.pixels.chunks(SIDE) {
                        assert_eq!(tile.len(), SIDE);
                        assert!(tile.windows(2).all(|pair| pair[0] + stride == pair[1]));
                    }
                }
            }
        }
        assert!(tiles > 10, "{tiles} are tiles");
    }

    #[test]
    fn blocks_are_as_equal_as_their_vectors_let_them() {
        let columns = |channels| -> Vec<usize> {
            blocks(Kernel::Avx512, channels)
                .iter()
                .map(|block| block.columns)
                .collect()
        };
        assert_eq!(columns(1), [16]);
        assert_eq!(columns(64), [32, 32]);
        assert_eq!(columns(96), [48, 48]);
        assert_eq!(columns(130), [48, 48, 48]);
        let blocks = blocks(Kernel::Avx2, 40);
        assert_eq!(
            blocks[2],
            Block {
                first: 32,
                columns: 8
            }
        );
    }
}

//! A convolution: which tiles, in which order, and what becomes of their sums.
//!
//! ```text
//!            output channels (blocks of the kernel's columns)
//!            .----------------.
//!            | weights, packed|  so that a kernel reads them in one go;
//!            | a block at a   |  a part of so many inputs stays in the
//!            | time           |  second-level cache while all pixels pass
//!            '----------------'
//!  pixels    .----------------.
//!  (blocks   | sums           |  of one block of pixels and channels, in
//!  of 240)   |                |  the cache until the last part was added;
//!            '----------------'  then pooling, bias, residual, ReLU, in one pass
//! ```
//!
//! No copy of the input is made for it (implicit GEMM): a pixel's window is some runs of numbers in the
//! input's buffer, one for each row of the window, and the same runs for every pixel. Tiles need more
//! order than that, and get copies: `panel.rs`.
//!
//! Where only the greatest value of each pooling window is wanted, the pixels of one window are computed
//! one after the other, so that their sums lie together and one value of them is put away.

mod panel;

use std::ops::Range;

use crate::aligned::Aligned;
use crate::buffer::{Border, Layout, Values, to_bf16};
use crate::kernel::{Kernel, Number, Run, Tile};
use crate::output::{Output, raise, rectify};

/// How many pixels are computed before the next channels are.
const PIXELS: usize = 240;

/// How many units of input are multiplied before the next pixels are: with 48 channels, their weights
/// are 72 KiB.
const UNITS: usize = 384;

/// How many values are brought to where they belong at once: a vector of 512 bits.
const LANES: usize = 16;

/// What a convolution computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// Rows and columns of the window.
    pub(crate) window: [usize; 2],
    /// Rows and columns from one pixel's window to the next one's.
    pub(crate) strides: [usize; 2],
    /// Zeros around the input.
    pub(crate) padding: Border,
    /// Channels of the output.
    pub(crate) channels: usize,
    /// Rows and columns of the pooling windows, side by side, of each of which only the greatest value is
    /// kept; `[1, 1]` keeps all. Pixels at the end that don't fill a window are not computed.
    pub(crate) pooling: [usize; 2],
}

impl Shape {
    /// Rows and columns of the output, which is pooled, for an input of this size.
    pub(crate) fn output(&self, height: usize, width: usize) -> [usize; 2] {
        let Border {
            top,
            left,
            bottom,
            right,
        } = self.padding;
        let convolved = [
            (top + height + bottom - self.window[0]) / self.strides[0] + 1,
            (left + width + right - self.window[1]) / self.strides[1] + 1,
        ];
        [
            convolved[0] / self.pooling[0],
            convolved[1] / self.pooling[1],
        ]
    }
}

/// Whether a convolution can pool windows of this size: no window may lie in two blocks of pixels.
pub(crate) fn can_pool([rows, columns]: [usize; 2]) -> bool {
    PIXELS.is_multiple_of(rows * columns) && panel::PIXELS.is_multiple_of(rows * columns)
}

/// A convolution with its weights, ready to run on buffers of one layout.
#[derive(Debug, Clone)]
pub(crate) struct Convolution {
    kernel: Kernel,
    output: Layout,
    // How many pixels are computed for one of the output.
    pooled: usize,
    weights: Aligned<f32>,
    bias: Vec<f32>,
    // The window's runs in parts of some UNITS.
    parts: Vec<Vec<Run>>,
    // Where each pixel's window begins, in bytes; as many as whole tiles need.
    pixels: Vec<usize>,
    // The furthest byte that a kernel reads.
    end: usize,
}

/// What a convolution uses while it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch {
    sums: Aligned<f32>,
    panel: Aligned<u16>,
}

/// What is done to a sum on its way to the output, besides adding the bias.
#[derive(Debug, Default)]
pub(crate) struct Finish<'a> {
    /// Values to add, and where each pixel's are.
    pub(crate) residual: Option<(&'a [f32], &'a [usize])>,
    /// Whether negative values become zero.
    pub(crate) relu: bool,
    /// Where the values go.
    pub(crate) outputs: Vec<Output<'a>>,
}

impl Convolution {
    /// Packs the weights, `[channels][input channels][rows][columns]`, each times the scale of its
    /// channel, for inputs of this layout. The input's border must have room for the padding.
    pub(crate) fn new(
        kernel: Kernel,
        shape: &Shape,
        input: Layout,
        weights: &[f32],
        scale: &[f32],
        bias: &[f32],
    ) -> Self {
        // Its instructions would be unknown to the processor, and `run` relies on this.
        assert!(kernel.is_supported(), "this processor has no {kernel}");
        let [rows, columns] = shape.window;
        assert_eq!(
            weights.len(),
            shape.channels * input.channels * rows * columns
        );
        assert_eq!(bias.len(), shape.channels);
        assert!(can_pool(shape.pooling), "{:?} is pooled", shape.pooling);
        let room = input.border.union(shape.padding);
        assert_eq!(room, input.border, "the input's border is too narrow");

        let [height, width] = shape.output(input.height, input.width);
        let output = Layout::plain(input.batch, height, width, shape.channels);
        let number = kernel.number();
        let runs = runs(shape, &input, number);
        let pixels = pixels(kernel, shape, &input, &output);
        let reach = runs.iter().map(|run| run.offset + 4 * run.units).max();
        let end = pixels
            .iter()
            .max()
            .zip(reach)
            .map_or(0, |(pixel, reach)| pixel + reach);
        Self {
            kernel,
            output,
            pooled: shape.pooling[0] * shape.pooling[1],
            weights: Aligned::from(&*pack(kernel, shape, input.channels, weights, scale)),
            bias: bias.to_vec(),
            parts: parts(&runs),
            pixels,
            end,
        }
    }

    /// Computes all pixels and channels.
    pub(crate) fn run(&self, input: &Values, scratch: &mut Scratch, finish: &mut Finish<'_>) {
        match (self.kernel, input) {
            (Kernel::AmxBf16, Values::Bf16(input)) => self.run_on_panels(input, scratch, finish),
            _ => self.run_in_place(input, scratch, finish),
        }
    }

    /// By a kernel of vectors, which reads the input where it is.
    fn run_in_place(&self, input: &Values, scratch: &mut Scratch, finish: &mut Finish<'_>) {
        // What the kernels rely on.
        assert!(self.end <= input.bytes());
        let (rows, columns) = (self.kernel.rows(), self.kernel.columns());
        assert!(self.pixels.len().is_multiple_of(rows) && PIXELS.is_multiple_of(rows));
        let units: usize = self.parts.iter().flatten().map(|run| run.units).sum();
        let sums = &mut scratch.sums;
        sums.resize(PIXELS * columns);

        for (group, pixels) in self.pixels.chunks(PIXELS).enumerate() {
            for (first_channel, columns) in blocks(self.kernel, self.output.channels) {
                // Those before it are all as wide as can be.
                let mut weights = &self.weights[first_channel * units..][..units * columns];
                for (number, runs) in self.parts.iter().enumerate() {
                    for (tile, pixels) in pixels.chunks(rows).enumerate() {
                        let tile = Tile {
                            input: input.as_ptr(),
                            pixels,
                            runs,
                            weights: weights.as_ptr(),
                            columns,
                            sums: sums[tile * rows * columns..][..rows * columns].as_mut_ptr(),
                            adds: number > 0,
                        };
                        // SAFETY: `new` saw that the processor supports the kernel. The furthest
                        // byte of the furthest pixel's furthest run is `end`, which lies in the input;
                        // the weights have as many units as all parts together, and the sums as much
                        // room as one tile needs: both are slices of that length.
                        #[allow(unsafe_code, reason = "the kernels take pointers")]
                        unsafe {
                            self.kernel.run(&tile);
                        }
                    }
                    let used: usize = runs.iter().map(|run| run.units).sum();
                    weights = &weights[used * columns..];
                }
                let computed = group * PIXELS..(group + 1) * PIXELS;
                self.finish(computed, [first_channel, columns], sums, finish);
            }
        }
    }

    /// Brings the sums of the pixels that were computed, of so many channels from `first` on, to where
    /// they belong; of those that only fill the last tile, nowhere.
    fn finish(
        &self,
        computed: Range<usize>,
        [first, columns]: [usize; 2],
        sums: &[f32],
        finish: &mut Finish<'_>,
    ) {
        let end = (computed.end / self.pooled).min(self.output.pixels());
        let last = (first + columns).min(self.output.channels);
        let tile = Finished {
            pixels: computed.start / self.pooled..end,
            pooled: self.pooled,
            first,
            columns,
            bias: &self.bias[first..last],
            sums,
        };
        self.kernel.finish(&tile, finish);
    }
}

/// Sums of some pixels and channels, of which everything has been added up.
#[derive(Debug)]
pub(crate) struct Finished<'a> {
    // Pixels of the output, and how many sums of each channel there are for one of them.
    pixels: Range<usize>,
    pooled: usize,
    first: usize,
    columns: usize,
    bias: &'a [f32],
    sums: &'a [f32],
}

impl Finished<'_> {
    /// What [`Kernel::finish`] does, to be compiled for each kind of processor.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "it becomes part of functions with vector instructions"
    )]
    pub(crate) fn deliver(&self, finish: &mut Finish<'_>) {
        let (bias, rest) = self.bias.as_chunks::<LANES>();
        let of_rest = LANES * bias.len();
        for (sums, pixel) in self
            .sums
            .chunks_exact(self.pooled * self.columns)
            .zip(self.pixels.clone())
        {
            // Vectors of the first pixel, as long as there are whole ones: their length is known to the
            // compiler.
            let vectors = sums.as_chunks::<LANES>().0;
            for (number, (values, bias)) in vectors.iter().zip(bias).enumerate() {
                let mut values = *values;
                // The greatest of the sums gives the greatest value: bias and ReLU keep their order.
                for other in 1..self.pooled {
                    let at = other * self.columns + number * LANES;
                    raise(&mut values, &sums[at..][..LANES]);
                }
                finish.deliver(pixel, self.first + number * LANES, &mut values, bias);
            }
            if !rest.is_empty() {
                let mut values = [0.0; LANES];
                let values = &mut values[..rest.len()];
                values.copy_from_slice(&sums[of_rest..][..rest.len()]);
                for other in 1..self.pooled {
                    raise(values, &sums[other * self.columns + of_rest..]);
                }
                finish.deliver(pixel, self.first + of_rest, values, rest);
            }
        }
    }
}

impl Finish<'_> {
    /// Delivers the sums of some channels of a pixel, from `first` on.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "it becomes part of functions with vector instructions"
    )]
    fn deliver(&mut self, pixel: usize, first: usize, values: &mut [f32], bias: &[f32]) {
        for (value, bias) in values.iter_mut().zip(bias) {
            *value += bias;
        }
        if let Some((residual, starts)) = self.residual {
            let residual = &residual[starts[pixel] + first..][..values.len()];
            for (value, residual) in values.iter_mut().zip(residual) {
                *value += residual;
            }
        }
        if self.relu {
            rectify(values);
        }
        for output in &mut self.outputs {
            output.put(pixel, first, values);
        }
    }
}

/// The first channel of each block, and how many channels the kernel computes for it: more than there are
/// at the end, where there is no narrower way.
fn blocks(kernel: Kernel, channels: usize) -> impl Iterator<Item = (usize, usize)> {
    let width = move |first: usize| {
        (channels - first)
            .next_multiple_of(kernel.lanes())
            .min(kernel.columns())
    };
    (0..channels)
        .step_by(kernel.columns())
        .map(move |first| (first, width(first)))
}

/// The runs of a pixel's window: its rows, each with all its columns and channels.
fn runs(shape: &Shape, input: &Layout, number: Number) -> Vec<Run> {
    let units = (shape.window[1] * input.channels).div_ceil(number.per_unit());
    (0..shape.window[0])
        .map(|row| Run {
            offset: input.at(0, row, 0) * number.bytes(),
            units,
        })
        .collect()
}

/// Where each pixel's window begins, in bytes: for each pixel of the output, all that are pooled for it;
/// the last is repeated to fill the last tile.
fn pixels(kernel: Kernel, shape: &Shape, input: &Layout, output: &Layout) -> Vec<usize> {
    let corner = [
        input.border.top - shape.padding.top,
        input.border.left - shape.padding.left,
    ];
    let bytes = kernel.number().bytes();
    let [rows, columns] = shape.pooling;
    let mut starts = Vec::new();
    for image in 0..output.batch {
        for row in 0..output.height {
            for column in 0..output.width {
                for pooled in 0..rows * columns {
                    let row = row * rows + pooled / columns;
                    let column = column * columns + pooled % columns;
                    let row = corner[0] + row * shape.strides[0];
                    let column = corner[1] + column * shape.strides[1];
                    starts.push(input.at(image, row, column) * bytes);
                }
            }
        }
    }
    let whole = starts.len().next_multiple_of(kernel.rows());
    let last = starts.last().copied().unwrap_or_default();
    starts.resize(whole, last);
    starts
}

/// Cuts runs into parts of at most [`UNITS`].
fn parts(runs: &[Run]) -> Vec<Vec<Run>> {
    let mut parts = Vec::new();
    let (mut part, mut room) = (Vec::new(), UNITS);
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
                room = UNITS;
            }
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Brings weights, `[channels][input channels][rows][columns]`, into the order in which a kernel reads
/// them: blocks of its columns; in a block the window's rows, and of each row the units, each with the
/// weights of all the block's channels; then zeros, to as many units as the kernel multiplies at once.
fn pack(kernel: Kernel, shape: &Shape, inputs: usize, weights: &[f32], scale: &[f32]) -> Vec<f32> {
    let [rows, columns] = shape.window;
    let number = kernel.number();
    let run = columns * inputs;
    let weight = |channel: usize, row: usize, position: usize| {
        if channel >= shape.channels || position >= run {
            return 0.0;
        }
        let (column, input) = (position / inputs, position % inputs);
        weights[((channel * inputs + input) * rows + row) * columns + column] * scale[channel]
    };
    let units = rows * run.div_ceil(number.per_unit());
    let padding = units.next_multiple_of(kernel.depth()) - units;
    let mut packed =
        Vec::with_capacity(shape.channels.next_multiple_of(kernel.lanes()) * (units + padding));
    for (first, width) in blocks(kernel, shape.channels) {
        for row in 0..rows {
            for unit in 0..run.div_ceil(number.per_unit()) {
                for channel in first..first + width {
                    packed.push(match number {
                        Number::F32 => weight(channel, row, unit),
                        Number::Bf16 => {
                            let low = to_bf16(weight(channel, row, 2 * unit));
                            let high = to_bf16(weight(channel, row, 2 * unit + 1));
                            f32::from_bits(u32::from(high) << 16 | u32::from(low))
                        }
                    });
                }
            }
        }
        packed.resize(packed.len() + padding * width, 0.0);
    }
    packed
}

#[cfg(test)]
mod tests;

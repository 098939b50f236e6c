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
//!  (groups   | sums           |  of one group of pixels and some blocks, in
//!  of 240)   |                |  the cache until the last part was added;
//!            '----------------'  then pooling, bias, residual, ReLU: `epilogue`
//! ```
//!
//! Where all weights fit the cache, groups are of 48 pixels: their sums stay nearer.
//!
//! No copy of the input is made for it (implicit GEMM): a pixel's window is some runs of numbers in the
//! input's buffer, one for each row of the window, and the same runs for every pixel. Tiles need more
//! order than that, and get copies: `loops.rs`.
//!
//! A sum of convolutions is one with several inputs: the products of all are added up before anything is put
//! away. So the projection of a residual unit costs no way to memory and back.
//!
//! Where only the greatest value of each pooling window is wanted, the pixels of one window are computed
//! one after the other, so that their sums lie together and one value of them is put away.

pub(crate) mod layout;
mod loops;
mod pack;
mod vectors;

use std::ops::Range;

use crate::convolution::layout::{Border, Layout, Numbers};
use crate::microkernel::aligned::{Aligned, LINE};
use crate::microkernel::epilogue::{Finish, Finished};
use crate::microkernel::{Kernel, Run};
pub(crate) use pack::Block;
pub(crate) use pack::Pooled;
use pack::{Order, Packing};

/// Weights lie in whole cache lines.
const UNITS_A_LINE: usize = LINE / size_of::<f32>();

/// The bytes of weights that stay in the second-level cache from one group of pixels to the next.
const FEW_WEIGHTS: usize = 512 << 10;

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

/// Whether a convolution can pool windows of this size: no window may lie in two groups of pixels.
pub(crate) fn can_pool([rows, columns]: [usize; 2]) -> bool {
    let divides = |pixels: &usize| pixels.is_multiple_of(rows * columns);
    vectors::PIXELS.iter().chain(&loops::PIXELS).all(divides)
}

/// A convolution, or the sum of some, ready to run on buffers of one layout each. Its weights lie with those
/// of all others.
#[derive(Debug, Clone)]
pub(crate) struct Convolution {
    kernel: Kernel,
    output: Layout,
    // How many pixels are computed before the next ones are, and for how many blocks sums are kept then.
    group: usize,
    together: usize,
    // Whether there are more weights than the cache keeps.
    is_heavy: bool,
    blocks: Vec<Block>,
    bias: Vec<f32>,
    // How many units of weights there are.
    weights: usize,
    // What is added up.
    terms: Vec<Term>,
}

/// A convolution of one input.
#[derive(Debug, Clone)]
struct Term {
    shape: Shape,
    // Channels of the input.
    inputs: usize,
    // The window's runs, and the same in parts.
    runs: Vec<Run>,
    parts: Vec<Vec<Run>>,
    order: Order,
    // The furthest byte that a kernel reads.
    end: usize,
    packing: Packing,
}

/// What a convolution uses while it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch {
    sums: Aligned<f32>,
    row: Aligned<f32>,
    panel: Aligned<u16>,
    tiles: Vec<usize>,
}

impl Convolution {
    /// Makes it ready for inputs of these layouts, whose borders must have room for the padding. Where there
    /// are several, their outputs have one size, and none is pooled.
    pub(crate) fn new(kernel: Kernel, terms: &[(Shape, Layout)], bias: &[f32]) -> Self {
        // Its instructions would be unknown to the processor, and `run` relies on this.
        assert!(kernel.is_supported(), "this processor has no {kernel}");
        let (shape, input) = terms[0];
        let [height, width] = shape.output(input.height, input.width);
        let output = Layout::plain(input.batch, height, width, shape.channels);
        assert_eq!(bias.len(), shape.channels);
        let weights = |(shape, input): &(Shape, Layout)| {
            let [rows, columns] = shape.window;
            shape.channels * input.channels * rows * columns
        };
        let weights: usize = terms.iter().map(weights).sum();
        let is_heavy = kernel.number().bytes() * weights > FEW_WEIGHTS;
        let (groups, sums) = match kernel {
            Kernel::AmxBf16 => (loops::PIXELS, loops::SUMS),
            _ => (vectors::PIXELS, vectors::SUMS),
        };
        let group = if is_heavy { groups[0] } else { groups[1] };
        let pixels = output.pixels() * shape.pooling[0] * shape.pooling[1];
        let rows = kernel.rows();
        let group = group.min(pixels.next_multiple_of(rows)).max(rows);
        let together = (sums / (group * kernel.columns())).max(1);
        let blocks = pack::blocks(kernel, shape.channels);
        let is_pooled = |(shape, _): &(Shape, Layout)| shape.pooling != [1, 1];
        assert!(terms.len() == 1 || !terms.iter().any(is_pooled));
        let term = |(shape, input): &(Shape, Layout)| {
            Term::new(kernel, shape, input, &output, blocks.len())
        };
        let mut terms: Vec<Term> = terms.iter().map(term).collect();
        let count = terms[0].order.pixels.len();
        assert!(terms.iter().all(|term| term.order.pixels.len() == count));
        // Tiles take a part of all blocks, vectors all parts of a block.
        let at_once = match kernel {
            Kernel::AmxBf16 => together,
            _ => 1,
        };
        let weights = pack::place(kernel, &blocks, &mut terms, at_once);
        let columns = blocks.last().map_or(0, |last| last.first + last.columns);
        let mut padded = bias.to_vec();
        padded.resize(columns, 0.0);
        Self {
            kernel,
            output,
            group,
            together,
            is_heavy,
            blocks,
            bias: padded,
            weights: weights.next_multiple_of(UNITS_A_LINE),
            terms,
        }
    }

    /// How many units of weights there are when they are packed, in whole cache lines.
    pub(crate) const fn weights(&self) -> usize {
        self.weights
    }

    /// Packs the weights of a term, `[channels][input channels][rows][columns]`, each times the scale of its
    /// channel, into zeros.
    pub(crate) fn pack(&self, term: usize, weights: &[f32], scale: &[f32], packed: &mut [f32]) {
        let term = &self.terms[term];
        let [rows, columns] = term.shape.window;
        let of_channel = term.inputs * rows * columns;
        assert_eq!(weights.len(), term.shape.channels * of_channel);
        term.packing.fill(
            &term.shape,
            &self.blocks,
            &term.runs,
            (weights, scale),
            packed,
        );
    }

    /// Computes all pixels and channels from an input for each term. The packed weights are the first of
    /// `weights`; behind them may be what is wanted next.
    pub(crate) fn run(
        &self,
        weights: &[f32],
        inputs: &[Numbers<'_>],
        scratch: &mut Scratch,
        finish: &mut Finish<'_>,
    ) {
        assert!(weights.len() >= self.weights && inputs.len() == self.terms.len());
        let blocks = self.together.min(self.blocks.len());
        scratch
            .sums
            .grow(blocks * self.kernel.columns() * self.group);
        scratch.row.grow(blocks * self.kernel.columns());
        match self.kernel {
            Kernel::AmxBf16 => self.run_on_panels(weights, inputs, scratch, finish),
            _ => self.run_in_place(weights, inputs, scratch, finish),
        }
    }

    /// The parts of all terms, the one after the other: the number of the term, that of the part, and its
    /// runs.
    fn parts(&self) -> impl Iterator<Item = (usize, usize, &[Run])> {
        let terms = self.terms.iter().enumerate();
        terms.flat_map(|(number, term)| {
            let parts = term.parts.iter().enumerate();
            parts.map(move |(part, runs)| (number, part, runs.as_slice()))
        })
    }

    /// The pixels of all groups: how many there are, and which of all they are.
    fn groups(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let all = self.terms[0].order.pixels.len();
        let starts = (0..all).step_by(self.group).enumerate();
        starts.map(move |(number, start)| (number, start..(start + self.group).min(all)))
    }

    /// The blocks whose sums are kept at the same time, and the number of the first.
    fn blocks_together(&self) -> impl Iterator<Item = (usize, &[Block])> {
        let chunks = self.blocks.chunks(self.together).enumerate();
        chunks.map(|(number, blocks)| (number * self.together, blocks))
    }

    /// Brings the sums of a group of pixels and some blocks to where they belong; those of pixels that
    /// only fill the last tile, nowhere.
    fn finish(
        &self,
        group: usize,
        pixels: usize,
        blocks: &[Block],
        scratch: &mut Scratch,
        finish: &mut Finish<'_>,
    ) {
        let pooled = &self.terms[0].order.pooled;
        let start = group * self.group / pooled.count();
        let end = (start + pixels / pooled.count()).min(self.output.pixels());
        let last = blocks[blocks.len() - 1];
        let columns = blocks[0].first..last.first + last.columns;
        let mut finished = Finished {
            pixels: start..end,
            pooled,
            blocks,
            spacing: self.group,
            sums: &scratch.sums,
            channels: columns.end.min(self.output.channels) - columns.start,
            row: &mut scratch.row[..columns.len()],
            bias: &self.bias[columns],
        };
        self.kernel.finish(&mut finished, finish);
    }
}

impl Term {
    fn new(kernel: Kernel, shape: &Shape, input: &Layout, output: &Layout, blocks: usize) -> Self {
        assert!(can_pool(shape.pooling), "{:?} is pooled", shape.pooling);
        let room = input.border.union(shape.padding);
        assert_eq!(room, input.border, "the input's border is too narrow");
        let [height, width] = shape.output(input.height, input.width);
        let size = Layout::plain(input.batch, height, width, shape.channels);
        assert_eq!(size, *output, "the terms are of different sizes");
        let order = Order::new(kernel, shape, input, output);
        // Tiles read whole steps of the input, of a panel whole steps of the copy.
        let multiple = order.stride.map_or(1, |_| kernel.depth());
        let runs = pack::runs(shape, input, kernel.number(), multiple);
        let reach = runs.iter().map(|run| run.offset + 4 * run.units).max();
        let end = order
            .pixels
            .iter()
            .max()
            .zip(reach)
            .map_or(0, |(pixel, reach)| pixel + reach);
        let units = match kernel {
            Kernel::AmxBf16 => loops::UNITS,
            _ => vectors::UNITS,
        };
        let parts = pack::parts(&runs, units);
        let packing = Packing::new(kernel, blocks, &parts);
        Self {
            shape: *shape,
            inputs: input.channels,
            runs,
            parts,
            order,
            end,
            packing,
        }
    }
}

#[cfg(test)]
mod tests;

//! A convolution as a product of matrices (implicit GEMM): which tiles, in which order, for which cache.
//!
//! ```text
//!                n: output channels, in blocks of nr
//!               .----------------.
//!        k      | B: weights,    |  a k block of a block of channels stays in a cache while
//!               | packed         |  all pixels of the group pass
//!               '----------------'
//!    .------.   .----------------.
//!  m | A:   |   | C: sums        |  of one group of pixels (mc) and some blocks of channels (nc),
//!    | input|   |                |  in the second-level cache until the last k block was added; then
//!    '------'   '----------------'  the epilogue stores them
//! ```
//!
//! - [`layout`]: images in memory.
//! - [`order`]: m, the pixels in the order in which they are computed.
//! - [`pack`]: n and k, and the packed weights. [`schedule`]: another order of k, for a kernel that adds in 16 bits.
//! - [`loops`]: the loops around the microkernels, and the sizes of their blocks. [`im2col`]: copies for tiles.
//!
//! Vectors need no copy of the input: a pixel's window is one segment for each of its rows, and the segments
//! are the same for every pixel but for where the window begins. Tiles want windows that are equally far
//! apart, and get a copy where they are not.
//!
//! A sum of convolutions is one with several inputs (terms): the products of all are added up before the
//! epilogue. So the projection of a residual unit is never written to memory.
//!
//! A convolution of which each channel has its own window is no product of matrices: [`depthwise`]. What follows a
//! convolution can be computed alone: [`element_wise`].
//!
//! Where only the greatest value of each pooling window is wanted, the pixels of one window are computed one
//! after the other. Their sums lie together then, and one value of them is stored.

pub(crate) mod depthwise;
pub(crate) mod element_wise;
mod im2col;
pub(crate) mod layout;
mod loops;
mod order;
mod pack;
mod schedule;

use std::ops::Range;

use crate::microkernel::aligned::{AlignedVec, CACHE_LINE};
use crate::microkernel::dtype::TypedSlice;
use crate::microkernel::epilogue::{Accumulators, ChannelBlock, Epilogue, Rescaling};
use crate::microkernel::gemm::Segment;
use crate::microkernel::{DType, Kernel, UNIT_BYTES, Unit};
use im2col::Panels;
use layout::{Border, Layout};
use order::PixelOrder;
use pack::Packing;

/// The packed weights of each convolution begin a cache line.
const UNITS_PER_LINE: usize = CACHE_LINE / UNIT_BYTES;

/// Weights of up to this many bytes stay in the second-level cache from one group of pixels to the next.
const LIGHT_WEIGHTS: usize = 512 << 10;

/// What a convolution computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConvSpec {
    /// Rows and columns of the window (the kernel, in the word of ONNX).
    pub(crate) window: [usize; 2],
    /// Rows and columns from one pixel's window to the next one's.
    pub(crate) strides: [usize; 2],
    /// Zeros around the input.
    pub(crate) padding: Border,
    /// Channels of the output.
    pub(crate) channels: usize,
    /// Rows and columns of the windows of the max pooling that follows, side by side; `[1, 1]` is none.
    /// Pixels at the end that don't fill a window are not computed.
    pub(crate) pooling: [usize; 2],
}

impl ConvSpec {
    /// Rows and columns of the output, after pooling, for an input of this size.
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

    /// How many numbers a kernel reads beyond the end of a window, at most, for inputs with this number of
    /// channels. It is none of bytes: zero times any of them is zero, so what is there does not matter.
    pub(crate) fn overread(&self, kernel: Kernel, inputs: usize) -> usize {
        if kernel.dtype() == DType::Int8 {
            return 0;
        }
        let row = self.window[1] * inputs;
        let step = kernel.k_step() * kernel.dtype().per_unit();
        row.next_multiple_of(step) - row
    }

    /// The number of its weights, for inputs with this number of channels.
    pub(crate) fn weight_count(&self, inputs: usize) -> usize {
        self.channels * inputs * self.window[0] * self.window[1]
    }
}

/// Whether a convolution can pool windows of this size: no window may lie in two groups of pixels.
pub(crate) fn can_pool([rows, columns]: [usize; 2]) -> bool {
    loops::fill_groups(rows * columns)
}

/// A convolution, or a sum of several, ready to run on buffers of fixed layouts. Its weights are packed
/// elsewhere, with those of all others.
#[derive(Debug, Clone)]
pub(crate) struct Convolution {
    kernel: Kernel,
    output: Layout,
    // Pixels of a group, and blocks of channels whose sums are kept at the same time.
    mc: usize,
    blocks_per_nc: usize,
    // Whether there are more weights than the cache keeps, so that the next ones are prefetched.
    is_heavy: bool,
    blocks: Vec<ChannelBlock>,
    // One value for each column of the blocks.
    bias: Vec<f32>,
    // Of eight bits, and as many.
    rescaling: Option<Rescaling>,
    // Packed weights, in units.
    packed_len: usize,
    terms: Vec<PreparedTerm>,
}

/// A convolution of one input.
#[derive(Debug, Clone)]
struct PreparedTerm {
    spec: ConvSpec,
    input_channels: usize,
    // The segments of a window, whole and cut into k blocks.
    segments: Vec<Segment>,
    k_blocks: Vec<Vec<Segment>>,
    order: PixelOrder,
    // How many bytes of the input a kernel reads: up to the end of the furthest segment of the furthest pixel.
    end: usize,
    packing: Packing,
}

/// The memory that a convolution uses while it runs. It is reused by the next one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch {
    sums: AlignedVec<f32>,
    row: AlignedVec<f32>,
    panels: Panels,
    tiles: Vec<usize>,
}

impl Convolution {
    /// Prepares a sum of convolutions, each with the layout of its input.
    ///
    /// # Panics
    ///
    /// Panics if the processor doesn't support the kernel, if an input's border or gap is too narrow, if the
    /// terms have outputs of different sizes, or if one of several is pooled.
    pub(crate) fn new(kernel: Kernel, terms: &[(ConvSpec, Layout)], bias: &[f32]) -> Self {
        // `run` relies on this: the processor would not know the kernel's instructions.
        assert!(kernel.is_supported(), "this processor has no {kernel}");
        let (spec, input) = terms[0];
        let [height, width] = spec.output(input.height, input.width);
        let output = Layout::plain(input.batch, height, width, spec.channels);
        assert_eq!(bias.len(), spec.channels);
        let is_pooled = |(spec, _): &(ConvSpec, Layout)| spec.pooling != [1, 1];
        assert!(terms.len() == 1 || !terms.iter().any(is_pooled));
        let weights = terms
            .iter()
            .map(|(spec, input)| spec.weight_count(input.channels));
        let is_heavy = kernel.dtype().bytes() * weights.sum::<usize>() > LIGHT_WEIGHTS;

        let (mc, sums) = if kernel.is_of_tiles() {
            (loops::TILE_MC, loops::TILE_SUMS)
        } else {
            // Light weights stay in the cache by themselves. A smaller group keeps its sums nearer then.
            let mc = loops::VECTOR_MC[usize::from(!is_heavy)];
            (mc, loops::VECTOR_SUMS)
        };
        let pixels = output.pixels() * spec.pooling[0] * spec.pooling[1];
        let mr = kernel.mr();
        let mc = mc.min(pixels.next_multiple_of(mr)).max(mr);
        let blocks_per_nc = (sums / (mc * kernel.nr())).max(1);
        let blocks = pack::channel_blocks(kernel, spec.channels);

        let term = |(spec, input): &(ConvSpec, Layout)| {
            PreparedTerm::new(kernel, spec, input, &output, blocks.len(), is_heavy)
        };
        let mut terms: Vec<PreparedTerm> = terms.iter().map(term).collect();
        let count = terms[0].order.windows.len();
        assert!(terms.iter().all(|term| term.order.windows.len() == count));
        // Tiles read a k block of all blocks of channels, vectors all k blocks of one.
        let together = if kernel.is_of_tiles() {
            blocks_per_nc
        } else {
            1
        };
        let packed_len = pack::place(kernel, &blocks, &mut terms, together);
        let packed_len = if kernel.has_schedule() {
            schedule::most_steps(packed_len)
        } else {
            packed_len
        };
        let columns = blocks.last().map_or(0, |last| last.first + last.columns);
        let mut padded = bias.to_vec();
        padded.resize(columns, 0.0);
        Self {
            kernel,
            output,
            mc,
            blocks_per_nc,
            is_heavy,
            blocks,
            bias: padded,
            rescaling: None,
            packed_len: packed_len.next_multiple_of(UNITS_PER_LINE),
            terms,
        }
    }

    /// The same convolution, of eight bits: its sums are rescaled in place of adding the bias.
    pub(crate) fn rescaled(mut self, mut rescaling: Rescaling) -> Self {
        assert_eq!(self.kernel.dtype(), DType::Int8);
        assert_eq!(self.terms.len(), 1, "sums of other units can't be added");
        rescaling.bias.resize(self.bias.len(), 0);
        rescaling.scale.resize(self.bias.len(), 0.0);
        rescaling.shift.resize(self.bias.len(), 0.0);
        self.rescaling = Some(rescaling);
        self
    }

    /// Whether it multiplies bytes.
    pub(crate) fn is_of_eight_bits(&self) -> bool {
        self.rescaling.is_some()
    }

    /// The length of the packed weights in units, a whole number of cache lines: the most that it can be, before those of
    /// eight bits are packed.
    pub(crate) const fn packed_len(&self) -> usize {
        self.packed_len
    }

    /// Packs the weights of a term, `[channels][input channels][rows][columns]`, each times the scale of its
    /// channel, into `packed`, which is zero.
    pub(crate) fn pack(&self, term: usize, weights: &[f32], scale: &[f32], packed: &mut [Unit]) {
        let term = &self.terms[term];
        assert_eq!(
            weights.len(),
            term.spec.weight_count(term.input_channels),
            "weights of another convolution"
        );
        term.packing.fill(
            &term.spec,
            &self.blocks,
            &term.segments,
            (weights, scale),
            packed,
        );
    }

    /// Packs the weights of a convolution of eight bits into `packed`, which is zero. They are whole numbers times the
    /// step of their channel. `zero_point` stands for zero in the input.
    pub(crate) fn pack_steps(
        &mut self,
        weights: &[f32],
        steps: &[f32],
        zero_point: u8,
        packed: &mut [Unit],
    ) {
        self.pack(0, weights, steps, packed);
        // The sums have the zero point in place of zero, for each weight.
        let of_channel = weights.len() / self.output.channels.max(1);
        let biases = self.rescaling.iter_mut().flat_map(|of| &mut of.bias);
        let channels = weights.chunks(of_channel.max(1)).zip(steps);
        for (bias, (weights, step)) in biases.zip(channels) {
            let sum: i32 = weights
                .iter()
                .map(|weight| i32::from(pack::to_steps(*weight, *step)))
                .sum();
            *bias -= i32::from(zero_point) * sum;
        }
        if self.kernel.has_schedule() {
            let term = &mut self.terms[0];
            let (len, started) = term.packing.arrange(&self.blocks, &term.k_blocks, packed);
            self.packed_len = len.next_multiple_of(UNITS_PER_LINE);
            let biases = self.rescaling.iter_mut().flat_map(|of| &mut of.bias);
            for (bias, started) in biases.zip(started) {
                *bias = bias.wrapping_sub(started);
            }
        }
    }

    /// Computes all pixels and channels of the first `images` images, from one input for each term, which has room
    /// for all images. `weights` begins with the packed weights. What follows them is prefetched towards the end,
    /// so it should be what is needed next.
    pub(crate) fn run(
        &self,
        images: usize,
        weights: &[Unit],
        inputs: &[TypedSlice<'_>],
        scratch: &mut Scratch,
        epilogue: &mut Epilogue<'_>,
    ) {
        assert!(weights.len() >= self.packed_len && inputs.len() == self.terms.len());
        let blocks = self.blocks_per_nc.min(self.blocks.len());
        scratch.sums.grow(blocks * self.kernel.nr() * self.mc);
        scratch.row.grow(blocks * self.kernel.nr());
        if self.kernel.is_of_tiles() {
            self.run_tiles(images, weights, inputs, scratch, epilogue);
        } else {
            self.run_vectors(images, weights, inputs, scratch, epilogue);
        }
    }

    /// The k blocks of all terms: the number of the term, that of the block within it, and its segments.
    fn k_blocks(&self) -> impl Iterator<Item = (usize, usize, &[Segment])> {
        let terms = self.terms.iter().enumerate();
        terms.flat_map(|(number, term)| {
            let k_blocks = term.k_blocks.iter().enumerate();
            k_blocks.map(move |(k_block, segments)| (number, k_block, segments.as_slice()))
        })
    }

    /// The groups of `mc` pixels of the first `images` images: each one's number, and its pixels in the order in
    /// which they are computed. What fills the last tile are pixels of the next image.
    fn pixel_groups(&self, images: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
        let PixelOrder {
            windows, pooling, ..
        } = &self.terms[0].order;
        let pixels = images * self.output.image_pixels() * pooling.window_len();
        let end = pixels.next_multiple_of(self.kernel.mr()).min(windows.len());
        let starts = (0..end).step_by(self.mc).enumerate();
        starts.map(move |(number, start)| (number, start..(start + self.mc).min(end)))
    }

    /// The blocks of channels whose sums are kept at the same time, and the number of the first.
    fn block_groups(&self) -> impl Iterator<Item = (usize, &[ChannelBlock])> {
        let chunks = self.blocks.chunks(self.blocks_per_nc).enumerate();
        chunks.map(|(number, blocks)| (number * self.blocks_per_nc, blocks))
    }

    /// Applies the epilogue to the sums of a group of pixels and some blocks of channels. Pixels that only
    /// fill the last tile are left out.
    fn apply_epilogue(
        &self,
        images: usize,
        group: usize,
        pixels: usize,
        blocks: &[ChannelBlock],
        scratch: &mut Scratch,
        epilogue: &mut Epilogue<'_>,
    ) {
        let pooling = &self.terms[0].order.pooling;
        let start = group * self.mc / pooling.window_len();
        let all = images * self.output.image_pixels();
        let end = (start + pixels / pooling.window_len()).min(all);
        let last = blocks[blocks.len() - 1];
        let columns = blocks[0].first..last.first + last.columns;
        let mut accumulators = Accumulators {
            pixels: start..end,
            pooling,
            blocks,
            mc: self.mc,
            sums: &scratch.sums,
            channels: columns.end.min(self.output.channels) - columns.start,
            row: &mut scratch.row[..columns.len()],
            bias: &self.bias[columns],
            rescaling: self.rescaling.as_ref(),
        };
        self.kernel.epilogue(&mut accumulators, epilogue);
    }
}

impl PreparedTerm {
    fn new(
        kernel: Kernel,
        spec: &ConvSpec,
        input: &Layout,
        output: &Layout,
        blocks: usize,
        is_heavy: bool,
    ) -> Self {
        assert!(can_pool(spec.pooling), "{:?} is pooled", spec.pooling);
        let room = input.border.union(spec.padding);
        assert_eq!(room, input.border, "the input's border is too narrow");
        let overread = spec.overread(kernel, input.channels);
        assert!(
            input.batch == 1 || input.gap >= overread,
            "the gap between the input's images is too narrow"
        );
        let [height, width] = spec.output(input.height, input.width);
        let size = Layout::plain(input.batch, height, width, spec.channels);
        assert_eq!(size, *output, "the terms are of different sizes");
        let order = PixelOrder::new(kernel, spec, input, output);
        // Tiles that are loaded from the input read whole steps of each segment. A panel is filled up instead.
        let multiple = order.stride.map_or(1, |_| kernel.k_step());
        let segments = pack::segments(spec, input, kernel.dtype(), multiple);
        let reach = segments.iter().map(Segment::end).max();
        let end = order
            .windows
            .iter()
            .max()
            .zip(reach)
            .map_or(0, |(window, reach)| window + reach);
        let kc = if kernel.is_of_tiles() {
            loops::TILE_KC[usize::from(!is_heavy)]
        } else {
            loops::VECTOR_KC
        };
        let k_blocks = pack::k_blocks(&segments, kc);
        let packing = Packing::new(kernel, blocks, &k_blocks);
        Self {
            spec: *spec,
            input_channels: input.channels,
            segments,
            k_blocks,
            order,
            end,
            packing,
        }
    }
}

#[cfg(test)]
mod tests;

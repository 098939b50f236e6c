//! A program: steps on buffers, made once and run for every batch. Its buffers have room for a batch of a fixed size,
//! and it runs on as many images as there are.
//!
//! Each step goes over its pixels once, and stores each pixel's channels wherever they are needed: as f32
//! where they are added or pooled, as the kernel's number type where a convolution reads them, with an
//! activation applied where one comes first, and directly into their channels of a concatenation. Buffers are
//! allocated once, with their borders of zeros, and shared by values of one layout that are not needed at the
//! same time.
//!
//! The first steps of a network have large images and few weights, the last ones small images and many
//! weights, and neither fits the cache as a batch. So the first steps are run image by image, and what lies
//! between two of them stays in the cache. The others are run for the whole batch, and read each weight once.

pub(crate) mod buffers;
mod build;
pub(crate) mod pool;
mod store;

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::convolution::depthwise::Depthwise;
use crate::convolution::layout::{Dims, Layout};
use crate::convolution::{Convolution, Scratch};
use crate::microkernel::Unit;
use crate::microkernel::aligned::AlignedVec;
use crate::microkernel::dtype::{Stored, TypedSlice};
use crate::microkernel::epilogue::function::Function;
use crate::microkernel::epilogue::{Bounds, ChannelSlice, Epilogue, Grid, Output, Residual};
use buffers::{Arena, Buffers};
use pool::{Pooling, Window, greatest_bytes, pool, sum_bytes};
use store::{Source, Store};

/// The position of a buffer.
pub(crate) type BufferId = usize;

/// Steps, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    steps: Vec<Step>,
    // The number of steps that are run image by image, before the others.
    by_image: usize,
    // For how many images there is room.
    batch: usize,
    buffers: Buffers,
    // The packed weights of all convolutions, in the order in which they are read.
    weights: AlignedVec<Unit>,
    // The dimensions of each output, and the buffer that holds it.
    outputs: Vec<(Dims, BufferId)>,
    // For each buffer, where the first channel of each pixel is. Buffers of one layout share them.
    pixel_offsets: Vec<Arc<[usize]>>,
}

/// One pass over the pixels of a value.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) action: Action,
    dims: Dims,
    // Of all but convolutions, whose epilogue does it.
    quantisation: Option<Quantisation>,
    outputs: Vec<StepOutput>,
    // All buffers that it reads or writes, in ascending order, each once.
    buffers: Vec<BufferId>,
}

/// A buffer that a step stores its values in, and where in it.
#[derive(Debug, Clone)]
pub(crate) struct StepOutput {
    pub(crate) buffer: BufferId,
    pub(crate) slices: Vec<ChannelSlice>,
}

/// How a value is rounded to eight bits: to a whole number of quanta, of which 256 can be told apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantisation {
    /// The size of a quantum.
    pub(crate) quantum: f32,
    /// What stands for zero.
    pub(crate) zero_point: u8,
}

impl Quantisation {
    /// The whole numbers of quanta that can be told apart.
    pub(crate) fn bounds(self) -> Bounds {
        Bounds::of(self.zero_point)
    }
}

/// A buffer that a step reads, which is no convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Operand {
    pub(crate) buffer: BufferId,
    /// What one is in a buffer of eight bits.
    pub(crate) quantum: f32,
}

/// What a step computes.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Reads an input, NCHW, by its number.
    Load(usize),
    Convolution {
        convolution: Box<Convolution>,
        // Where its packed weights begin.
        weights: usize,
        // One for each of its terms.
        inputs: Vec<BufferId>,
        residual: Option<BufferId>,
        relu: bool,
        function: Option<Function>,
        grid: Grid,
    },
    Depthwise {
        depthwise: Box<Depthwise>,
        input: BufferId,
        relu: bool,
        function: Option<Function>,
    },
    Copy(Operand),
    Function(Operand, Function),
    Add(Operand, Operand),
    /// The second may have a single pixel.
    Multiply(Operand, Operand),
    /// The channels from this one on.
    Slice(Operand, usize),
    Pool {
        input: Operand,
        pooling: Pooling,
        window: Window,
    },
}

/// The memory that a program runs in. Each thread that runs it has its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workspace {
    arena: Arena,
    scratch: Scratch,
    rows: Rows,
    store: store::Scratch,
}

/// Scratch memory for the channels of a pixel.
#[derive(Debug, Clone, Default)]
struct Rows {
    first: Vec<f32>,
    second: Vec<f32>,
    bytes: Vec<u8>,
    sums: Vec<i32>,
}

impl Program {
    /// The number of convolutions. Each term of a sum is one.
    pub(crate) fn convolution_count(&self) -> usize {
        let of_step = |step: &Step| match &step.action {
            Action::Convolution { inputs, .. } => inputs.len(),
            Action::Depthwise { .. } => 1,
            _ => 0,
        };
        self.steps.iter().map(of_step).sum()
    }

    /// The number of convolutions that multiply bytes.
    pub(crate) fn eight_bit_count(&self) -> usize {
        let is_one = |step: &&Step| match &step.action {
            Action::Convolution { convolution, .. } => convolution.is_of_eight_bits(),
            _ => false,
        };
        self.steps.iter().filter(is_one).count()
    }

    /// The number of poolings that are steps of their own.
    pub(crate) fn pooling_count(&self) -> usize {
        let is_one = |step: &&Step| matches!(step.action, Action::Pool { .. });
        self.steps.iter().filter(is_one).count()
    }

    /// For how many images there is room.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// The dimensions of each output for a full batch.
    pub(crate) fn output_dims(&self) -> impl Iterator<Item = Dims> {
        self.outputs.iter().map(|(dims, _)| *dims)
    }

    /// Memory to run in.
    pub(crate) fn workspace(&self) -> Workspace {
        Workspace {
            arena: self.buffers.arena(),
            ..Workspace::default()
        }
    }

    /// Where a place of the batch, or all of them, are in a buffer. A buffer for one image holds just the one that is
    /// computed.
    fn places_in(&self, buffer: BufferId, places: &Range<usize>) -> Range<usize> {
        let layout = self.buffers.layout(buffer);
        if layout.batch == places.len() {
            layout.image_range(&(0..places.len()))
        } else {
            layout.image_range(places)
        }
    }

    /// Computes the outputs of `images` images. They are `[image][channels][rows][columns]`, as each input's images
    /// are `[channels][rows][columns]`.
    ///
    /// An image's values are the same, to the last bit, however many there are.
    ///
    /// # Panics
    ///
    /// Panics if there is no room for so many, or if an input has fewer.
    pub(crate) fn run(
        &self,
        images: usize,
        workspace: &mut Workspace,
        inputs: &[&[&[f32]]],
        outputs: &mut [&mut [f32]],
    ) {
        assert!(images <= self.batch, "{images} images");
        workspace.store.begin(self.batch);
        let (by_image, together) = self.steps.split_at(self.by_image);
        if !by_image.is_empty() {
            for image in 0..images {
                let place = image..image + 1;
                for step in by_image {
                    self.run_step(step, 1, &place, workspace, inputs);
                }
            }
        }
        let all = 0..self.batch;
        for step in together {
            self.run_step(step, images, &all, workspace, inputs);
        }
        for ((dims, buffer), output) in self.outputs.iter().zip(outputs) {
            let disjoint = workspace.arena.disjoint(&self.buffers, &[*buffer]);
            let TypedSlice::F32(values) = disjoint.get(*buffer) else {
                unreachable!("outputs are stored as f32")
            };
            let len = dims.image_len();
            let area = dims.height * dims.width;
            let offsets = &self.pixel_offsets[*buffer][..images * area];
            let step = store::together(dims.channels);
            let of_images = offsets
                .chunks(area.max(1))
                .zip(output.chunks_mut(len.max(1)));
            for (offsets, output) in of_images {
                for (block, offsets) in offsets.chunks(step).enumerate() {
                    for channel in 0..dims.channels {
                        let target = &mut output[channel * area + block * step..];
                        for (target, offset) in target.iter_mut().zip(offsets) {
                            *target = values[offset + channel];
                        }
                    }
                }
            }
            // Eight bits can't say that a value is not a number.
            for image in workspace.store.lost_images(images) {
                output[image * len..][..len].fill(f32::NAN);
            }
        }
    }

    /// Runs a step on the first `images` of some places of the batch.
    fn run_step(
        &self,
        step: &Step,
        images: usize,
        places: &Range<usize>,
        workspace: &mut Workspace,
        inputs: &[&[&[f32]]],
    ) {
        let Workspace {
            arena,
            scratch,
            rows,
            store,
        } = workspace;
        let mut disjoint = arena.disjoint(&self.buffers, &step.buffers);
        let mut outputs: SmallVec<[Output<'_>; 4]> = SmallVec::new();
        for output in &step.outputs {
            let values = disjoint.take(output.buffer);
            outputs.push(Output {
                values: values.range(self.places_in(output.buffer, places)),
                pixel_offsets: &self.pixel_offsets[output.buffer],
                slices: &output.slices,
            });
        }
        let read = |buffer: BufferId| {
            let values = disjoint.get(buffer);
            values.range(self.places_in(buffer, places))
        };
        let source = |operand: &Operand| Source {
            values: read(operand.buffer),
            pixel_offsets: &self.pixel_offsets[operand.buffer],
            quantum: operand.quantum,
            zero_point: match self.buffers.stored(operand.buffer) {
                Stored::U8 { zero_point } => zero_point,
                Stored::F32 | Stored::Bf16 => 0,
            },
        };
        let area = step.dims.height * step.dims.width;
        let pixels = 0..images * area;
        let channels = step.dims.channels;
        rows.first.resize(channels, 0.0);
        rows.second.resize(channels, 0.0);
        let mut to = Store::new(step.quantisation, outputs, store, places.start, area);
        match &step.action {
            Action::Load(input) => {
                for image in 0..images {
                    let values = inputs[*input][places.start + image];
                    to.image(image, &values[..channels * area]);
                }
            }
            Action::Convolution {
                convolution,
                weights,
                inputs,
                residual,
                relu,
                function,
                grid,
            } => {
                let residual = residual.map(|buffer| Residual {
                    values: read(buffer),
                    pixel_offsets: &self.pixel_offsets[buffer],
                });
                let mut epilogue = Epilogue {
                    residual,
                    relu: *relu,
                    function: *function,
                    grid: *grid,
                    outputs: to.outputs,
                };
                // Not cut off at the end: what follows is prefetched.
                let weights = &self.weights[*weights..];
                let inputs: SmallVec<[TypedSlice<'_>; 4]> =
                    inputs.iter().map(|input| read(*input)).collect();
                convolution.run(images, weights, &inputs, scratch, &mut epilogue);
            }
            Action::Depthwise {
                depthwise,
                input,
                relu,
                function,
            } => {
                let mut epilogue = Epilogue {
                    relu: *relu,
                    function: *function,
                    outputs: to.outputs,
                    ..Epilogue::default()
                };
                depthwise.run(images, read(*input), scratch, &mut epilogue);
            }
            Action::Pool {
                input,
                pooling,
                window,
            } => {
                let layout = self.buffers.layout(input.buffer);
                let source = source(input);
                run_pooling(
                    (*pooling, window),
                    layout,
                    &source,
                    step.dims,
                    pixels,
                    rows,
                    &mut to,
                );
            }
            _ => self.run_by_pixels(step, pixels, source, rows, &mut to),
        }
    }

    /// Runs a step that computes each pixel of the same pixel of its inputs.
    fn run_by_pixels<'a>(
        &self,
        step: &Step,
        pixels: Range<usize>,
        source: impl Fn(&Operand) -> Source<'a>,
        rows: &mut Rows,
        to: &mut Store<'_>,
    ) {
        let channels = step.dims.channels;
        let area = step.dims.height * step.dims.width;
        match &step.action {
            Action::Copy(input) => {
                let source = source(input);
                for pixel in pixels {
                    to.pixel(pixel, source.read(pixel, &mut rows.first));
                }
            }
            Action::Function(input, function) => {
                let source = source(input);
                for pixel in pixels {
                    let values = source.read(pixel, &mut rows.first);
                    rows.second.copy_from_slice(values);
                    function.apply(&mut rows.second);
                    to.pixel(pixel, &rows.second);
                }
            }
            Action::Slice(input, first) => {
                let layout = self.buffers.layout(input.buffer);
                rows.first.resize(layout.channels, 0.0);
                let source = source(input);
                for pixel in pixels {
                    let values = source.read(pixel, &mut rows.first);
                    to.pixel(pixel, &values[*first..][..channels]);
                }
            }
            Action::Multiply(left, right) => {
                let layout = self.buffers.layout(right.buffer);
                let is_single = layout.height * layout.width == 1;
                let (left, right) = (source(left), source(right));
                for pixel in pixels {
                    let of_right = if is_single { pixel / area } else { pixel };
                    let left = left.read(pixel, &mut rows.first);
                    let right = right.read(of_right, &mut rows.second);
                    let products = left.iter().zip(right).map(|(left, right)| left * right);
                    to.values(pixel, products);
                }
            }
            Action::Add(left, right) => {
                let (left, right) = (source(left), source(right));
                for pixel in pixels {
                    let left = left.read(pixel, &mut rows.first);
                    let right = right.read(pixel, &mut rows.second);
                    let sums = left.iter().zip(right).map(|(left, right)| left + right);
                    to.values(pixel, sums);
                }
            }
            Action::Load(_)
            | Action::Convolution { .. }
            | Action::Depthwise { .. }
            | Action::Pool { .. } => unreachable!("these read other pixels"),
        }
    }
}

/// Pools the windows of all pixels.
fn run_pooling(
    (pooling, window): (Pooling, &Window),
    layout: &Layout,
    source: &Source<'_>,
    dims: Dims,
    pixels: Range<usize>,
    rows: &mut Rows,
    to: &mut Store<'_>,
) {
    let area = dims.height * dims.width;
    let per_image = layout.height * layout.width;
    let is_kept = to.keeps(source.quantum, source.zero_point);
    rows.bytes.resize(dims.channels, 0);
    rows.sums.resize(dims.channels, 0);
    let row = &mut rows.first;
    for pixel in pixels {
        let (image, at) = (pixel / area, pixel % area);
        let of_image = &source.pixel_offsets[image * per_image..][..per_image];
        let at = [at / dims.width, at % dims.width];
        match source.values {
            TypedSlice::U8(values) if pooling == Pooling::Max => {
                let bytes = &mut rows.bytes;
                let most = greatest_bytes(window, layout, values, of_image, at, bytes);
                if is_kept {
                    to.bytes(pixel, most);
                } else {
                    source.expand(most, row);
                    to.pixel(pixel, row);
                }
            }
            TypedSlice::U8(values) => {
                let bytes = (values, source.zero_point, source.quantum);
                let sums = (&mut *rows.sums, &mut **row);
                sum_bytes(pooling, window, layout, bytes, of_image, at, sums);
                to.pixel(pixel, row);
            }
            TypedSlice::F32(values) => {
                let pooled = pool(pooling, window, layout, values, of_image, at, row);
                to.pixel(pixel, pooled);
            }
            TypedSlice::Bf16(_) => unreachable!("what is not multiplied is stored as f32"),
        }
    }
}

impl Step {
    /// A step whose value has these dimensions.
    pub(crate) fn new(
        action: Action,
        dims: Dims,
        quantisation: Option<Quantisation>,
        outputs: Vec<StepOutput>,
    ) -> Self {
        Self {
            action,
            dims,
            quantisation,
            outputs,
            buffers: Vec::new(),
        }
    }

    fn reads(&self) -> Vec<BufferId> {
        match &self.action {
            Action::Load(_) => Vec::new(),
            Action::Convolution {
                inputs, residual, ..
            } => inputs.iter().copied().chain(*residual).collect(),
            Action::Depthwise { input, .. } => vec![*input],
            Action::Copy(input)
            | Action::Function(input, _)
            | Action::Slice(input, _)
            | Action::Pool { input, .. } => vec![input.buffer],
            Action::Add(left, right) | Action::Multiply(left, right) => {
                vec![left.buffer, right.buffer]
            }
        }
    }

    fn writes(&self) -> impl Iterator<Item = BufferId> {
        self.outputs.iter().map(|output| output.buffer)
    }
}

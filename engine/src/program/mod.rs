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
mod run;
mod store;

use std::sync::Arc;

use crate::convolution::depthwise::Depthwise;
use crate::convolution::element_wise::ElementWise;
use crate::convolution::layout::Dims;
use crate::convolution::{Convolution, Scratch};
use crate::microkernel::Unit;
use crate::microkernel::aligned::AlignedVec;
use crate::microkernel::epilogue::function::Function;
use crate::microkernel::epilogue::{Bounds, ChannelSlice, Grid};
use buffers::{Arena, Buffers};
use pool::{Pooling, Window};

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
    /// The sum of one or two values, and perhaps a function of it, where a kernel's epilogue can compute them.
    ElementWise {
        element_wise: Box<ElementWise>,
        input: BufferId,
        residual: Option<BufferId>,
        function: Option<Function>,
    },
    Copy(Operand),
    Function(Operand, Function),
    /// With what is added to the square of the standard deviation.
    LayerNorm(Operand, f32),
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
    result: Vec<f32>,
    bytes: Vec<u8>,
    sums: Vec<i32>,
}

impl Program {
    /// The number of steps.
    #[cfg(test)]
    pub(crate) fn step_count(&self) -> usize {
        self.steps.len()
    }

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
            Action::ElementWise {
                input, residual, ..
            } => std::iter::once(*input).chain(*residual).collect(),
            Action::Copy(input)
            | Action::Function(input, _)
            | Action::LayerNorm(input, _)
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

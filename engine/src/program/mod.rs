//! A graph as steps on buffers.
//!
//! Each step goes over its pixels once, and puts each pixel's channels wherever they are wanted: as f32
//! where they are added or pooled, as the kernel's numbers where a convolution reads them, scaled and
//! rectified where that comes first, and directly into their channels of a concatenation. Buffers are
//! made once, with their borders of zeros, and used again for what is of the same shape.
//!
//! The first steps of a network have large images and few weights, the last ones small images and many
//! weights, and neither fits the cache as a batch. So the first steps are gone through image by image, and
//! what lies between two of them stays in the cache; then come the others, which read each weight once for
//! the whole batch.

pub(crate) mod buffers;
mod build;
mod pool;

use std::collections::BTreeMap;
use std::ops::Range;

use tract_onnx::prelude::TVec;

use crate::convolution::layout::{Border, Layout, Numbers};
use crate::convolution::{Convolution, Scratch};
use crate::graph::{Pooling, Size, Window};
use crate::microkernel::aligned::Aligned;
use crate::microkernel::epilogue::Finish;
use crate::microkernel::epilogue::{Output, Place};
use crate::program::buffers::{Arena, Buffers};
use pool::pool;

/// The steps, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    steps: Vec<Step>,
    // So many of them are gone through image by image.
    by_image: usize,
    batch: usize,
    buffers: Buffers,
    // Those of all convolutions, in the order in which they are read.
    weights: Aligned<f32>,
    // For each output its size, and the buffer that holds it.
    outputs: Vec<(Size, usize)>,
    starts: BTreeMap<Key, Vec<usize>>,
}

/// What tells layouts apart.
type Key = [usize; 8];

/// A buffer that a step's values go to, and where in it.
#[derive(Debug, Clone)]
struct Target {
    buffer: usize,
    places: Vec<Place>,
}

#[derive(Debug, Clone)]
struct Step {
    action: Action,
    size: Size,
    targets: Vec<Target>,
    // All buffers that it reads or writes, in ascending order.
    buffers: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Action {
    Load(usize),
    Convolution {
        convolution: Box<Convolution>,
        // Where its weights begin.
        weights: usize,
        // One for each of its terms.
        inputs: Vec<usize>,
        residual: Option<usize>,
        relu: bool,
    },
    Copy(usize),
    Add(usize, usize),
    Pool {
        input: usize,
        pooling: Pooling,
        window: Window,
    },
}

/// The memory of one who runs a program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    arena: Arena,
    scratch: Scratch,
    row: Vec<f32>,
}

impl Program {
    /// How many convolutions there are.
    pub(crate) fn convolutions(&self) -> usize {
        let of_step = |step: &Step| match &step.action {
            Action::Convolution { inputs, .. } => inputs.len(),
            _ => 0,
        };
        self.steps.iter().map(of_step).sum()
    }

    /// How many poolings there are that no convolution does.
    pub(crate) fn poolings(&self) -> usize {
        let is_one = |step: &&Step| matches!(step.action, Action::Pool { .. });
        self.steps.iter().filter(is_one).count()
    }

    /// The size of each output.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = Size> {
        self.outputs.iter().map(|(size, _)| *size)
    }

    /// Memory to run in.
    pub(crate) fn memory(&self) -> Memory {
        Memory {
            arena: self.buffers.arena(),
            ..Memory::default()
        }
    }

    fn starts(&self, buffer: usize) -> &[usize] {
        &self.starts[&key(self.buffers.layout(buffer))]
    }

    /// Where some images of a batch are in a buffer: one that holds no more than those has them at its
    /// beginning.
    fn images(&self, buffer: usize, images: &Range<usize>) -> Range<usize> {
        if self.buffers.layout(buffer).batch == images.len() {
            0..images.len()
        } else {
            images.clone()
        }
    }

    /// Computes the outputs, `[batch][channels][rows][columns]` as the inputs are.
    pub(crate) fn run(&self, memory: &mut Memory, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) {
        let (by_image, together) = self.steps.split_at(self.by_image);
        if !by_image.is_empty() {
            for image in 0..self.batch {
                for step in by_image {
                    self.run_step(step, image..image + 1, memory, inputs);
                }
            }
        }
        for step in together {
            self.run_step(step, 0..self.batch, memory, inputs);
        }
        for ((size, buffer), output) in self.outputs.iter().zip(outputs) {
            let apart = memory.arena.apart(&self.buffers, &[*buffer]);
            let Numbers::F32(values) = apart.get(*buffer) else {
                unreachable!("outputs are wanted as f32")
            };
            let area = size.height * size.width;
            for (pixel, start) in self.starts(*buffer).iter().enumerate() {
                let (image, at) = (pixel / area, pixel % area);
                let channels = &values[*start..][..size.channels];
                for (channel, value) in channels.iter().enumerate() {
                    output[(image * size.channels + channel) * area + at] = *value;
                }
            }
        }
    }

    fn run_step(&self, step: &Step, images: Range<usize>, memory: &mut Memory, inputs: &[&[f32]]) {
        let Memory {
            arena,
            scratch,
            row,
        } = memory;
        let mut apart = arena.apart(&self.buffers, &step.buffers);
        let mut outputs: TVec<Output<'_>> = TVec::new();
        for target in &step.targets {
            let layout = self.buffers.layout(target.buffer);
            let values = apart.take(target.buffer);
            outputs.push(Output {
                values: values.images(layout, self.images(target.buffer, &images)),
                starts: self.starts(target.buffer),
                places: &target.places,
            });
        }
        let read = |buffer: usize| {
            let layout = self.buffers.layout(buffer);
            apart
                .get(buffer)
                .images(layout, self.images(buffer, &images))
        };
        let plain = |buffer: usize| match read(buffer) {
            Numbers::F32(values) => (values, self.starts(buffer)),
            Numbers::Bf16(_) => unreachable!("what is not multiplied is f32"),
        };
        let Size {
            height,
            width,
            channels,
            ..
        } = step.size;
        let (area, pixels) = (height * width, images.len() * height * width);
        row.resize(channels, 0.0);
        let mut put = |pixel: usize, values: &[f32]| {
            for output in &mut outputs {
                output.put(pixel, 0, values);
            }
        };
        match &step.action {
            Action::Load(input) => {
                let all = &inputs[*input][images.start * channels * area..];
                let all = all.chunks(channels * area).take(images.len());
                all.enumerate()
                    .for_each(|(image, values)| load(&mut outputs, image * area, area, values));
            }
            Action::Convolution {
                convolution,
                weights,
                inputs,
                residual,
                relu,
            } => {
                let mut finish = Finish {
                    residual: residual.map(plain),
                    relu: *relu,
                    outputs,
                };
                let weights = &self.weights[*weights..];
                let inputs: TVec<Numbers<'_>> = inputs.iter().map(|input| read(*input)).collect();
                convolution.run(weights, &inputs, scratch, &mut finish);
            }
            Action::Copy(input) => {
                let (values, starts) = plain(*input);
                for (pixel, start) in starts[..pixels].iter().enumerate() {
                    put(pixel, &values[*start..][..channels]);
                }
            }
            Action::Add(left, right) => {
                let ((left, of_left), (right, of_right)) = (plain(*left), plain(*right));
                for pixel in 0..pixels {
                    let (left, right) = (&left[of_left[pixel]..], &right[of_right[pixel]..]);
                    for ((sum, left), right) in row.iter_mut().zip(left).zip(right) {
                        *sum = left + right;
                    }
                    put(pixel, row);
                }
            }
            Action::Pool {
                input,
                pooling,
                window,
            } => {
                let layout = self.buffers.layout(*input);
                let (values, starts) = plain(*input);
                let per_image = layout.height * layout.width;
                for pixel in 0..pixels {
                    let (image, at) = (pixel / area, pixel % area);
                    let of_image = &starts[image * per_image..][..per_image];
                    let at = [at / width, at % width];
                    put(
                        pixel,
                        pool(*pooling, window, layout, values, of_image, at, row),
                    );
                }
            }
        }
    }
}

/// Puts the channels of an image, one after the other, where its pixels are, of which this is the first.
fn load(outputs: &mut [Output<'_>], first: usize, area: usize, values: &[f32]) {
    for (channel, values) in values.chunks(area).enumerate() {
        for output in &mut *outputs {
            output.put_channel(first, channel, values);
        }
    }
}

impl Step {
    fn reads(&self) -> Vec<usize> {
        match &self.action {
            Action::Load(_) => Vec::new(),
            Action::Convolution {
                inputs, residual, ..
            } => inputs.iter().copied().chain(*residual).collect(),
            Action::Copy(input) | Action::Pool { input, .. } => vec![*input],
            Action::Add(left, right) => vec![*left, *right],
        }
    }

    fn writes(&self) -> impl Iterator<Item = usize> {
        self.targets.iter().map(|target| target.buffer)
    }
}

fn key(layout: &Layout) -> Key {
    let Border {
        top,
        left,
        bottom,
        right,
    } = layout.border;
    [
        layout.batch,
        layout.height,
        layout.width,
        layout.channels,
        top,
        left,
        bottom,
        right,
    ]
}

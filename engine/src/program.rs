//! A graph as steps on buffers.
//!
//! Each step goes over its pixels once, and puts each pixel's channels wherever they are wanted: as f32
//! where they are added or pooled, as the kernel's numbers where a convolution reads them, scaled and
//! rectified where that comes first, and directly into their channels of a concatenation. Buffers are
//! made once, with their borders of zeros, and used again for what is of the same shape.

mod build;

use std::collections::BTreeMap;

use crate::buffer::{Border, Layout, Values};
use crate::convolution::{Convolution, Finish, Scratch};
use crate::graph::{Pooling, Size, Window};
use crate::kernel::Number;
use crate::output::{Output, Place, raise};

/// The steps, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    steps: Vec<Step>,
    buffers: Vec<(Layout, Number)>,
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
}

#[derive(Debug, Clone)]
enum Action {
    Load(usize),
    Convolution {
        convolution: Box<Convolution>,
        input: usize,
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
    buffers: Vec<Values>,
    scratch: Scratch,
    row: Vec<f32>,
}

impl Program {
    /// How many convolutions there are.
    pub(crate) fn convolutions(&self) -> usize {
        let is_one = |step: &&Step| matches!(step.action, Action::Convolution { .. });
        self.steps.iter().filter(is_one).count()
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
        let zeros = |(layout, number): &(Layout, Number)| Values::zeros(layout, *number);
        Memory {
            buffers: self.buffers.iter().map(zeros).collect(),
            ..Memory::default()
        }
    }

    fn starts(&self, buffer: usize) -> &[usize] {
        &self.starts[&key(&self.buffers[buffer].0)]
    }

    /// Computes the outputs, `[batch][channels][rows][columns]` as the inputs are.
    pub(crate) fn run(&self, memory: &mut Memory, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) {
        for step in &self.steps {
            self.run_step(step, memory, inputs);
        }
        for ((size, buffer), output) in self.outputs.iter().zip(outputs) {
            let Values::F32(values) = &memory.buffers[*buffer] else {
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

    fn run_step(&self, step: &Step, memory: &mut Memory, inputs: &[&[f32]]) {
        // What is written is taken out for the time, so that the others can be read.
        let mut written: Vec<Values> = step
            .targets
            .iter()
            .map(|target| std::mem::take(&mut memory.buffers[target.buffer]))
            .collect();
        let outputs = written
            .iter_mut()
            .zip(&step.targets)
            .map(|(values, target)| Output {
                values,
                starts: self.starts(target.buffer),
                places: &target.places,
            });
        let mut outputs: Vec<Output<'_>> = outputs.collect();
        let plain = |buffer: usize| match &memory.buffers[buffer] {
            Values::F32(values) => (values.as_slice(), self.starts(buffer)),
            Values::Bf16(_) => unreachable!("what is not multiplied is f32"),
        };
        let Size {
            height,
            width,
            channels,
            ..
        } = step.size;
        memory.row.resize(channels, 0.0);
        let row = &mut memory.row;
        let mut put = |pixel: usize, values: &[f32]| {
            for output in &mut outputs {
                output.put(pixel, 0, values);
            }
        };
        match &step.action {
            Action::Load(input) => {
                let area = height * width;
                for pixel in 0..step.size.batch * area {
                    let image = &inputs[*input][pixel / area * channels * area..];
                    for (channel, value) in row.iter_mut().enumerate() {
                        *value = image[channel * area + pixel % area];
                    }
                    put(pixel, row);
                }
            }
            Action::Convolution {
                convolution,
                input,
                residual,
                relu,
            } => {
                let mut finish = Finish {
                    residual: residual.map(plain),
                    relu: *relu,
                    outputs,
                };
                convolution.run(&memory.buffers[*input], &mut memory.scratch, &mut finish);
            }
            Action::Copy(input) => {
                let (values, starts) = plain(*input);
                for (pixel, start) in starts.iter().enumerate() {
                    put(pixel, &values[*start..][..channels]);
                }
            }
            Action::Add(left, right) => {
                let ((left, of_left), (right, of_right)) = (plain(*left), plain(*right));
                for (pixel, (at_left, at_right)) in of_left.iter().zip(of_right).enumerate() {
                    let (left, right) = (&left[*at_left..], &right[*at_right..]);
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
                let layout = self.buffers[*input].0;
                let (values, starts) = plain(*input);
                let per_image = layout.height * layout.width;
                for pixel in 0..step.size.batch * height * width {
                    let (image, at) = (pixel / (height * width), pixel % (height * width));
                    let of_image = &starts[image * per_image..][..per_image];
                    pool(
                        *pooling,
                        window,
                        &layout,
                        values,
                        of_image,
                        [at / width, at % width],
                        row,
                    );
                    put(pixel, row);
                }
            }
        }
        for (values, target) in written.into_iter().zip(&step.targets) {
            memory.buffers[target.buffer] = values;
        }
    }
}

/// Pools the window of the pixel at this row and column.
fn pool(
    pooling: Pooling,
    window: &Window,
    layout: &Layout,
    values: &[f32],
    starts: &[usize],
    [row, column]: [usize; 2],
    pooled: &mut [f32],
) {
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
        Pooling::Mean { counts_padding } => {
            pooled.fill(0.0);
            for place in places {
                for (sum, value) in pooled.iter_mut().zip(&values[starts[place]..]) {
                    *sum += value;
                }
            }
            let count = if counts_padding {
                window.size[0] * window.size[1]
            } else {
                inside
            };
            let part = 1.0 / count as f32;
            for sum in pooled {
                *sum *= part;
            }
        }
    }
}

impl Step {
    fn reads(&self) -> Vec<usize> {
        match &self.action {
            Action::Load(_) => Vec::new(),
            Action::Convolution {
                input, residual, ..
            } => std::iter::once(*input).chain(*residual).collect(),
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

//! A graph as steps on buffers.
//!
//! Each step goes over its pixels once, and puts each pixel's channels wherever they are wanted: as f32
//! where they are added or pooled, as the kernel's numbers where a convolution reads them, scaled and
//! rectified where that comes first, and directly into their channels of a concatenation. Buffers are
//! made once, with their borders of zeros, and used again for what is of the same shape.

use std::collections::BTreeMap;

use tract_onnx::prelude::TractResult;

use crate::buffer::{Border, Layout, Values};
use crate::convolution::{Convolution, Finish};
use crate::graph::{Graph, Id, Pooling, Size, Window, Work};
use crate::kernel::{Kernel, Number};
use crate::output::{Activation, Output};

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

/// Where a step's values go.
#[derive(Debug, Clone)]
struct Target {
    buffer: usize,
    offset: usize,
    activation: Option<Activation>,
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
    sums: Vec<f32>,
    row: Vec<f32>,
}

/// How a value is wanted: as f32, as a kernel's numbers, or both.
#[derive(Debug, Clone, Copy, Default)]
struct Wants {
    plain: Option<usize>,
    multiplied: Option<usize>,
}

struct Builder<'a> {
    graph: &'a Graph,
    kernel: Kernel,
    buffers: Vec<(Layout, Number)>,
    wants: Vec<Wants>,
}

impl Program {
    /// Makes the steps for a graph.
    pub(crate) fn new(graph: &Graph, kernel: Kernel) -> TractResult<Self> {
        let mut builder = Builder {
            graph,
            kernel,
            buffers: Vec::new(),
            wants: vec![Wants::default(); graph.nodes.len()],
        };
        for id in 0..graph.nodes.len() {
            builder.decide(id);
        }
        let steps: Vec<Step> = (0..graph.nodes.len())
            .filter_map(|id| builder.step(id).transpose())
            .collect::<TractResult<_>>()?;
        let outputs = graph
            .outputs
            .iter()
            .map(|id| {
                (
                    graph.nodes[*id].size,
                    builder.wants[*id].plain.unwrap_or_default(),
                )
            })
            .collect();
        let buffers = builder.buffers;
        let starts = buffers
            .iter()
            .map(|(layout, _)| (key(layout), layout.starts().collect()))
            .collect();
        let mut program = Self {
            steps,
            buffers,
            outputs,
            starts,
        };
        program.share_buffers();
        Ok(program)
    }

    /// How many convolutions there are.
    pub(crate) fn convolutions(&self) -> usize {
        let is_one = |step: &&Step| matches!(step.action, Action::Convolution { .. });
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

    /// Lets values share a buffer of whose shape they both are, where one is no longer needed when the
    /// other comes.
    fn share_buffers(&mut self) {
        let mut last_use = vec![0; self.buffers.len()];
        let mut first_use = vec![usize::MAX; self.buffers.len()];
        for (number, step) in self.steps.iter().enumerate() {
            for buffer in step.reads().into_iter().chain(step.writes()) {
                last_use[buffer] = number;
                first_use[buffer] = first_use[buffer].min(number);
            }
        }
        for (_, buffer) in &self.outputs {
            last_use[*buffer] = usize::MAX;
        }
        let mut shared: Vec<(Layout, Number)> = Vec::new();
        let mut free_after: Vec<usize> = Vec::new();
        let mut renamed = vec![0; self.buffers.len()];
        let mut order: Vec<usize> = (0..self.buffers.len()).collect();
        order.sort_by_key(|buffer| first_use[*buffer]);
        for buffer in order {
            let wanted = self.buffers[buffer];
            let is_free = |at: &usize| shared[*at] == wanted && free_after[*at] < first_use[buffer];
            let at = (0..shared.len()).find(is_free).unwrap_or_else(|| {
                shared.push(wanted);
                free_after.push(0);
                shared.len() - 1
            });
            free_after[at] = last_use[buffer];
            renamed[buffer] = at;
        }
        for step in &mut self.steps {
            step.rename(&renamed);
        }
        for (_, buffer) in &mut self.outputs {
            *buffer = renamed[*buffer];
        }
        self.buffers = shared;
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
                offset: target.offset,
                activation: target.activation.as_ref(),
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
                convolution.run(&memory.buffers[*input], &mut memory.sums, &mut finish);
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
                for (most, value) in pooled.iter_mut().zip(&values[starts[place]..]) {
                    *most = most.max(*value);
                }
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

    fn rename(&mut self, names: &[usize]) {
        match &mut self.action {
            Action::Load(_) => {}
            Action::Convolution {
                input, residual, ..
            } => {
                *input = names[*input];
                *residual = residual.map(|residual| names[residual]);
            }
            Action::Copy(input) | Action::Pool { input, .. } => *input = names[*input],
            Action::Add(left, right) => (*left, *right) = (names[*left], names[*right]),
        }
        for target in &mut self.targets {
            target.buffer = names[target.buffer];
        }
    }
}

impl Builder<'_> {
    /// Whether a node is computed while another one's values are put away: a scale and shift of what a
    /// step computes.
    fn is_on_the_way(&self, id: Id) -> bool {
        let Work::Activate { input, .. } = &self.graph.nodes[id].work else {
            return false;
        };
        !matches!(
            self.graph.nodes[*input].work,
            Work::Concat(_) | Work::Activate { .. }
        )
    }

    /// Decides how a node's values are wanted, and makes buffers for them.
    fn decide(&mut self, id: Id) {
        let node = &self.graph.nodes[id];
        if node.work == Work::Gone {
            return;
        }
        let (mut is_plain, mut is_multiplied) = (self.graph.outputs.contains(&id), false);
        let mut border = Border::default();
        for user in self.graph.users(id) {
            match &self.graph.nodes[user].work {
                Work::Convolution(convolve) => {
                    if convolve.input == id {
                        is_multiplied = true;
                        border = border.union(convolve.shape.padding);
                    }
                    is_plain |= convolve.residual == Some(id);
                }
                // It gets them directly.
                Work::Concat(_) => {}
                Work::Activate { .. } => is_plain |= !self.is_on_the_way(user),
                _ => is_plain = true,
            }
        }
        let Size {
            batch,
            height,
            width,
            channels,
        } = node.size;
        let layout = Layout {
            border,
            ..Layout::plain(batch, height, width, channels)
        };
        let number = self.kernel.number();
        let mut wants = Wants::default();
        if is_multiplied {
            self.buffers.push((layout, number));
            wants.multiplied = Some(self.buffers.len() - 1);
        }
        if is_plain {
            wants.plain = wants
                .multiplied
                .filter(|_| number == Number::F32)
                .or_else(|| {
                    let layout = Layout::plain(batch, height, width, channels);
                    self.buffers.push((layout, Number::F32));
                    Some(self.buffers.len() - 1)
                });
        }
        self.wants[id] = wants;
    }

    /// Where a node's values go.
    fn targets(&self, id: Id) -> Vec<Target> {
        let wants = self.wants[id];
        let own = [wants.plain, wants.multiplied];
        let plain_is_other = wants.plain != wants.multiplied;
        let mut targets: Vec<Target> = own
            .into_iter()
            .enumerate()
            .filter(|(number, _)| *number == 0 || plain_is_other)
            .filter_map(|(_, buffer)| buffer)
            .map(|buffer| Target {
                buffer,
                offset: 0,
                activation: None,
            })
            .collect();
        for user in self.graph.users(id) {
            match &self.graph.nodes[user].work {
                Work::Concat(parts) => {
                    let mut first = 0;
                    for part in parts {
                        if *part == id {
                            let shift = |target: Target| Target {
                                offset: target.offset + first,
                                ..target
                            };
                            targets.extend(self.targets(user).into_iter().map(shift));
                        }
                        first += self.graph.nodes[*part].size.channels;
                    }
                }
                Work::Activate { activation, .. } if self.is_on_the_way(user) => {
                    let activate = |target: Target| Target {
                        activation: Some(activation.clone()),
                        ..target
                    };
                    targets.extend(self.targets(user).into_iter().map(activate));
                }
                _ => {}
            }
        }
        targets
    }

    fn step(&self, id: Id) -> TractResult<Option<Step>> {
        let node = &self.graph.nodes[id];
        let plain = |id: Id| self.wants[id].plain.unwrap_or_default();
        let mut targets = self.targets(id);
        let action = match &node.work {
            Work::Input(number) => Action::Load(*number),
            Work::Convolution(convolve) => {
                let input = self.wants[convolve.input].multiplied.unwrap_or_default();
                let weights = convolve.weights.try_as_plain_ram()?;
                let convolution = Convolution::new(
                    self.kernel,
                    &convolve.shape,
                    self.buffers[input].0,
                    weights.as_slice::<f32>()?,
                    &convolve.scale,
                    &convolve.bias,
                );
                Action::Convolution {
                    convolution: Box::new(convolution),
                    input,
                    residual: convolve.residual.map(plain),
                    relu: convolve.relu,
                }
            }
            Work::Activate { .. } if self.is_on_the_way(id) => return Ok(None),
            Work::Activate { input, activation } => {
                for target in &mut targets {
                    target.activation = Some(activation.clone());
                }
                Action::Copy(plain(*input))
            }
            Work::Add { left, right } => Action::Add(plain(*left), plain(*right)),
            Work::Pool {
                input,
                pooling,
                window,
            } => Action::Pool {
                input: plain(*input),
                pooling: *pooling,
                window: *window,
            },
            Work::Concat(_) | Work::Gone => return Ok(None),
        };
        Ok(Some(Step {
            action,
            size: node.size,
            targets,
        }))
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

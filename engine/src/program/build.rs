//! From a graph to the steps of a program: how each value is wanted, which buffers that takes, and where
//! each step puts its values.

use std::collections::BTreeMap;
use std::sync::Arc;

use tract_onnx::prelude::{IntoArcTensor as _, OutletId, Tensor, TractResult};

use super::{Action, Program, Step, Target, key};
use crate::convolution::Convolution;
use crate::convolution::layout::{Border, Layout};
use crate::graph::{Graph, Id, Size, Term, Work};
use crate::microkernel::aligned::Aligned;
use crate::microkernel::epilogue::Place;
use crate::microkernel::{Kernel, Number};
use crate::program::buffers::Buffers;

/// How a value is wanted: as f32, as a kernel's numbers, or both.
#[derive(Debug, Clone, Copy, Default)]
struct Wants {
    plain: Option<usize>,
    multiplied: Option<usize>,
}

/// What gives the weights at a place in tract's model.
pub(crate) type Read<'a> = &'a dyn Fn(OutletId) -> TractResult<Arc<Tensor>>;

struct Builder<'a> {
    graph: &'a Graph,
    read: Read<'a>,
    kernel: Kernel,
    // The nodes before this one are computed image by image.
    split: Id,
    buffers: Vec<(Layout, Number)>,
    wants: Vec<Wants>,
}

impl Program {
    /// Makes the steps for a graph, and reads its weights one after the other.
    pub(crate) fn new(graph: &Graph, kernel: Kernel, read: Read<'_>) -> TractResult<Self> {
        let split = split(graph);
        let mut builder = Builder {
            graph,
            read,
            kernel,
            split,
            buffers: Vec::new(),
            wants: vec![Wants::default(); graph.nodes.len()],
        };
        for id in 0..graph.nodes.len() {
            builder.decide(id);
        }
        let (mut steps, mut ids) = (Vec::new(), Vec::new());
        let mut end = 0;
        for id in 0..graph.nodes.len() {
            if let Some(mut step) = builder.step(id) {
                if let Action::Convolution {
                    convolution,
                    weights,
                    ..
                } = &mut step.action
                {
                    *weights = end;
                    end += convolution.weights();
                }
                steps.push(step);
                ids.push(id);
            }
        }
        let weights = builder.weights(end, &steps, &ids)?;
        let by_image = ids.iter().take_while(|id| **id < split).count();
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
        let mut program = Self {
            steps,
            by_image,
            batch: graph.nodes.first().map_or(0, |node| node.size.batch),
            buffers: Buffers::default(),
            weights,
            outputs,
            starts: BTreeMap::new(),
        };
        program.buffers = Buffers::new(&program.share(&buffers));
        let starts = |layout: &Layout| (key(layout), layout.starts().collect());
        program.starts = program.buffers.layouts().map(starts).collect();
        for step in &mut program.steps {
            step.buffers = step.reads().into_iter().chain(step.writes()).collect();
            step.buffers.sort_unstable();
            step.buffers.dedup();
        }
        Ok(program)
    }

    /// Lets values share a buffer of whose shape they both are, where one is no longer needed when the
    /// other comes. Returns the buffers that are left.
    fn share(&mut self, buffers: &[(Layout, Number)]) -> Vec<(Layout, Number)> {
        let mut last_use = vec![0; buffers.len()];
        let mut first_use = vec![usize::MAX; buffers.len()];
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
        let mut renamed = vec![0; buffers.len()];
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|buffer| first_use[*buffer]);
        for buffer in order {
            let wanted = buffers[buffer];
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
        shared
    }
}

impl Step {
    fn rename(&mut self, names: &[usize]) {
        match &mut self.action {
            Action::Load(_) => {}
            Action::Convolution {
                inputs, residual, ..
            } => {
                for input in inputs {
                    *input = names[*input];
                }
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
                    for term in convolve.terms.iter().filter(|term| term.input == id) {
                        is_multiplied = true;
                        border = border.union(term.shape.padding);
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
            height,
            width,
            channels,
            ..
        } = node.size;
        let batch = self.batch_of(id);
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

    /// How many images of a node there are at a time: one where all that need it are gone through image
    /// by image, too.
    fn batch_of(&self, id: Id) -> usize {
        let is_over = |id: Id| {
            let users = self.graph.users(id);
            id < self.split && users.iter().all(|user| *user < self.split)
        };
        if is_over(id) && !self.graph.outputs.contains(&id) {
            1
        } else {
            self.graph.nodes[id].size.batch
        }
    }

    /// Where a node's values go, each buffer once.
    fn targets(&self, id: Id) -> Vec<Target> {
        let mut targets: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
        for (buffer, place) in self.places(id) {
            targets.entry(buffer).or_default().push(place);
        }
        let target = |(buffer, places)| Target { buffer, places };
        targets.into_iter().map(target).collect()
    }

    /// Where a node's values go: which buffers, and where in them.
    fn places(&self, id: Id) -> Vec<(usize, Place)> {
        let wants = self.wants[id];
        let own = [wants.plain, wants.multiplied];
        let plain_is_other = wants.plain != wants.multiplied;
        let own = own
            .into_iter()
            .enumerate()
            .filter(|(number, _)| *number == 0 || plain_is_other)
            .filter_map(|(_, buffer)| buffer);
        let first = Place {
            offset: 0,
            activation: None,
        };
        let mut places: Vec<(usize, Place)> = own.map(|buffer| (buffer, first.clone())).collect();
        for user in self.graph.users(id) {
            match &self.graph.nodes[user].work {
                Work::Concat(parts) => {
                    let mut first = 0;
                    for part in parts {
                        if *part == id {
                            for (buffer, mut place) in self.places(user) {
                                place.offset += first;
                                places.push((buffer, place));
                            }
                        }
                        first += self.graph.nodes[*part].size.channels;
                    }
                }
                Work::Activate { activation, .. } if self.is_on_the_way(user) => {
                    for (buffer, mut place) in self.places(user) {
                        place.activation = Some(activation.clone());
                        places.push((buffer, place));
                    }
                }
                _ => {}
            }
        }
        places
    }

    /// The packed weights of all convolutions, `len` in all, each read and let go before the next.
    fn weights(&self, len: usize, steps: &[Step], ids: &[Id]) -> TractResult<Aligned<f32>> {
        let mut packed = Aligned::default();
        packed.grow(len);
        for (step, id) in steps.iter().zip(ids) {
            if let (
                Action::Convolution {
                    convolution,
                    weights: first,
                    ..
                },
                Work::Convolution(convolve),
            ) = (&step.action, &self.graph.nodes[*id].work)
            {
                for (number, term) in convolve.terms.iter().enumerate() {
                    let weights = (self.read)(term.weights.outlet)?;
                    let weights = if term.weights.turned {
                        turned(&weights)?
                    } else {
                        weights
                    };
                    let weights = weights.try_as_plain_ram()?;
                    let weights = weights.as_slice::<f32>()?;
                    convolution.pack(number, weights, &term.scale, &mut packed[*first..]);
                }
            }
        }
        Ok(packed)
    }

    fn step(&self, id: Id) -> Option<Step> {
        let node = &self.graph.nodes[id];
        let plain = |id: Id| self.wants[id].plain.unwrap_or_default();
        let mut targets = self.targets(id);
        let action = match &node.work {
            Work::Input(number) => Action::Load(*number),
            Work::Convolution(convolve) => {
                let buffer = |term: &Term| self.wants[term.input].multiplied.unwrap_or_default();
                let inputs: Vec<usize> = convolve.terms.iter().map(buffer).collect();
                let layout = |input: &usize| Layout {
                    batch: if id < self.split { 1 } else { node.size.batch },
                    ..self.buffers[*input].0
                };
                let shapes = convolve.terms.iter().map(|term| term.shape);
                let terms: Vec<_> = shapes.zip(inputs.iter().map(layout)).collect();
                let convolution = Convolution::new(self.kernel, &terms, &convolve.bias);
                Action::Convolution {
                    convolution: Box::new(convolution),
                    weights: 0,
                    inputs,
                    residual: convolve.residual.map(plain),
                    relu: convolve.relu,
                }
            }
            Work::Activate { .. } if self.is_on_the_way(id) => return None,
            Work::Activate { input, activation } => {
                for place in targets.iter_mut().flat_map(|target| &mut target.places) {
                    place.activation = Some(activation.clone());
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
            Work::Concat(_) | Work::Gone => return None,
        };
        Some(Step {
            action,
            size: node.size,
            targets,
            buffers: Vec::new(),
        })
    }
}

/// The first node that reads more weights than values of an image: it and those behind it are better
/// computed for the whole batch, those before it image by image.
fn split(graph: &Graph) -> Id {
    let batch = graph.nodes.first().map_or(0, |node| node.size.batch);
    let of_image = |id: Id| {
        let size = graph.nodes[id].size;
        size.height * size.width * size.channels
    };
    let is_heavy = |id: &Id| match &graph.nodes[*id].work {
        Work::Convolution(convolve) => {
            let weights = |term: &Term| {
                let [rows, columns] = term.shape.window;
                let inputs = graph.nodes[term.input].size.channels;
                term.shape.channels * inputs * rows * columns
            };
            let weights: usize = convolve.terms.iter().map(weights).sum();
            let inputs = convolve.terms.iter().map(|term| of_image(term.input));
            weights > inputs.sum::<usize>() + of_image(*id)
        }
        _ => false,
    };
    if batch < 2 || graph.nodes.iter().any(|node| node.size.batch != batch) {
        return 0;
    }
    (0..graph.nodes.len()).find(is_heavy).unwrap_or_default()
}

/// A matrix with its columns as rows.
fn turned(matrix: &Tensor) -> TractResult<Arc<Tensor>> {
    Ok(matrix.clone().permute_axes(&[1, 0])?.into_arc_tensor())
}

//! Rewrites a model: each region of nodes that the engine can compute becomes one operator.

use std::collections::HashMap;

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use super::constants::Constants;
use super::limit::Limit;
use super::matches::Matches;
use super::nodes::{self, ModelWeights};
use super::op::FusedRegion;
use super::pattern::{Match, Pattern};
use super::softmax::RowSoftmax;
use crate::convolution::layout::Dims;
use crate::graph::{self, Graph, Kernels};
use crate::program::Program;

/// Rewrites a model whose shapes are known. Also returns the number of convolutions that were replaced: with
/// no kernel, none.
pub(crate) fn rewrite(
    model: &TypedModel,
    kernels: Option<Kernels>,
) -> TractResult<(TypedModel, usize)> {
    let Rewritten {
        model,
        convolutions,
        ..
    } = rewrite_with(model, kernels, None)?;
    Ok((model, convolutions))
}

/// Rewrites a model with one input, and splits off its *trunk*: the region that alone reads the input, with room for
/// `room` images. What is left has the trunk's outputs as its inputs. Without such a region the model stays whole.
pub(crate) fn split(
    model: &TypedModel,
    kernels: Option<Kernels>,
    room: usize,
) -> TractResult<(Option<Program>, TypedModel)> {
    let Rewritten { trunk, model, .. } = rewrite_with(model, kernels, Some(room))?;
    Ok((trunk, model))
}

struct Rewritten {
    trunk: Option<Program>,
    model: TypedModel,
    convolutions: usize,
}

fn rewrite_with(
    model: &TypedModel,
    kernels: Option<Kernels>,
    room: Option<usize>,
) -> TractResult<Rewritten> {
    let constants = Constants::find(model)?;
    let matches = Matches::find(&constants)?;
    let mut rewriter = Rewriter {
        model,
        constants: &constants,
        matches: &matches,
        kernels,
        room,
        trunk: None,
        target: TypedModel::default(),
        mapped: HashMap::new(),
        convolutions: 0,
    };
    if room.is_none() {
        rewriter.map_inputs()?;
    }
    let outputs = model.output_outlets()?.to_vec();
    let outputs: TVec<OutletId> = outputs
        .into_iter()
        .map(|output| rewriter.map(output))
        .collect::<TractResult<_>>()?;
    if rewriter.trunk.is_none() {
        rewriter.map_inputs()?;
    }
    rewriter.target.select_output_outlets(&outputs)?;
    Ok(Rewritten {
        trunk: rewriter.trunk,
        model: rewriter.target,
        convolutions: rewriter.convolutions,
    })
}

struct Rewriter<'a> {
    model: &'a TypedModel,
    constants: &'a Constants<'a>,
    matches: &'a Matches<'a>,
    kernels: Option<Kernels>,
    // For how many images the trunk has room, if it is to be split off; and the trunk.
    room: Option<usize>,
    trunk: Option<Program>,
    target: TypedModel,
    // Where each value of the model is in the target.
    mapped: HashMap<OutletId, OutletId>,
    convolutions: usize,
}

impl<'a> Rewriter<'a> {
    fn map_inputs(&mut self) -> TractResult<()> {
        for input in self.model.input_outlets()? {
            self.map(*input)?;
        }
        Ok(())
    }

    /// The value of the target that takes the place of a value of the model.
    ///
    /// It keeps what is still to be done in a list of its own: a long network has more values between its input and its
    /// output than a thread's stack has room for.
    fn map(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        let mut open = vec![outlet];
        while let Some(&next) = open.last() {
            let missing = self.needs(next);
            if !missing.is_empty() {
                open.extend(missing);
                continue;
            }
            open.pop();
            if self.mapped.contains_key(&next) {
                continue;
            }
            match self.region_of(next.node) {
                Some((nodes, kernels)) => self.replace(nodes, kernels)?,
                None => self.copy(next.node)?,
            }
        }
        Ok(self.mapped[&outlet])
    }

    /// The region that a node becomes a part of, and its kernels.
    fn region_of(&self, id: usize) -> Option<(&'a [usize], Kernels)> {
        let matches = self.matches;
        matches.region_of(id).zip(self.kernels)
    }

    /// What must be mapped before a value, and isn't yet.
    fn needs(&self, outlet: OutletId) -> Vec<OutletId> {
        if self.mapped.contains_key(&outlet) {
            return Vec::new();
        }
        let mut needed = match self.region_of(outlet.node) {
            Some((region, _)) => {
                let inputs = self.matches.inputs_of(region);
                let is_trunk = self.room.is_some() && self.is_trunk(region, &inputs);
                if is_trunk { Vec::new() } else { inputs }
            }
            None if self.constants.contains(outlet.node.into()) => Vec::new(),
            None => self.model.node(outlet.node).inputs.clone(),
        };
        needed.retain(|input| !self.mapped.contains_key(input));
        needed
    }

    /// Copies a node that stays tract's.
    fn copy(&mut self, id: usize) -> TractResult<()> {
        let node = self.model.node(id);
        if self.constants.contains(id.into())
            && let Ok(value) = self.constants.value(id.into())
        {
            let constant = self.target.add_const(&node.name, value)?;
            self.mapped.insert(id.into(), constant);
            return Ok(());
        }
        // These are mapped, but for those of a constant that has no value outside of a run.
        let inputs = node.inputs.iter().map(|input| self.map(*input));
        let inputs = inputs.collect::<TractResult<TVec<OutletId>>>()?;
        let outputs = if self.model.input_outlets()?.contains(&id.into()) {
            tvec!(
                self.target
                    .add_source(&node.name, node.outputs[0].fact.clone())?
            )
        } else if let Some(softmax) = RowSoftmax::replacing(self.model, node) {
            self.target.wire_node(&node.name, softmax, &inputs)?
        } else if let Some(limit) = Limit::replacing(self.model, node) {
            self.target.wire_node(&node.name, limit, &inputs)?
        } else {
            self.target
                .wire_node(&node.name, node.op.clone(), &inputs)?
        };
        for (slot, output) in outputs.into_iter().enumerate() {
            self.mapped.insert(OutletId::new(id, slot), output);
        }
        Ok(())
    }

    /// Replaces the nodes of a region by one operator.
    fn replace(&mut self, region: &[usize], kernels: Kernels) -> TractResult<()> {
        let mut graph = Graph::default();
        let mut weights = ModelWeights::new(self.constants);
        // Where each value is in the graph.
        let mut ids: HashMap<OutletId, graph::NodeId> = HashMap::new();
        let inputs = self.matches.inputs_of(region);
        let mut parts = 0;
        for node in region {
            let Match {
                pattern,
                images,
                dims,
                ..
            } = self.matches.of(*node);
            for image in images {
                if let Some(number) = inputs.iter().position(|input| input == image)
                    && !ids.contains_key(image)
                {
                    let dims = self.matches.dims(*image)?;
                    ids.insert(*image, graph.push(graph::Op::Input(number), dims));
                }
            }
            let images: Vec<graph::NodeId> = images.iter().map(|image| ids[image]).collect();
            if let Pattern::Convolution { groups, .. } = pattern {
                // In groups it counts as one.
                parts += groups - 1;
            }
            let id = nodes::push(&mut graph, pattern, &images, *dims, &mut weights);
            ids.insert(OutletId::new(*node, 0), id);
        }
        let mut outputs: Vec<OutletId> = Vec::new();
        for node in region {
            let outlet = OutletId::new(*node, 0);
            if self.matches.is_used_outside(outlet, region) {
                outputs.push(outlet);
            }
        }
        graph.outputs = outputs.iter().map(|outlet| ids[outlet]).collect();
        let room = self.room.filter(|_| self.is_trunk(region, &inputs));
        if let Some(room) = room {
            graph.resize(room);
        }
        graph.fuse();
        let program = graph::lower(&graph, kernels, &weights)?;
        self.convolutions += program.convolution_count() - parts;
        let name = format!("{}.region", self.model.node(region[0]).name);
        if room.is_some() {
            for (slot, output) in outputs.into_iter().enumerate() {
                // In whichever form tract has it.
                let Dims {
                    batch,
                    height,
                    width,
                    channels,
                } = self.matches.dims(output)?;
                let fact = f32::fact([batch, channels, height, width]);
                let source = self.target.add_source(format!("{name}.{slot}"), fact)?;
                self.mapped.insert(output, source);
            }
            self.trunk = Some(program);
            return Ok(());
        }
        let inputs: TVec<OutletId> = inputs.iter().map(|of| self.mapped[of]).collect();
        let wired = self
            .target
            .wire_node(name, FusedRegion::new(program), &inputs)?;
        self.mapped.extend(outputs.into_iter().zip(wired));
        Ok(())
    }

    /// Whether a region reads the model's only input, nothing else, and alone.
    fn is_trunk(&self, region: &[usize], inputs: &[OutletId]) -> bool {
        let &[input] = inputs else {
            return false;
        };
        let is_only_input = self.model.inputs == [input];
        is_only_input && !self.matches.is_used_outside(input, region)
    }
}

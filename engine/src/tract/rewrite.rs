//! Rewrites a model: each region of nodes that the engine can compute becomes one operator.
//!
//! A region is as large as can be. Two of the engine's nodes must not share one if one needs the other by way
//! of a node that stays tract's: the operator would need its own output. A node's *level* counts how often
//! the way from the inputs to it leaves the engine's nodes. Nodes of one level can't depend on each other
//! through tract's, so all nodes of one level are one region.

use std::collections::{BTreeMap, HashMap};

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use super::constants::Constants;
use super::cost::Cost;
use super::limit::Limit;
use super::nodes::{self, ModelWeights};
use super::op::FusedRegion;
use super::pattern::{self, Match, Pattern};
use super::softmax::RowSoftmax;
use super::squeezed;
use crate::convolution::layout::Dims;
use crate::graph::{self, Graph, Kernels};
use crate::program::Program;

/// The engine's nodes of a model, and the level of each node.
struct Matches {
    found: HashMap<usize, Match>,
    levels: Vec<usize>,
}

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
    let mut regions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for node in model.eval_order()? {
        if matches.found.contains_key(&node) {
            regions.entry(matches.levels[node]).or_default().push(node);
        }
    }
    regions.retain(|_, nodes| Cost::of(model, &matches.found, nodes).pays());

    let mut rewriter = Rewriter {
        model,
        constants: &constants,
        matches: &matches,
        regions: &regions,
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

impl Matches {
    fn find(constants: &Constants) -> TractResult<Self> {
        let model = constants.model;
        let mut found = HashMap::new();
        let mut levels = vec![0; model.nodes().len()];
        for id in model.eval_order()? {
            let is_found = |outlet: OutletId| found.contains_key(&outlet.node);
            let is_squeezed = |outlet| squeezed::is_pixel(model, outlet) && is_found(outlet);
            if let Some(matched) = pattern::classify(constants, model.node(id), &is_squeezed) {
                found.insert(id, matched);
            }
        }
        squeezed::retain_enclosed(model, &mut found);
        for id in model.eval_order()? {
            let node = model.node(id);
            let is_ours = found.contains_key(&id);
            let level = |input: &OutletId| {
                let leaves = found.contains_key(&input.node) && !is_ours;
                levels[input.node] + usize::from(leaves)
            };
            // A node without inputs is on the first level.
            levels[id] = node.inputs.iter().map(level).max().unwrap_or_default();
        }
        Ok(Self { found, levels })
    }
}

struct Rewriter<'a> {
    model: &'a TypedModel,
    constants: &'a Constants<'a>,
    matches: &'a Matches,
    // The nodes of each region, by level, in topological order.
    regions: &'a BTreeMap<usize, Vec<usize>>,
    kernels: Option<Kernels>,
    // For how many images the trunk has room, if it is to be split off; and the trunk.
    room: Option<usize>,
    trunk: Option<Program>,
    target: TypedModel,
    // Where each value of the model is in the target.
    mapped: HashMap<OutletId, OutletId>,
    convolutions: usize,
}

impl Rewriter<'_> {
    fn map_inputs(&mut self) -> TractResult<()> {
        for input in self.model.input_outlets()? {
            self.map(*input)?;
        }
        Ok(())
    }

    /// The value of the target that takes the place of a value of the model.
    fn map(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        if let Some(mapped) = self.mapped.get(&outlet) {
            return Ok(*mapped);
        }
        let is_ours = self.matches.found.contains_key(&outlet.node);
        let region = self.regions.get(&self.matches.levels[outlet.node]);
        match (self.kernels, region) {
            (Some(kernels), Some(nodes)) if is_ours => self.replace(nodes, kernels)?,
            _ => self.copy(outlet.node)?,
        }
        Ok(self.mapped[&outlet])
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
        // Where each value is in the graph, and what the operator's inputs are.
        let mut ids: HashMap<OutletId, graph::NodeId> = HashMap::new();
        let mut inputs: Vec<OutletId> = Vec::new();
        let mut parts = 0;
        for node in region {
            let (pattern, images) = &self.matches.found[node];
            for image in images {
                if !ids.contains_key(image) {
                    let dims = self.dims(*image)?;
                    ids.insert(*image, graph.push(graph::Op::Input(inputs.len()), dims));
                    inputs.push(*image);
                }
            }
            let images: Vec<graph::NodeId> = images.iter().map(|image| ids[image]).collect();
            let outlet = OutletId::new(*node, 0);
            let dims = self.dims(outlet)?;
            if let Pattern::Convolution { groups, .. } = pattern {
                // In groups it counts as one.
                parts += groups - 1;
            }
            let id = nodes::push(&mut graph, pattern, &images, dims, &mut weights);
            ids.insert(outlet, id);
        }
        let mut outputs: Vec<OutletId> = Vec::new();
        for node in region {
            if self.is_used_outside(*node, region)? {
                outputs.push(OutletId::new(*node, 0));
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
                let fact = self.model.outlet_fact(output)?.without_value();
                let source = self.target.add_source(format!("{name}.{slot}"), fact)?;
                self.mapped.insert(output, source);
            }
            self.trunk = Some(program);
            return Ok(());
        }
        let inputs = inputs.into_iter().map(|input| self.map(input));
        let inputs = inputs.collect::<TractResult<TVec<OutletId>>>()?;
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
        let users = &self.model.node(input.node).outputs[input.slot].successors;
        is_only_input
            && !self.model.outputs.contains(&input)
            && users.iter().all(|user| region.contains(&user.node))
    }

    /// Whether a node's values are needed outside of its region.
    fn is_used_outside(&self, id: usize, region: &[usize]) -> TractResult<bool> {
        let successors = &self.model.node(id).outputs[0].successors;
        let is_output = self.model.output_outlets()?.contains(&id.into());
        Ok(is_output || successors.iter().any(|user| !region.contains(&user.node)))
    }

    fn dims(&self, outlet: OutletId) -> TractResult<Dims> {
        pattern::value_dims(self.model.outlet_fact(outlet)?).context("images of a known size")
    }
}

//! Puts an operator of ours in the place of many of tract's.
//!
//! The nodes that this engine computes are taken together as far as they go: all of them between the
//! same nodes that it doesn't compute are one operator. A node's *level* says how often the way to it
//! leaves what is ours; nodes of one level can't need each other by way of a node that is not ours, so
//! each level is one operator.

use std::collections::{BTreeMap, HashMap};

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use super::pattern::{self, Found};
use crate::graph::{Convolve, Graph, Term, Work};
use crate::microkernel::Kernel;
use crate::program::Program;
use crate::tract::constants::Constants;
use crate::tract::op::Convolutions;
use crate::tract::softmax::RowSoftmax;

/// What is ours of a model.
struct Plan {
    found: HashMap<usize, (Found, Vec<OutletId>)>,
    levels: Vec<usize>,
}

/// Replaces what can be computed faster, and says how many convolutions that were. The model's shapes
/// must be known.
pub(crate) fn accelerate(model: &TypedModel, kernel: Kernel) -> TractResult<(TypedModel, usize)> {
    let constants = Constants::of(model)?;
    let plan = Plan::of(&constants)?;
    let mut regions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for node in model.eval_order()? {
        if plan.found.contains_key(&node) {
            regions.entry(plan.levels[node]).or_default().push(node);
        }
    }
    let is_convolution = |node: &usize| matches!(plan.found[node].0, Found::Convolution { .. });
    regions.retain(|_, nodes| nodes.iter().any(is_convolution));

    let mut rewriter = Rewriter {
        model,
        constants: &constants,
        plan: &plan,
        regions: &regions,
        kernel,
        target: TypedModel::default(),
        mapped: HashMap::new(),
        convolutions: 0,
    };
    for input in model.input_outlets()? {
        rewriter.map(*input)?;
    }
    let outputs = model.output_outlets()?.to_vec();
    let outputs: TVec<OutletId> = outputs
        .into_iter()
        .map(|output| rewriter.map(output))
        .collect::<TractResult<_>>()?;
    rewriter.target.select_output_outlets(&outputs)?;
    Ok((rewriter.target, rewriter.convolutions))
}

impl Plan {
    fn of(constants: &Constants) -> TractResult<Self> {
        let model = constants.model;
        let mut found = HashMap::new();
        let mut levels = vec![0; model.nodes().len()];
        for id in model.eval_order()? {
            let node = model.node(id);
            if let Some(ours) = pattern::look(constants, node) {
                found.insert(id, ours);
            }
            let is_ours = found.contains_key(&id);
            let level = |input: &OutletId| {
                let leaves = found.contains_key(&input.node) && !is_ours;
                levels[input.node] + usize::from(leaves)
            };
            levels[id] = node.inputs.iter().map(level).max().unwrap_or_default();
        }
        Ok(Self { found, levels })
    }
}

struct Rewriter<'a> {
    model: &'a TypedModel,
    constants: &'a Constants<'a>,
    plan: &'a Plan,
    regions: &'a BTreeMap<usize, Vec<usize>>,
    kernel: Kernel,
    target: TypedModel,
    mapped: HashMap<OutletId, OutletId>,
    convolutions: usize,
}

impl Rewriter<'_> {
    /// The value in the new model that is this one in the old.
    fn map(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        if let Some(mapped) = self.mapped.get(&outlet) {
            return Ok(*mapped);
        }
        let is_ours = self.plan.found.contains_key(&outlet.node);
        match self.regions.get(&self.plan.levels[outlet.node]) {
            Some(nodes) if is_ours => self.replace(nodes)?,
            _ => self.copy(outlet.node)?,
        }
        Ok(self.mapped[&outlet])
    }

    /// A node that stays what it is.
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
        } else if let Some(softmax) = RowSoftmax::of(self.model, node) {
            self.target.wire_node(&node.name, softmax, &inputs)?
        } else {
            self.target
                .wire_node(&node.name, node.op.clone(), &inputs)?
        };
        for (slot, output) in outputs.into_iter().enumerate() {
            self.mapped.insert(OutletId::new(id, slot), output);
        }
        Ok(())
    }

    /// Nodes that become one.
    fn replace(&mut self, nodes: &[usize]) -> TractResult<()> {
        let mut graph = Graph::default();
        let mut ids: HashMap<OutletId, usize> = HashMap::new();
        let mut inputs: Vec<OutletId> = Vec::new();
        for node in nodes {
            let (found, images) = &self.plan.found[node];
            for image in images {
                if !ids.contains_key(image) {
                    let size = self.size(*image)?;
                    ids.insert(*image, graph.push(Work::Input(inputs.len()), size));
                    inputs.push(*image);
                }
            }
            let images: Vec<usize> = images.iter().map(|image| ids[image]).collect();
            let outlet = OutletId::new(*node, 0);
            let size = self.size(outlet)?;
            ids.insert(outlet, graph.push(work(found, &images), size));
        }
        let wanted: Vec<usize> = nodes
            .iter()
            .copied()
            .filter(|node| self.is_wanted(*node, nodes))
            .collect();
        graph.outputs = wanted
            .iter()
            .map(|node| ids[&OutletId::new(*node, 0)])
            .collect();
        graph.simplify();
        let program = Program::new(&graph, self.kernel, &|outlet| self.constants.value(outlet))?;
        self.convolutions += program.convolutions();
        let inputs = inputs.into_iter().map(|input| self.map(input));
        let inputs = inputs.collect::<TractResult<TVec<OutletId>>>()?;
        let name = format!("{}.region", self.model.node(nodes[0]).name);
        let outputs = self
            .target
            .wire_node(name, Convolutions::new(program), &inputs)?;
        for (node, output) in wanted.into_iter().zip(outputs) {
            self.mapped.insert(OutletId::new(node, 0), output);
        }
        Ok(())
    }

    /// Whether a node's values are needed outside of its region.
    fn is_wanted(&self, id: usize, nodes: &[usize]) -> bool {
        let successors = &self.model.node(id).outputs[0].successors;
        let is_output = self
            .model
            .output_outlets()
            .is_ok_and(|outputs| outputs.contains(&id.into()));
        is_output || successors.iter().any(|user| !nodes.contains(&user.node))
    }

    fn size(&self, outlet: OutletId) -> TractResult<crate::graph::Size> {
        pattern::size(self.model.outlet_fact(outlet)?).context("images of a known size")
    }
}

fn work(found: &Found, images: &[usize]) -> Work {
    match found {
        Found::Convolution {
            shape,
            weights,
            bias,
        } => Work::Convolution(Box::new(Convolve {
            terms: vec![Term {
                input: images[0],
                shape: *shape,
                weights: *weights,
                scale: vec![1.0; shape.channels],
            }],
            bias: bias.clone(),
            residual: None,
            relu: false,
        })),
        Found::Activate(activation) => Work::Activate {
            input: images[0],
            activation: activation.clone(),
        },
        Found::Add => Work::Add {
            left: images[0],
            right: images[1],
        },
        Found::Pool { pooling, window } => Work::Pool {
            input: images[0],
            pooling: *pooling,
            window: *window,
        },
        Found::Concat => Work::Concat(images.to_vec()),
    }
}

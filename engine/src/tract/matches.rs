//! The engine's nodes of a model, and which of them are one region.
//!
//! A region is as large as can be. Two of the engine's nodes must not share one if one needs the other by way
//! of a node that stays tract's: the operator would need its own output. A node's *level* counts how often
//! the way from the inputs to it leaves the engine's nodes. Nodes of one level can't depend on each other
//! through tract's, so all nodes of one level are one region.

use std::collections::{BTreeMap, HashMap, HashSet};

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use super::constants::Constants;
use super::cost::Cost;
use super::forms::{Form, Images};
use super::pattern::{self, Match};
use crate::convolution::layout::Dims;

/// The engine's nodes of a model, in regions.
pub(super) struct Matches<'a> {
    model: &'a TypedModel,
    found: HashMap<usize, Match>,
    // The nodes that need a value. A node that has become part of another pattern, and of nothing else, needs none.
    users: HashMap<OutletId, Vec<usize>>,
    // Of each node.
    levels: Vec<usize>,
    // The nodes of each region, by level, in topological order.
    regions: BTreeMap<usize, Vec<usize>>,
}

impl<'a> Matches<'a> {
    /// Looks at all nodes.
    pub(super) fn find(constants: &Constants<'a>) -> TractResult<Self> {
        let model = constants.model;
        let order = model.eval_order()?;
        let mut matches = Self {
            model,
            found: HashMap::new(),
            users: HashMap::new(),
            levels: Vec::new(),
            regions: BTreeMap::new(),
        };
        for id in &order {
            if let Some(matched) = pattern::classify(constants, model.node(*id), matches.images()) {
                matches.found.insert(*id, matched);
            }
        }
        // What is taken out is tract's, with all of its inputs. That may tear other values, and levels change.
        loop {
            matches.find_users();
            if !matches.remove_torn() && !matches.remove_unpaid(&order) {
                return Ok(matches);
            }
        }
    }

    pub(super) fn images(&self) -> Images<'_> {
        Images {
            model: self.model,
            found: &self.found,
        }
    }

    /// What a node is to the engine.
    pub(super) fn of(&self, id: usize) -> &Match {
        &self.found[&id]
    }

    /// The region of a node; `None` if it stays tract's.
    pub(super) fn region_of(&self, id: usize) -> Option<&[usize]> {
        let region = self.regions.get(&self.levels[id])?;
        self.found.contains_key(&id).then_some(region)
    }

    /// The images that a region needs, in the order in which its nodes do.
    pub(super) fn inputs_of(&self, region: &[usize]) -> Vec<OutletId> {
        let mut inputs: Vec<OutletId> = Vec::new();
        for image in region.iter().flat_map(|id| &self.of(*id).images) {
            if !region.contains(&image.node) && !inputs.contains(image) {
                inputs.push(*image);
            }
        }
        inputs
    }

    /// Whether a value is needed outside of a region.
    pub(super) fn is_used_outside(&self, outlet: OutletId, region: &[usize]) -> bool {
        let mut users = self.users_of(outlet).iter();
        self.model.outputs.contains(&outlet) || users.any(|user| !region.contains(user))
    }

    /// The dimensions of a value that is of images.
    pub(super) fn dims(&self, outlet: OutletId) -> TractResult<Dims> {
        let dims = self.images().dims(outlet);
        dims.context("images of a known size")
    }

    pub(super) fn users_of(&self, outlet: OutletId) -> &[usize] {
        self.users.get(&outlet).map_or(&[], Vec::as_slice)
    }

    /// The values that a node needs, but for constants of the engine's nodes.
    fn inputs(&self, id: usize) -> &[OutletId] {
        match self.found.get(&id) {
            Some(matched) => &matched.images,
            None => &self.model.node(id).inputs,
        }
    }

    fn find_users(&mut self) {
        let mut users: HashMap<OutletId, Vec<usize>> = HashMap::new();
        let mut seen = HashSet::new();
        let outputs = self.model.outputs.iter().map(|output| output.node);
        let mut open: Vec<usize> = outputs.collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            for input in self.inputs(id) {
                users.entry(*input).or_default().push(id);
                open.push(input.node);
            }
        }
        self.users = users;
    }

    /// Takes out the nodes whose values have a form that tract would have to read or to write, since not all that need or
    /// compute it are ours. Returns whether there were any.
    fn remove_torn(&mut self) -> bool {
        let is_other = |form: Form| form != Form::ChannelsFirst;
        let is_torn = |id: &usize| {
            let Match {
                images,
                reads,
                form,
                ..
            } = &self.found[id];
            let outlet = OutletId::new(*id, 0);
            let is_tracts = |id: &usize| !self.found.contains_key(id);
            let is_read_by_tract =
                self.model.outputs.contains(&outlet) || self.users_of(outlet).iter().any(is_tracts);
            let is_written_by_tract = images.iter().any(|image| is_tracts(&image.node));
            is_other(*form) && is_read_by_tract || is_other(*reads) && is_written_by_tract
        };
        let torn: Vec<usize> = self.found.keys().copied().filter(is_torn).collect();
        self.found.retain(|id, _| !torn.contains(id));
        !torn.is_empty()
    }

    /// Finds the regions, and takes out the nodes of those that don't pay. Returns whether there were any.
    fn remove_unpaid(&mut self, order: &[usize]) -> bool {
        let mut levels = vec![0; self.model.nodes().len()];
        let mut regions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for id in order {
            let is_ours = self.found.contains_key(id);
            let level = |input: &OutletId| {
                let leaves = self.found.contains_key(&input.node) && !is_ours;
                levels[input.node] + usize::from(leaves)
            };
            // A node without inputs is on the first level.
            levels[*id] = self.inputs(*id).iter().map(level).max().unwrap_or_default();
            let outlet = OutletId::new(*id, 0);
            let is_needed =
                self.model.outputs.contains(&outlet) || !self.users_of(outlet).is_empty();
            if is_ours && is_needed {
                regions.entry(levels[*id]).or_default().push(*id);
            }
        }
        self.levels = levels;
        let count = self.found.len();
        let is_unpaid = |nodes: &Vec<usize>| !Cost::of(self, nodes).pays();
        let unpaid: Vec<usize> = regions
            .values()
            .filter(|nodes| is_unpaid(nodes))
            .flatten()
            .copied()
            .collect();
        self.found.retain(|id, _| !unpaid.contains(id));
        self.regions = regions;
        self.found.len() < count
    }
}

//! Images of one pixel that tract writes without their rows and columns.
//!
//! Squeeze-and-excitation takes the mean of each channel, and computes from that a factor for each. tract removes rows
//! and columns between the two products that are in there:
//!
//! ```text
//!   [batch][channels][1][1] -> EinSum -> [batch][fewer] -> ReLU -> [batch][fewer] -> EinSum -> [batch][channels][1][1]
//! ```
//!
//! What has no rows and columns is ours only where it came from an image, and all that is computed of it becomes one
//! again: the inputs and outputs of a region are images.

use std::collections::HashMap;

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use super::pattern::Match;

/// Whether a value has no rows and columns.
pub(super) fn is_pixel(model: &TypedModel, outlet: OutletId) -> bool {
    model.outlet_fact(outlet).is_ok_and(|fact| fact.rank() == 2)
}

/// Takes out the nodes whose values have no rows and columns where tract would have to read or to write them.
pub(super) fn retain_enclosed(model: &TypedModel, found: &mut HashMap<usize, Match>) {
    loop {
        let is_enclosed = |id: usize| {
            let outlet = OutletId::new(id, 0);
            let is_ours = |user: &InletId| found.contains_key(&user.node);
            let users = &model.node(id).outputs[0].successors;
            let is_read_by_us = users.iter().all(is_ours) && !model.outputs.contains(&outlet);
            let (_, images) = &found[&id];
            let is_written_by_us =
                |image: &OutletId| !is_pixel(model, *image) || found.contains_key(&image.node);
            (!is_pixel(model, outlet) || is_read_by_us) && images.iter().all(is_written_by_us)
        };
        let others: Vec<usize> = found
            .keys()
            .copied()
            .filter(|id| !is_enclosed(*id))
            .collect();
        if others.is_empty() {
            return;
        }
        for id in others {
            found.remove(&id);
        }
    }
}

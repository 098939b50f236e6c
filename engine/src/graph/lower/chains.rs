//! Concatenations of which each begins the next one.
//!
//! Each layer of a dense block reads the outputs of all layers before it, normalised for itself:
//!
//! ```text
//!   [a b]          -> normalised -> layer -> c
//!   [a b c]        -> normalised -> layer -> d
//!   [a b c d]      -> normalised -> ...
//! ```
//!
//! All of them are the beginning of the longest one, so one buffer holds them, and each part is stored once. Each
//! normalisation is a step that reads the channels that it needs. The steps before it could store normalised values, but
//! for each layer behind them, in buffers that would push each other out of the cache.

use crate::graph::{Graph, NodeId, Op};

/// For each concatenation that begins another one or is begun by one, the longest that it begins, or itself.
pub(super) fn longest(graph: &Graph) -> Vec<Option<NodeId>> {
    let mut longest = vec![None; graph.nodes.len()];
    // The last ones are the longest.
    let mut ends: Vec<NodeId> = Vec::new();
    for id in (0..graph.nodes.len()).rev() {
        let Some(parts) = unrounded_parts(graph, id) else {
            continue;
        };
        let begins = |end: &&NodeId| {
            let whole = unrounded_parts(graph, **end);
            whole.is_some_and(|whole| whole.len() > parts.len() && whole.starts_with(parts))
        };
        match ends
            .iter()
            .find(begins)
            .filter(|_| is_only_activated(graph, id))
        {
            Some(end) => {
                longest[*end] = Some(*end);
                longest[id] = Some(*end);
            }
            None => ends.push(id),
        }
    }
    longest
}

/// The parts of a concatenation, if nothing is rounded.
fn unrounded_parts(graph: &Graph, id: NodeId) -> Option<&[NodeId]> {
    let Op::Concat(parts) = &graph.nodes[id].op else {
        return None;
    };
    let mut all = parts.iter().chain([&id]);
    let is_exact = all.all(|node| graph.quantisation_of(*node).is_none());
    is_exact.then_some(parts)
}

/// Whether a value is only read by what takes as many channels of a pixel as it is told to.
fn is_only_activated(graph: &Graph, id: NodeId) -> bool {
    let is_activation = |user: NodeId| {
        let user = &graph.nodes[user];
        matches!(user.op, Op::Activate { .. }) && user.quantisation.is_none()
    };
    !graph.outputs.contains(&id) && graph.users(id).into_iter().all(is_activation)
}

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
        let Some(parts) = plain_parts(graph, id) else {
            continue;
        };
        let begins = |end: &&NodeId| {
            let whole = plain_parts(graph, **end);
            whole.is_some_and(|whole| whole.len() > parts.len() && whole.starts_with(parts))
        };
        let end = ends.iter().find(begins);
        match end.filter(|_| is_only_activated(graph, id)) {
            Some(end) => {
                longest[*end] = Some(*end);
                longest[id] = Some(*end);
            }
            None => ends.push(id),
        }
    }
    longest
}

/// The parts of a concatenation, if nothing is rounded, and none of them reads a concatenation: it could be one in the
/// same buffer, and no step writes what it reads.
fn plain_parts(graph: &Graph, id: NodeId) -> Option<&[NodeId]> {
    let op = |node: NodeId| &graph.nodes[node].op;
    let Op::Concat(parts) = op(id) else {
        return None;
    };
    let is_plain = |part: &NodeId| match op(*part) {
        Op::Concat(_) => false,
        Op::Activate { input, .. } => !matches!(op(*input), Op::Concat(_)),
        _ => true,
    };
    let is_exact = |node: &NodeId| graph.quantisation_of(*node).is_none();
    let is_plain = parts.iter().all(is_plain) && parts.iter().chain([&id]).all(is_exact);
    is_plain.then_some(parts)
}

/// Whether a value is only read by what takes as many channels of a pixel as it is told to.
fn is_only_activated(graph: &Graph, id: NodeId) -> bool {
    let is_activation = |user: NodeId| {
        let user = &graph.nodes[user];
        matches!(user.op, Op::Activate { .. }) && user.quantisation.is_none()
    };
    !graph.outputs.contains(&id) && graph.users(id).into_iter().all(is_activation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convolution::layout::Dims;
    use crate::microkernel::epilogue::Activation;

    const CHANNELS: usize = 2;

    fn push(graph: &mut Graph, op: Op, parts: usize) -> NodeId {
        let dims = Dims {
            batch: 1,
            height: 1,
            width: 1,
            channels: parts * CHANNELS,
        };
        graph.push(op, dims)
    }

    fn activate(graph: &mut Graph, input: NodeId) -> NodeId {
        let channels = graph.nodes[input].dims.channels;
        let activation = Activation {
            scale: vec![2.0; channels],
            shift: vec![0.0; channels],
            relu: true,
        };
        let op = Op::Activate { input, activation };
        push(graph, op, channels / CHANNELS)
    }

    /// Concatenations of the first two, three and four of as many inputs, each of which is activated.
    fn block() -> (Graph, [NodeId; 3]) {
        let mut graph = Graph::default();
        let parts: Vec<NodeId> = (0..4)
            .map(|number| push(&mut graph, Op::Input(number), 1))
            .collect();
        let all = [2, 3, 4].map(|count| {
            let all = push(&mut graph, Op::Concat(parts[..count].to_vec()), count);
            activate(&mut graph, all);
            all
        });
        (graph, all)
    }

    #[test]
    fn the_beginnings_of_a_concatenation_are_in_its_buffer() {
        let (graph, all) = block();
        let found = longest(&graph);
        for (id, found) in found.into_iter().enumerate() {
            assert_eq!(found, all.contains(&id).then_some(all[2]), "node {id}");
        }
    }

    #[test]
    fn what_something_else_reads_has_a_buffer_of_its_own() {
        // An output.
        let (mut graph, [first, second, third]) = block();
        graph.outputs.push(second);
        let found = longest(&graph);
        assert_eq!(
            [found[first], found[second], found[third]],
            [Some(third), None, Some(third)]
        );
        // A step beside activations.
        let (mut graph, [first, second, third]) = block();
        push(
            &mut graph,
            Op::Slice {
                input: first,
                first: 1,
            },
            1,
        );
        let found = longest(&graph);
        assert_eq!(
            [found[first], found[second], found[third]],
            [None, Some(third), Some(third)]
        );
        // A part of a longer one.
        let (mut graph, [first, second, third]) = block();
        let part = activate(&mut graph, first);
        push(&mut graph, Op::Concat(vec![0, 1, part]), 4);
        let found = longest(&graph);
        assert_eq!(
            [found[first], found[second], found[third]],
            [Some(third); 3]
        );
    }
}

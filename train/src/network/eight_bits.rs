//! The same network for 8-bit arithmetic.
//!
//! [`Folded`] leaves out what only training needs: a batch normalisation that follows a convolution becomes a
//! part of it, and dropout goes. [`eight_bits`] then has every convolution multiply whole numbers, and rounds what
//! lies between the layers to 8 bits:
//!
//! - the views,
//! - a convolution, a sum or a batch normalisation, after its ReLU if one follows,
//! - a pooling, with the step and the zero point of its input,
//! - and every other layer but those of the head.
//!
//! The head begins where an image becomes one row of features, and is computed in f32. So it is for its
//! weights, which are few, and for the probabilities, which 8 bits are too coarse for.
//!
//! Torch runs these descriptions as they are and ONNX writes them, as those of any other network.

use std::collections::BTreeMap;

use super::{Convolution, Layer, Network, Node};

/// A network without dropout, and without batch normalisation that follows a convolution.
pub(crate) struct Folded {
    /// The network.
    pub(crate) network: Network,
    /// The batch normalisation that each convolution has taken in, both by name.
    pub(crate) norms: BTreeMap<String, String>,
}

impl Folded {
    /// Folds a network.
    pub(crate) fn of(network: &Network) -> Self {
        let readers = readers(network);
        let mut norms = BTreeMap::new();
        let mut nodes: Vec<Node> = Vec::new();
        // Where the output of each node is now computed.
        let mut place: Vec<usize> = Vec::new();
        for node in &network.nodes {
            let before = node.inputs.first().map(|input| place[*input]);
            let replaced = match (node.layer, before) {
                (Layer::Dropout { .. }, Some(before)) => Some(before),
                (Layer::BatchNorm, Some(before)) if readers[node.inputs[0]] == 1 => {
                    let convolution = &mut nodes[before];
                    if let Layer::Convolution(layer) = convolution.layer {
                        convolution.layer = Layer::Convolution(Convolution {
                            bias: true,
                            ..layer
                        });
                        norms.insert(convolution.name.clone(), node.name.clone());
                        Some(before)
                    } else {
                        None
                    }
                }
                _ => None,
            };
            place.push(replaced.unwrap_or_else(|| {
                nodes.push(moved(node, &place));
                nodes.len() - 1
            }));
        }
        Self {
            network: Network { nodes },
            norms,
        }
    }
}

/// The description of a network in 8-bit arithmetic. Its steps and zero points are tensors, as weights are.
pub(crate) fn eight_bits(network: &Network) -> Network {
    let folded = Folded::of(network).network;
    let readers = readers(&folded);
    let in_head = head(&folded);
    let mut nodes: Vec<Node> = Vec::new();
    let mut place: Vec<usize> = Vec::new();
    for (index, node) in folded.nodes.iter().enumerate() {
        let mut node = moved(node, &place);
        if let Layer::Convolution(layer) = &mut node.layer {
            layer.eight_bits = !in_head[index];
            // Every convolution in 8 bits has a bias; see `quantisation`.
            layer.bias |= layer.eight_bits;
        }
        let name = format!("{}/u8", node.name);
        let shape = node.shape;
        nodes.push(node);
        if !in_head[index] && !ends_in_relu(&folded, &readers, index) {
            nodes.push(Node {
                name,
                layer: Layer::Quantise,
                inputs: vec![nodes.len() - 1],
                shape,
            });
        }
        place.push(nodes.len() - 1);
    }
    Network { nodes }
}

impl Network {
    /// The node whose step and zero point a rounding has: itself, but after a pooling that of its input.
    pub(crate) fn range_of(&self, rounding: usize) -> usize {
        let pooling = self.nodes[rounding].inputs[0];
        let input = self.nodes[pooling].inputs.first().copied();
        match (self.nodes[pooling].layer, input) {
            (Layer::MaxPool(_) | Layer::AveragePool(_), Some(input))
                if self.nodes[input].layer == Layer::Quantise =>
            {
                self.range_of(input)
            }
            _ => rounding,
        }
    }
}

fn moved(node: &Node, place: &[usize]) -> Node {
    Node {
        inputs: node.inputs.iter().map(|input| place[*input]).collect(),
        ..node.clone()
    }
}

/// How many nodes take the output of each.
fn readers(network: &Network) -> Vec<usize> {
    let mut readers = vec![0; network.nodes.len()];
    for input in network.nodes.iter().flat_map(|node| &node.inputs) {
        readers[*input] += 1;
    }
    readers
}

/// Which nodes are of the head: the layers that make a row of features, and all after them.
fn head(network: &Network) -> Vec<bool> {
    let mut head: Vec<bool> = Vec::new();
    for node in &network.nodes {
        let begins = matches!(
            node.layer,
            Layer::GlobalAveragePool
                | Layer::Linear { .. }
                | Layer::Maxout { .. }
                | Layer::JoinViewpoints
        );
        head.push(begins || node.inputs.iter().any(|input| head[*input]));
    }
    head
}

/// Whether a ReLU follows a layer that can be computed together with it, and nothing else takes its output.
fn ends_in_relu(network: &Network, readers: &[usize], index: usize) -> bool {
    let node = &network.nodes[index];
    let joins = matches!(
        node.layer,
        Layer::Convolution(_) | Layer::Add | Layer::BatchNorm
    );
    joins
        && readers[index] == 1
        && (network.nodes.iter()).any(|next| next.layer == Layer::Relu && next.inputs == [index])
}

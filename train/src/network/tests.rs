//! What holds for every network, and what the tests of each one use.

use super::*;
use crate::torch::{Mode, Precision, Weights, forward};
use tch::{Device, Kind, Tensor};

/// Layers with weights along the longest path: projections stand beside it.
pub(super) fn layers(network: &Network) -> usize {
    network
        .nodes
        .iter()
        .filter(|node| match node.layer {
            Layer::Convolution(_) => !node.name.ends_with("projection"),
            Layer::Linear { .. } => true,
            _ => false,
        })
        .count()
}

/// The shape of the output of the node of this name.
pub(super) fn shape(network: &Network, name: &str) -> Shape {
    let mut nodes = network.nodes.iter();
    nodes.find(|node| node.name == name).unwrap().shape
}

#[test]
fn a_convolution_costs_its_kernel_for_each_output_value_of_each_viewpoint() {
    let (mut net, views) = Builder::new(8);
    let x = net.convolution(
        "c",
        views,
        Convolution::new(5, [1, 3]).same().without_bias(),
    );
    assert_eq!(net.shape(x), Shape::square(5, 8));
    let x = net.viewpoints("v", &[x], 4);
    let x = net.convolution("d", x, Convolution::square(2, 3).stride(2));
    assert_eq!(net.shape(x).height, 1);
    let x = net.join_viewpoints("j", x);
    assert_eq!(net.shape(x), Shape::square(8 * 2, 1));
    let x = net.linear("l", x, 6);
    net.maxout("m", x, 2);
    let network = net.finish();
    assert_eq!(network.nodes.last().unwrap().shape, Shape::square(3, 1));
    assert_eq!(
        network.multiply_adds(),
        8 * 8 * 5 * 3 * 3 + 8 * 2 * 5 * 9 + 16 * 6
    );
    // Viewpoints share their weights; the convolution without a bias has none.
    assert_eq!(
        network.learned_values(),
        5 * 3 * 3 + 2 * (5 * 9 + 1) + 6 * (16 + 1)
    );
}

#[test]
fn the_remaining_layers_cost_nothing_and_keep_to_their_sizes() {
    let (mut net, views) = Builder::new(8);
    let norm = LocalResponseNorm {
        size: 3,
        alpha: 1.0,
        beta: 0.5,
        bias: 1.0,
    };
    let a = net.local_response_norm("norm", views, norm);
    let b = net.average_pool("average", a, Pool::new(3, 1).same());
    let c = net.rotate("turned", b, 45.0);
    let x = net.concatenate("together", &[a, b, c]);
    assert_eq!(net.shape(x), Shape::square(9, 8));
    let x = net.max_pool("max", x, Pool::new(3, 2).same());
    assert_eq!(net.shape(x), Shape::square(9, 4));
    let network = net.finish();
    assert_eq!((network.multiply_adds(), network.learned_values()), (0, 0));
}

#[test]
fn gradients_reach_every_learned_value_group_of_every_network() {
    tch::set_num_threads(1);
    tch::manual_seed(8);
    let small = "zhu2019 k=0.25";
    let others = Architecture::NAMES.into_iter().skip(1);
    for name in std::iter::once(small).chain(others) {
        let network = name.parse::<Architecture>().unwrap().describe();
        let weights = Weights::start(&network, Device::Cpu);
        let views = Tensor::randn([2, 3, 64, 64], (Kind::Float, Device::Cpu));
        // With the batch's statistics a bias before batch normalisation has no gradient.
        let logits = forward(&network, &weights, &views, Precision::F32, Mode::Inference);
        assert_eq!(logits.size(), [2, 5], "{name}");
        let classes = Tensor::from_slice(&[1_i64, 3]);
        logits.cross_entropy_for_logits(&classes).backward();
        for (parameter, tensor) in weights.iter() {
            let gradient = tensor.grad();
            if matches!(parameter.role, Role::Statistic { .. }) {
                assert!(!gradient.defined(), "{name}: {}", parameter.name);
                continue;
            }
            let largest = gradient.abs().max().double_value(&[]);
            let fine = largest.is_finite() && largest > 0.0;
            assert!(fine, "{name}: {} {largest}", parameter.name);
        }
    }
}

#[test]
fn the_table_in_the_documentation_has_the_figures_of_every_network() {
    let page = include_str!("../../../docs/networks.md");
    let missing: Vec<String> = Architecture::NAMES
        .into_iter()
        .map(|name| {
            let network = name.parse::<Architecture>().unwrap().describe();
            format!(
                "| `{name}` | {:.1} M | {:.0} M |",
                network.learned_values() as f64 / 1e6,
                network.multiply_adds() as f64 / 1e6
            )
        })
        .filter(|start| !page.lines().any(|line| line.starts_with(start)))
        .collect();
    assert!(missing.is_empty(), "docs/networks.md lacks {missing:#?}");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(rows.count(), Architecture::NAMES.len());
}

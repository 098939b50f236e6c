//! Tests of all networks, and helpers for the tests of each one.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// The number of layers with weights along the longest path. Projections are not on it.
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
fn the_table_in_the_documentation_has_the_figures_of_every_network() {
    let page = include_str!("../../../docs/networks.md");
    let missing: Vec<String> = Architecture::all()
        .map(|architecture| {
            let network = architecture.describe();
            format!(
                "| `{}` | {:.1} M | {:.0} M |",
                architecture.name(),
                network.learned_values() as f64 / 1e6,
                network.multiply_adds() as f64 / 1e6
            )
        })
        .filter(|start| !page.lines().any(|line| line.starts_with(start)))
        .collect();
    assert!(missing.is_empty(), "docs/networks.md lacks {missing:#?}");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(rows.count(), Architecture::all().count());
}

/// `cargo fmt` doesn't look into macros, and so doesn't find the files that the list of networks names.
#[test]
fn the_files_of_all_networks_are_formatted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/network");
    let files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("mod.rs"))
        .collect();
    assert!(files.len() > Architecture::all().count());
    let output = Command::new("rustfmt")
        .args(["--check", "--edition", "2024"])
        .args(files)
        .output()
        .unwrap();
    let difference = String::from_utf8_lossy(&output.stdout);
    let fix = "run rustfmt --edition 2024 train/src/network/*.rs";
    assert!(output.status.success(), "{fix}\n{difference}");
}

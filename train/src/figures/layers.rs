//! The layers of a network that figures show.

use crate::error::{Error, Result};
use crate::network::{Layer, Network, Node};

/// The largest number of layers that a figure shows by default.
const MOST: usize = 10;

/// The convolutions whose kernels have more than one pixel, by node index. If there are many, some of
/// them from the first to the last.
pub(crate) fn convolutions(network: &Network) -> Vec<usize> {
    let nodes = network.nodes.iter().enumerate();
    let chosen = nodes.filter(|(_, node)| match node.layer {
        Layer::Convolution(convolution) => convolution.kernel != [1, 1],
        _ => false,
    });
    thinned(chosen.map(|(index, _)| index).collect())
}

/// The last node of each part of the network whose output is an image, by node index. A part is the
/// nodes whose names begin with the same word (`conv2` of `conv2/unit1/add`). If there are many, some of
/// them from the first to the last.
pub(crate) fn feature_layers(network: &Network) -> Vec<usize> {
    let part = |node: &Node| node.name.split('/').next().map(String::from);
    let is_last = |index: usize| {
        let next = network.nodes.get(index + 1);
        next.map(part) != Some(part(&network.nodes[index]))
    };
    let chosen = (0..network.nodes.len())
        .filter(|index| {
            let node = &network.nodes[*index];
            let image = node.shape.width > 1;
            !matches!(node.layer, Layer::Input) && image && is_last(*index)
        })
        .collect();
    thinned(chosen)
}

/// The nodes of these names, by index.
pub(crate) fn named_layers(network: &Network, names: &[String]) -> Result<Vec<usize>> {
    names
        .iter()
        .map(|name| {
            let found = network.nodes.iter().position(|node| node.name == *name);
            found.ok_or_else(|| {
                let known: Vec<&str> = (network.nodes.iter())
                    .filter(|node| matches!(node.layer, Layer::Convolution(_) | Layer::MaxPool(_)))
                    .map(|node| node.name.as_str())
                    .collect();
                Error::Input(format!(
                    "the network has no layer '{name}' (its convolutions and poolings: {})",
                    known.join(", ")
                ))
            })
        })
        .collect()
}

/// At most [`MOST`] of the indices, evenly spaced, with the first and the last.
fn thinned(all: Vec<usize>) -> Vec<usize> {
    if all.len() <= MOST {
        return all;
    }
    let last = all.len() - 1;
    (0..MOST).map(|n| all[n * last / (MOST - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, Builder, Convolution};

    fn names(network: &Network, indices: &[usize]) -> Vec<String> {
        let name = |index: &usize| network.nodes[*index].name.clone();
        indices.iter().map(name).collect()
    }

    fn residual() -> Network {
        "zhu2019 k=0.1 N=2"
            .parse::<Architecture>()
            .unwrap()
            .describe()
    }

    #[test]
    fn a_deep_network_is_shown_group_by_group() {
        let network = residual();
        let chosen = names(&network, &feature_layers(&network));
        let wanted = [
            "conv1",
            "pool1",
            "conv2/unit2/add",
            "conv3/unit2/add",
            "conv4/unit2/add",
            "conv5/unit2/add",
            "last/relu",
        ];
        assert_eq!(chosen, wanted);
    }

    #[test]
    fn a_plain_network_is_shown_layer_by_layer() {
        let network = "plain7".parse::<Architecture>().unwrap().describe();
        let chosen = names(&network, &feature_layers(&network));
        let wanted = [
            "conv1/relu",
            "pool1",
            "conv2/relu",
            "pool2",
            "conv3/relu",
            "conv4/relu",
            "pool4",
        ];
        assert_eq!(chosen, wanted);
        let chosen = names(&network, &convolutions(&network));
        assert_eq!(chosen, ["conv1", "conv2", "conv3", "conv4"]);
    }

    #[test]
    fn kernels_of_one_pixel_are_left_out() {
        let network = residual();
        let chosen = names(&network, &convolutions(&network));
        assert_eq!(chosen.len(), 9);
        assert_eq!(chosen[0], "conv1");
        assert!(chosen[1..].iter().all(|name| name.ends_with("/conv3x3")));
    }

    #[test]
    fn of_many_layers_the_first_and_the_last_are_shown() {
        let (mut net, mut x) = Builder::new(64);
        for number in 0..30 {
            let convolution = Convolution::square(2, 3).same();
            x = net.convolution(&format!("conv{number}"), x, convolution);
        }
        let network = net.finish();
        let chosen = names(&network, &convolutions(&network));
        assert_eq!(chosen.len(), MOST);
        assert_eq!(
            (chosen[0].as_str(), chosen[9].as_str()),
            ("conv0", "conv29")
        );
    }

    #[test]
    fn a_layer_that_is_not_there_is_named_with_those_that_are() {
        let network = residual();
        let found = named_layers(&network, &["pool1".into(), "conv1".into()]).unwrap();
        assert_eq!(names(&network, &found), ["pool1", "conv1"]);
        let fault = named_layers(&network, &["conv9".into()]).unwrap_err();
        let message = fault.to_string();
        assert!(message.contains("no layer 'conv9'"), "{message}");
        assert!(message.contains("conv1, pool1, "), "{message}");
    }
}

//! Batch normalisation as a part of the convolution before it.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use crate::network::{BATCH_NORM_EPSILON, Network};
use crate::torch::Weights;

/// The tensors of the folded network. `norms` names the batch normalisation that each convolution has taken in.
pub(super) fn weights(
    network: &Network,
    norms: &BTreeMap<String, String>,
    unfolded: &Weights,
) -> Weights {
    let mut values = BTreeMap::new();
    for (parameter, tensor) in unfolded.iter() {
        values.insert(parameter.name.clone(), tensor.detach());
    }
    for (convolution, norm) in norms {
        let of_norm = |part: &str| values[&format!("{norm}/{part}")].to_kind(Kind::Double);
        let factor = of_norm("scale") / (of_norm("variance") + BATCH_NORM_EPSILON).sqrt();
        let (mean, shift) = (of_norm("mean"), of_norm("shift"));
        let [weight_name, bias_name] =
            ["weight", "bias"].map(|part| format!("{convolution}/{part}"));
        let weight = values[&weight_name].to_kind(Kind::Double) * factor.view([-1, 1, 1, 1]);
        let before = match values.get(&bias_name) {
            Some(bias) => bias.to_kind(Kind::Double),
            None => Tensor::zeros([1], (Kind::Double, Device::Cpu)),
        };
        let bias = (before - mean) * factor + shift;
        values.insert(weight_name, weight.to_kind(Kind::Float));
        values.insert(bias_name, bias.to_kind(Kind::Float));
    }
    let mut folded = Weights::start(network, Device::Cpu);
    folded.take(&values);
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, Folded};
    use crate::torch::{Mode, Precision, forward};

    #[test]
    fn a_folded_network_answers_as_it_did_before() {
        tch::set_num_threads(1);
        tch::manual_seed(4);
        for name in [
            "zhu2019 k=0.1 N=1 drop=0.5",
            "basic-resnet side=32 width=8 n2=1",
        ] {
            let network = name.parse::<Architecture>().unwrap().describe();
            let unfolded = Weights::start(&network, Device::Cpu);
            let [channels, height, width] = network.view_shape().map(|n| n as i64);
            let shape = [4, channels, height, width];
            let views = Tensor::randn(shape, (Kind::Float, Device::Cpu));
            let answers = |network: &Network, weights: &Weights, mode| {
                tch::no_grad(|| forward(network, weights, &views, Precision::F32, mode))
            };
            // Statistics that a wrong fold would show.
            let statistics_decay = 0.5;
            let _ = answers(&network, &unfolded, Mode::Training { statistics_decay });

            let folded = Folded::of(&network);
            assert!(folded.network.nodes.len() < network.nodes.len());
            let tensors = weights(&folded.network, &folded.norms, &unfolded);
            let before = answers(&network, &unfolded, Mode::Inference);
            let after = answers(&folded.network, &tensors, Mode::Inference);
            let off = (&before - after).abs().max().double_value(&[]);
            let size = before.abs().max().double_value(&[]);
            assert!(off < 1e-5 * size, "{name}: {off} of {size}");
        }
    }
}

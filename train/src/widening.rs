//! A wide network that begins where a narrow one ended.
//!
//! `Net2WiderNet` (Chen, Goodfellow & Shlens 2016, section 2.3): each channel of the narrow network is
//! repeated until the wide one is full, and what its repetitions are worth together is what it was
//! worth alone, so that the wide network answers exactly as the narrow one did. Training then goes on
//! from there, at a small part of the cost of training the wide network from nothing.
//!
//! Repetitions that are treated alike would stay alike for ever. So the weights with which the next
//! layer takes them are not equal: on top of the equal share lies noise that adds up to zero over the
//! repetitions of each channel. It leaves the answer as it is and sends their gradients apart.

use tch::{Device, Kind, Tensor};

use crate::network::{Layer, Network, Parameter, Role};
use crate::torch::Weights;

/// The noise's deviation, as a part of that of start values of the wide network.
const NOISE: f64 = 0.5;

/// Weights for `wide` that answer as `narrow` does with `weights`; the noise is drawn from torch's
/// generator. A network as wide as the narrow one gets its weights unchanged.
///
/// # Errors
/// When the two are not the same network but for their channels, or when `wide` is the narrower, as a
/// part of a sentence.
pub fn widen(narrow: &Network, weights: &Weights, wide: &Network) -> Result<Weights, String> {
    if narrow != wide && !same_but_for_channels(narrow, wide) {
        return Err("it is another network, not a narrower one".into());
    }
    let mut sources = weights.iter();
    let mut widened = Weights::start(wide, Device::Cpu);
    widened.fill(|name| {
        let (from, tensor) = sources.next().ok_or("it has fewer tensors")?;
        let tensor = tensor.detach().to_device(Device::Cpu);
        repeat(from, &tensor, name, wide)
    })?;
    Ok(widened)
}

/// Whether each node has its like, in the same place and of the same image size.
///
/// Only layers that treat each channel for itself, or all of them by weights, can be widened:
/// repetition is in turn (0, 1, 2, 0, 1, ...), and a normalisation over neighbouring channels or a
/// concatenation would see other neighbours.
fn same_but_for_channels(narrow: &Network, wide: &Network) -> bool {
    let shown = |network: &Network| {
        let views = network.nodes[0].shape;
        (views.channels, views.height, views.width)
    };
    let outputs = |network: &Network| network.nodes.last().map(|node| node.shape);
    narrow.nodes.len() == wide.nodes.len()
        && shown(narrow) == shown(wide)
        && outputs(narrow) == outputs(wide)
        && narrow.nodes.iter().zip(&wide.nodes).all(|(a, b)| {
            a.name == b.name
                && a.inputs == b.inputs
                && (a.shape.height, a.shape.width) == (b.shape.height, b.shape.width)
                && repeats_channels(&a.layer)
                && std::mem::discriminant(&a.layer) == std::mem::discriminant(&b.layer)
        })
}

const fn repeats_channels(layer: &Layer) -> bool {
    matches!(
        layer,
        Layer::Input
            | Layer::Convolution(_)
            | Layer::BatchNorm
            | Layer::Relu
            | Layer::MaxPool(_)
            | Layer::AveragePool(_)
            | Layer::GlobalAveragePool
            | Layer::Add
            | Layer::Dropout { .. }
            | Layer::Linear { .. }
    )
}

/// One tensor of the narrow network, repeated to the shape that it has in the wide one.
fn repeat(from: &Parameter, tensor: &Tensor, name: &str, wide: &Network) -> Result<Tensor, String> {
    let to = wide
        .parameters()
        .into_iter()
        .find(|parameter| parameter.name == name && from.name == name)
        .ok_or_else(|| format!("it has '{}' in place of '{name}'", from.name))?;
    let grown = |axis: usize| {
        let (narrow, wide) = (from.shape[axis], to.shape[axis]);
        if narrow > wide {
            return Err(format!("its '{name}' is wider: {narrow} against {wide}"));
        }
        Ok((narrow, wide))
    };
    let (channels, wide_channels) = grown(0)?;
    let turns =
        |narrow: i64, wide: i64| Tensor::arange(wide, (Kind::Int64, Device::Cpu)).remainder(narrow);
    let repeated = tensor.index_select(0, &turns(channels, wide_channels));
    let Role::Weight { deviation } = to.role else {
        return Ok(repeated);
    };

    let (inputs, wide_inputs) = grown(1)?;
    if inputs == wide_inputs {
        return Ok(repeated);
    }
    let sources = turns(inputs, wide_inputs);
    let shares = sources
        .bincount::<Tensor>(None, inputs)
        .to_kind(Kind::Float);
    let mut shape = vec![1; to.shape.len()];
    shape[1] = inputs;
    let shares = shares.view(shape.as_slice());
    // Each channel's noise, less its mean over the channel's repetitions.
    let noise =
        Tensor::randn(to.shape.as_slice(), (Kind::Float, Device::Cpu)) * (NOISE * deviation);
    let mut sums_shape = to.shape.clone();
    sums_shape[1] = inputs;
    let sums = Tensor::zeros(sums_shape.as_slice(), (Kind::Float, Device::Cpu))
        .index_add(1, &sources, &noise);
    let even = (repeated - sums) / shares;
    Ok(even.index_select(1, &sources) + noise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;
    use crate::torch::{Mode, Precision, forward};

    fn network(text: &str) -> Network {
        text.parse::<Architecture>().unwrap().describe()
    }

    fn answers(network: &Network, weights: &Weights) -> Tensor {
        tch::manual_seed(3);
        let views = Tensor::randn([4, 3, 64, 64], (Kind::Float, Device::Cpu));
        tch::no_grad(|| forward(network, weights, &views, Precision::F32, Mode::Inference))
    }

    #[test]
    fn a_wide_network_answers_as_the_narrow_one_did() {
        tch::set_num_threads(1);
        tch::manual_seed(2);
        let narrow = network("zhu2019 k=0.1 N=2");
        let wide = network("zhu2019 k=0.27 N=2");
        let weights = Weights::start(&narrow, Device::Cpu);
        let widened = widen(&narrow, &weights, &wide).unwrap();
        let (before, after) = (answers(&narrow, &weights), answers(&wide, &widened));
        let off = (&before - &after).abs().max().double_value(&[]);
        assert!(off < 1e-4 * before.abs().max().double_value(&[]), "{off}");
    }

    #[test]
    fn repetitions_of_a_channel_are_taken_with_different_weights() {
        tch::manual_seed(2);
        let narrow = network("zhu2019 k=0.1 N=1");
        let wide = network("zhu2019 k=0.2 N=1");
        let weights = Weights::start(&narrow, Device::Cpu);
        let widened = widen(&narrow, &weights, &wide).unwrap();
        let (_, tensor) = widened
            .iter()
            .find(|(parameter, _)| parameter.name == "conv2/unit1/conv3x3/weight")
            .unwrap();
        let channels = weights
            .iter()
            .find(|(p, _)| p.name == "conv2/unit1/conv3x3/weight");
        let channels = channels.unwrap().1.size()[1];
        let difference = tensor.narrow(1, 0, 1) - tensor.narrow(1, channels, 1);
        assert!(difference.abs().max().double_value(&[]) > 0.01);
    }

    #[test]
    fn a_network_as_wide_keeps_its_weights() {
        // The second has layers that can't be widened.
        for name in ["zhu2019 k=0.1 N=1", "alexnet"] {
            let same = network(name);
            let weights = Weights::start(&same, Device::Cpu);
            let widened = widen(&same, &weights, &same).unwrap();
            for ((_, a), (_, b)) in weights.iter().zip(widened.iter()) {
                assert_eq!(a, b);
            }
        }
    }

    #[test]
    fn neither_a_wider_network_nor_another_one_can_be_widened() {
        let fault = |from: &str, to: &str| {
            let (from, to) = (network(from), network(to));
            let weights = Weights::start(&from, Device::Cpu);
            widen(&from, &weights, &to).err().unwrap()
        };
        assert!(fault("zhu2019 k=0.2 N=1", "zhu2019 k=0.1 N=1").contains("wider"));
        assert!(fault("zhu2019 k=0.1 N=2", "zhu2019 k=0.1 N=1").contains("another network"));
    }
}

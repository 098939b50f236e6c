//! A wide network that begins where a narrow one ended.
//!
//! This is `Net2WiderNet` (Chen, Goodfellow & Shlens 2016, section 2.3). Each channel of the narrow
//! network is repeated until the wide network is full, and the copies share the weight of the original.
//! So the wide network gives exactly the outputs of the narrow one, and training continues from there.
//! It costs a small part of training the wide network from random weights.
//!
//! Copies that are treated alike would stay alike for ever. So the next layer does not weight them
//! equally: noise is added to the equal shares, and it adds up to zero over the copies of each channel.
//! The output stays the same, and the gradients of the copies differ.

use tch::{Device, Kind, Tensor};

use crate::network::{Layer, Network, Parameter, Role};
use crate::torch::{TensorError, Weights};

/// The noise's standard deviation, as a fraction of that of the wide network's random weights.
const NOISE: f64 = 0.5;

/// A trained network that a new run takes its first weights from.
pub(crate) struct StartingPoint {
    /// What messages call it.
    pub(crate) name: String,
    /// Its description.
    pub(crate) network: Network,
    /// Its weights.
    pub(crate) weights: Weights,
}

/// Why a network can't be widened to another one.
#[derive(Debug, thiserror::Error)]
pub(super) enum WideningError {
    #[error("it is another network, not a narrower one")]
    AnotherNetwork,
    #[error("its '{name}' is wider: {narrow} against {wide}")]
    Wider {
        name: String,
        narrow: i64,
        wide: i64,
    },
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

impl StartingPoint {
    /// Weights for `wide` that give the outputs of this network. A network of the same width gets the
    /// weights unchanged. The noise is drawn from torch's generator.
    ///
    /// # Errors
    /// When `wide` is another network in more than its channels, or is the narrower one.
    pub(super) fn widened_to(&self, wide: &Network) -> Result<Weights, WideningError> {
        widen(&self.network, &self.weights, wide)
    }
}

fn widen(narrow: &Network, weights: &Weights, wide: &Network) -> Result<Weights, WideningError> {
    if narrow != wide && !same_but_for_channels(narrow, wide) {
        return Err(WideningError::AnotherNetwork);
    }
    let targets = wide.parameters();
    let mut pairs = weights.iter().zip(&targets);
    let mut widened = Weights::start(wide, Device::Cpu);
    // `fill` asks for the tensors in the order of `targets`.
    widened.fill(|_| {
        let pair = pairs.next().filter(|((from, _), to)| from.name == to.name);
        let Some(((from, tensor), to)) = pair else {
            return Err(WideningError::AnotherNetwork);
        };
        let tensor = tensor.detach().to_device(Device::Cpu);
        repeat(from, &tensor, to)
    })?;
    Ok(widened)
}

/// Whether each node has its counterpart in the same place and with the same image size.
///
/// Only layers that treat each channel for itself, or that weight all of them, can be widened. Copies
/// come in turn (0, 1, 2, 0, 1, ...), so a normalisation over neighbouring channels or a concatenation
/// would see other neighbours.
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
fn repeat(from: &Parameter, tensor: &Tensor, to: &Parameter) -> Result<Tensor, WideningError> {
    let grown = |axis: usize| {
        let (narrow, wide) = (from.shape[axis], to.shape[axis]);
        if narrow > wide {
            let name = to.name.clone();
            return Err(WideningError::Wider { name, narrow, wide });
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
    // Noise that adds up to zero over the copies of each channel.
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
            widen(&from, &weights, &to).err().unwrap().to_string()
        };
        assert!(fault("zhu2019 k=0.2 N=1", "zhu2019 k=0.1 N=1").contains("wider"));
        assert!(fault("zhu2019 k=0.1 N=2", "zhu2019 k=0.1 N=1").contains("another network"));
    }
}

//! Rounds a trained network to 8-bit arithmetic, without training it again.
//!
//! 1. `fold` takes batch normalisation into the convolutions.
//! 2. `ranges` runs the network on some training images, and finds for all that lies between the layers the step
//!    and the zero point that lose least.
//! 3. The weights of each output channel get the step that their largest needs, 127 to either side, or 63
//!    ([`WeightBits`]).
//! 4. `correct` compares the means of all channels with those of the exact network, and adds the differences
//!    to the biases.
//!
//! The result is a network like any other (`network/eight_bits.rs`): its tensors are f32, and hold nothing that
//! 8-bit arithmetic can't.

mod correct;
mod fold;
mod ranges;

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use crate::network::{Convolution, Folded, Layer, Network, eight_bits};
use crate::torch::Weights;

/// The largest magnitude of a bias, in its steps: a sum of 32 bits has room for it and for the products.
const LARGEST_BIAS: f64 = (1 << 29) as f64;

/// A step below which weights are as good as zero; weights of zero would have one of zero.
const SMALLEST_STEP: f64 = 1e-12;

/// The bits of a weight in 8-bit arithmetic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum WeightBits {
    /// All that there are.
    #[default]
    #[value(name = "8")]
    Eight,
    /// One less: two products with activations of 8 bits fit into the 16 bits in which AVX2 adds them up.
    #[value(name = "7")]
    Seven,
}

impl WeightBits {
    /// Their number.
    pub const fn count(self) -> u8 {
        match self {
            Self::Eight => 8,
            Self::Seven => 7,
        }
    }

    /// The largest magnitude of a weight, in steps. Its range is symmetric about zero.
    fn largest(self) -> f64 {
        f64::from((1_u8 << (self.count() - 1)) - 1)
    }
}

/// A network in 8-bit arithmetic.
pub struct Quantised {
    /// Its description.
    pub network: Network,
    /// Its tensors.
    pub weights: Weights,
}

/// Rounds a network, whose weights are on the CPU, to 8-bit arithmetic. `views` are batches `[n, channels, height,
/// width]` of views, like those that it was trained on.
pub fn quantise(
    network: &Network,
    weights: &Weights,
    views: &[Tensor],
    bits: WeightBits,
) -> Quantised {
    let Folded {
        network: exact,
        norms,
    } = Folded::of(network);
    let exact_weights = fold::weights(&exact, &norms, weights);
    let description = eight_bits(network);

    let mut values: BTreeMap<String, Tensor> =
        ranges::of((&exact, &exact_weights), &description, views);
    for (parameter, tensor) in exact_weights.iter() {
        values.insert(parameter.name.clone(), tensor.shallow_clone());
    }
    for (index, node) in description.nodes.iter().enumerate() {
        if matches!(
            node.layer,
            Layer::Convolution(Convolution {
                eight_bits: true,
                ..
            })
        ) {
            round(&description, index, bits.largest(), &mut values);
        }
    }
    let mut weights = Weights::start(&description, Device::Cpu);
    weights.take(&values);
    correct::biases((&exact, &exact_weights), (&description, &weights), views);
    Quantised {
        network: description,
        weights,
    }
}

/// Rounds the weights and the biases of a convolution.
fn round(network: &Network, index: usize, largest: f64, values: &mut BTreeMap<String, Tensor>) {
    let node = &network.nodes[index];
    let name = |part: &str| format!("{}/{part}", node.name);
    let weight = &values[&name("weight")];
    let channels = weight.size()[0];
    let bias = match values.get(&name("bias")) {
        Some(bias) => bias.shallow_clone(),
        None => Tensor::zeros([channels], (Kind::Float, Device::Cpu)),
    };
    let input_step = &values[&format!("{}/step", network.nodes[node.inputs[0]].name)];

    let rows = weight.flatten(1, -1);
    let for_weights = rows.abs().amax([1].as_slice(), false) / largest;
    // Where the weights are next to nothing, a step that is fine enough for them would leave no room for the bias.
    let for_bias = bias.abs() / input_step / LARGEST_BIAS;
    let step = for_weights.maximum(&for_bias).clamp_min(SMALLEST_STEP);
    let rounded = (&rows / step.view([-1, 1])).round() * step.view([-1, 1]);
    let rounded = rounded.view_as(weight);
    let bias = to_steps(&bias, &(&step * input_step));
    values.insert(name("weight"), rounded);
    values.insert(name("weight/step"), step);
    values.insert(name("bias"), bias);
}

/// The nearest whole numbers of steps, as f32.
fn to_steps(values: &Tensor, steps: &Tensor) -> Tensor {
    let (exact, steps) = (values.to_kind(Kind::Double), steps.to_kind(Kind::Double));
    ((exact / &steps).round() * steps).to_kind(Kind::Float)
}

/// The mean of each channel of `[n, channels, height, width]`.
fn channel_means(output: &Tensor) -> Tensor {
    output.mean_dim([0, 2, 3].as_slice(), false, Kind::Double)
}

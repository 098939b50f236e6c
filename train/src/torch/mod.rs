//! Runs a [`Network`] in torch.
//!
//! Mixed precision is done by hand, since torch's autocast does nothing for tch on a CPU. The weights
//! stay f32. Each convolution and linear layer casts its weights to bf16, if `Leaves` has not done so for
//! all layers at once. The activations in between stay bf16. Batch normalisation takes bf16 activations and
//! f32 parameters as they are.
//!
//! Activations and filters are channels-last, the layout in which convolutions are fastest on CPUs and GPUs.
//! tch has no memory formats, so a permuted copy takes their place.

mod cuda;
mod device;
mod layers;
mod layout;
mod leaves;
mod transfer;
mod weights;

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use crate::network::{BATCH_NORM_EPSILON, Convolution, Layer, Network, Node};
pub(crate) use device::DeviceChoice;
use layers::channels_last;
pub(crate) use layout::Layout;
pub(crate) use leaves::Leaves;
pub(crate) use transfer::{read_back, read_backs, upload};
pub use weights::{TensorError, Weights};
pub(crate) use weights::{are_finite, little_endian, values};

/// The precision of the network's arithmetic.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits throughout.
    F32,
    /// Convolutions, linear layers and activations in bfloat16; weights and statistics in f32.
    Bf16,
}

impl Precision {
    const fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// How to run a network.
#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// Running statistics and no dropout: an image's output depends on that image alone.
    Inference,
    /// Statistics of the batch, and dropout.
    Training {
        /// The fraction of the running mean and variance that is kept.
        statistics_decay: f64,
    },
}

/// The logits `[N, 5]`, f32, of the views `[N, channels, height, width]`, f32.
///
/// In training mode the running statistics among `weights` are updated in place.
pub fn forward(
    network: &Network,
    weights: &Weights,
    views: &Tensor,
    precision: Precision,
    mode: Mode,
) -> Tensor {
    walk(network, weights, views, precision, mode, |_, _| ()).to_kind(Kind::Float)
}

/// The logits `[N, 5]` in inference mode, and the output of one node, `[N, values]`; both f32.
pub(crate) fn forward_with_node(
    network: &Network,
    weights: &Weights,
    views: &Tensor,
    precision: Precision,
    node: usize,
) -> (Tensor, Tensor) {
    let mut kept = None;
    let see = |index: usize, output: &Tensor| {
        if index == node {
            kept = Some(output.to_kind(Kind::Float).flatten(1, -1));
        }
    };
    let logits = walk(network, weights, views, precision, Mode::Inference, see);
    let kept = kept.unwrap_or_else(|| unreachable!("the network has no node {node}"));
    (logits.to_kind(Kind::Float), kept)
}

/// The outputs `[N, channels, height, width]` of some nodes, f32, in inference mode. `nodes` are indices
/// into the network's nodes; the outputs come in their order.
pub(crate) fn activations(
    network: &Network,
    weights: &Weights,
    views: &Tensor,
    nodes: &[usize],
) -> Vec<Tensor> {
    let mut kept = BTreeMap::new();
    let see = |index: usize, output: &Tensor| {
        if nodes.contains(&index) {
            kept.insert(index, output.shallow_clone());
        }
    };
    let _ = tch::no_grad(|| {
        walk(
            network,
            weights,
            views,
            Precision::F32,
            Mode::Inference,
            see,
        )
    });
    nodes
        .iter()
        .map(|node| kept[node].shallow_clone())
        .collect()
}

/// Shows the output of each node to `see`, f32, in inference mode. Whoever changes an output in place changes what
/// the later nodes take.
pub(crate) fn watch(
    network: &Network,
    weights: &Weights,
    views: &Tensor,
    see: impl FnMut(usize, &Tensor),
) {
    let (precision, mode) = (Precision::F32, Mode::Inference);
    let _ = tch::no_grad(|| walk(network, weights, views, precision, mode, see));
}

/// Computes node after node, shows each output to `see`, and returns the last.
#[expect(
    clippy::expect_used,
    reason = "every network has nodes, and no node takes the last one's output"
)]
fn walk(
    network: &Network,
    weights: &Weights,
    views: &Tensor,
    precision: Precision,
    mode: Mode,
    mut see: impl FnMut(usize, &Tensor),
) -> Tensor {
    let mut outputs: Vec<Option<Tensor>> = Vec::with_capacity(network.nodes.len());
    let last_use = last_uses(network);
    for (index, node) in network.nodes.iter().enumerate() {
        let runner = Runner {
            weights,
            precision,
            mode,
            node,
            outputs: &outputs,
        };
        let output = runner.run(views);
        see(index, &output);
        outputs.push(Some(output));
        // Without gradients, this frees the memory of outputs that no later node takes.
        for input in &node.inputs {
            if last_use[*input] == index {
                outputs[*input] = None;
            }
        }
    }
    outputs.pop().flatten().expect("the last output is kept")
}

/// For each node, the last node that takes its output; `usize::MAX` if none does.
fn last_uses(network: &Network) -> Vec<usize> {
    let mut last = vec![usize::MAX; network.nodes.len()];
    for (index, node) in network.nodes.iter().enumerate() {
        for input in &node.inputs {
            last[*input] = index;
        }
    }
    last
}

/// One node, about to be computed.
struct Runner<'a> {
    weights: &'a Weights,
    precision: Precision,
    mode: Mode,
    node: &'a Node,
    outputs: &'a [Option<Tensor>],
}

impl Runner<'_> {
    fn run(&self, views: &Tensor) -> Tensor {
        match self.node.layer {
            Layer::Input => channels_last(&views.to_kind(self.precision.kind())),
            Layer::Convolution(convolution) => self.convolution(convolution),
            Layer::BatchNorm => self.batch_norm(),
            Layer::Relu => self.input(0).relu(),
            Layer::MaxPool(pool) => layers::max_pool(self.input(0), pool),
            Layer::AveragePool(pool) => layers::average_pool(self.input(0), pool),
            Layer::GlobalAveragePool => self.input(0).mean_dim([2, 3].as_slice(), true, None),
            Layer::LocalResponseNorm(norm) => layers::local_response_norm(self.input(0), norm),
            Layer::Add => self.input(0) + self.input(1),
            Layer::Concatenate => Tensor::cat(&self.inputs(), 1),
            Layer::Dropout { drop_probability } => {
                let training = matches!(self.mode, Mode::Training { .. });
                self.input(0).dropout(drop_probability, training)
            }
            Layer::Linear { .. } => self
                .input(0)
                .flatten(1, -1)
                .linear(&self.cast("weight"), Some(&self.cast("bias"))),
            Layer::Maxout { pieces } => layers::maxout(self.input(0), pieces),
            Layer::Rotate { degrees } => layers::rotate(self.input(0), degrees),
            Layer::Viewpoints { crop } => layers::viewpoints(&self.inputs(), crop),
            Layer::JoinViewpoints => self.input(0).reshape([-1, self.node.shape.channels as i64]),
            Layer::Quantise => layers::quantise(
                self.input(0),
                self.weight("step"),
                self.weight("zero_point"),
            ),
        }
    }

    fn convolution(&self, convolution: Convolution) -> Tensor {
        let Convolution {
            stride, padding, ..
        } = convolution;
        let [rows, columns] = padding.map(|(before, after)| [before as i64, after as i64]);
        let symmetric = rows[0] == rows[1] && columns[0] == columns[1];
        let padded;
        let (input, padding) = if symmetric {
            (self.input(0), [rows[0], columns[0]])
        } else {
            // From the last dimension to the first.
            padded = self.input(0).constant_pad_nd([columns, rows].concat());
            (&padded, [0, 0])
        };
        let bias = convolution.bias.then(|| self.cast("bias"));
        input.conv2d(
            &channels_last(&self.cast("weight")),
            bias.as_ref(),
            [stride as i64; 2],
            padding,
            [1, 1],
            1,
        )
    }

    fn batch_norm(&self) -> Tensor {
        let (training, decay) = match self.mode {
            Mode::Inference => (false, 1.0),
            Mode::Training { statistics_decay } => (true, statistics_decay),
        };
        self.input(0).batch_norm(
            Some(self.weight("scale")),
            Some(self.weight("shift")),
            Some(self.weight("mean")),
            Some(self.weight("variance")),
            training,
            1.0 - decay,
            BATCH_NORM_EPSILON,
            true,
        )
    }

    fn input(&self, index: usize) -> &Tensor {
        let node = self.node.inputs[index];
        // An output is dropped only after its last use.
        self.outputs[node]
            .as_ref()
            .unwrap_or_else(|| unreachable!("{} lost its input {node}", self.node.name))
    }

    fn inputs(&self) -> Vec<&Tensor> {
        (0..self.node.inputs.len())
            .map(|index| self.input(index))
            .collect()
    }

    fn weight(&self, name: &str) -> &Tensor {
        self.weights.get(&format!("{}/{name}", self.node.name))
    }

    fn cast(&self, name: &str) -> Tensor {
        self.weight(name).to_kind(self.precision.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, Builder, Convolution, Pool};
    use tch::Device;

    #[test]
    fn activations_are_what_each_layer_gives_in_the_order_asked_for() {
        tch::set_num_threads(1);
        tch::manual_seed(3);
        let (mut net, views) = Builder::new(8);
        let convolved = net.convolution("conv1", views, Convolution::square(2, 3).same());
        let pooled = net.max_pool("pool1", convolved, Pool::new(2, 2));
        let logits = net.linear("classes", pooled, 5);
        let network = net.finish();
        let weights = Weights::start(&network, Device::Cpu);
        let input = Tensor::randn([3, 3, 8, 8], (Kind::Float, Device::Cpu));

        let outputs = activations(&network, &weights, &input, &[pooled, convolved, logits]);
        let convolved = input.conv2d(
            weights.get("conv1/weight"),
            Some(weights.get("conv1/bias")),
            [1, 1],
            [1, 1],
            [1, 1],
            1,
        );
        let pooled = convolved.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false);
        assert_eq!(outputs[0].size(), [3, 2, 4, 4]);
        assert!(outputs[0].allclose(&pooled, 1e-5, 1e-6, false));
        assert!(outputs[1].allclose(&convolved, 1e-5, 1e-6, false));
        let mode = Mode::Inference;
        let whole = forward(&network, &weights, &input, Precision::F32, mode);
        assert!(outputs[2].equal(&whole));
        assert!(!outputs[2].requires_grad());

        assert_eq!(network.features(), 2);
        let with_node = forward_with_node(&network, &weights, &input, Precision::F32, 2);
        assert!(with_node.0.equal(&whole));
        assert!(with_node.1.equal(&outputs[0].flatten(1, -1)));
    }

    #[test]
    fn gradients_reach_every_learned_tensor_of_every_network() {
        tch::set_num_threads(1);
        tch::manual_seed(8);
        for name in Architecture::all().map(|architecture| architecture.name()) {
            // The default width takes too long here.
            let text = name.replace("zhu2019", "zhu2019 k=0.25");
            let network = text.parse::<Architecture>().unwrap().describe();
            let weights = Weights::start(&network, Device::Cpu);
            let [channels, height, width] = network.view_shape().map(|n| n as i64);
            let shape = [2, channels, height, width];
            let views = Tensor::randn(shape, (Kind::Float, Device::Cpu));
            // With the batch's statistics a bias before batch normalisation has no gradient.
            let leaves = Leaves::of(&weights, Precision::F32);
            let weights = leaves.weights();
            let logits = forward(&network, weights, &views, Precision::F32, Mode::Inference);
            assert_eq!(logits.size(), [2, 5], "{name}");
            let classes = Tensor::from_slice(&[1_i64, 3]);
            let row = leaves.gradient(&logits.cross_entropy_for_logits(&classes));
            for (parameter, gradient) in weights.layout().tensors(&row) {
                let largest = gradient.abs().max().double_value(&[]);
                let fine = largest.is_finite() && largest > 0.0;
                assert!(fine, "{name}: {} {largest}", parameter.name);
            }
        }
    }
}

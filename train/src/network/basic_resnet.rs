//! A small residual network for one large view: the network of `galmorph-1`. It is not of the paper.
//!
//! Its units are the basic blocks of He et al. 2016a ("Deep residual learning for image recognition",
//! Figure 5, left): two 3x3 convolutions, each with a batch normalisation. At inference a batch
//! normalisation that follows a convolution is a part of it, so only 3x3 convolutions, activations and
//! sums remain. That is what CPUs do best.
//!
//! - The stem has two 3x3 convolutions of stride 2, so that no layer works at the view's full size.
//! - Where a group halves the image, its first block does, and the shortcut is the mean of 3x3 pixels and
//!   a 1x1 convolution, much as in ResNet-D (He et al. 2018, "Bag of tricks for image classification").
//!   A 1x1 convolution of stride 2 would drop three quarters of the pixels.
//! - A last 1x1 convolution widens the features, of which the classes and the novelty are made.

use galmorph_cutout::Morphology;

use super::architecture::{Describe, Hyperparameter};
use super::{Builder, Convolution, Network, Pool};

/// The hyperparameters of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BasicResNet {
    /// The side of a view, in pixels.
    pub(super) side: usize,
    /// Channels of the first group; each later group has twice as many as the one before.
    pub(super) width: usize,
    /// The blocks of each group.
    pub(super) blocks: [usize; 3],
}

impl Default for BasicResNet {
    fn default() -> Self {
        Self {
            side: 128,
            width: 64,
            blocks: [1, 3, 1],
        }
    }
}

/// The features, as a multiple of the width of the first group.
const FEATURES: usize = 8;

impl Describe for BasicResNet {
    fn name(&self) -> &'static str {
        "basic-resnet"
    }

    fn hyperparameters(&mut self) -> Vec<Hyperparameter<'_>> {
        let [first, second, third] = &mut self.blocks;
        vec![
            Hyperparameter::whole("side", &mut self.side, 16..=512),
            Hyperparameter::whole("width", &mut self.width, 2..=512),
            Hyperparameter::whole("n1", first, 1..=64),
            Hyperparameter::whole("n2", second, 1..=64),
            Hyperparameter::whole("n3", third, 1..=64),
        ]
    }

    fn describe(&self) -> Network {
        let (mut net, views) = Builder::new(self.side);
        let halving = |filters| Convolution::square(filters, 3).same().stride(2);
        let mut x = normalised(&mut net, "stem1", views, halving(self.width / 2));
        x = net.relu("stem1/relu", x);
        x = normalised(&mut net, "stem2", x, halving(self.width));
        x = net.relu("stem2/relu", x);

        for (number, blocks) in self.blocks.into_iter().enumerate() {
            let channels = self.width << number;
            for block in 1..=blocks {
                let name = format!("group{}/block{block}", number + 1);
                let stride = if number > 0 && block == 1 { 2 } else { 1 };
                x = basic_block(&mut net, &name, x, channels, stride);
            }
        }

        let features = Convolution::square(FEATURES * self.width, 1);
        x = normalised(&mut net, "features", x, features);
        x = net.relu("features/relu", x);
        x = net.global_average_pool("pool", x);
        net.linear("classes", x, Morphology::COUNT);
        net.finish()
    }
}

/// Adds a basic block.
fn basic_block(
    net: &mut Builder,
    name: &str,
    input: usize,
    channels: usize,
    stride: usize,
) -> usize {
    let part = |part: &str| format!("{name}/{part}");
    let convolution = Convolution::square(channels, 3).same();
    let mut x = normalised(net, &part("conv1"), input, convolution.stride(stride));
    x = net.relu(&part("relu1"), x);
    x = normalised(net, &part("conv2"), x, convolution);

    let mut shortcut = input;
    if stride > 1 {
        shortcut = net.average_pool(&part("mean"), shortcut, Pool::new(3, stride).same());
    }
    if net.shape(shortcut).channels != channels {
        let projection = Convolution::square(channels, 1);
        shortcut = normalised(net, &part("projection"), shortcut, projection);
    }
    x = net.add(&part("add"), x, shortcut);
    net.relu(&part("relu2"), x)
}

/// Adds a convolution and its batch normalisation.
fn normalised(net: &mut Builder, name: &str, input: usize, convolution: Convolution) -> usize {
    let x = net.convolution(name, input, convolution.without_bias());
    net.batch_norm(&format!("{name}/bn"), x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Shape;
    use crate::network::tests::{layers, shape};

    #[test]
    fn each_group_halves_the_image_and_doubles_the_channels() {
        let network = BasicResNet::default().describe();
        assert_eq!(shape(&network, "stem1"), Shape::square(32, 64));
        assert_eq!(shape(&network, "stem2"), Shape::square(64, 32));
        assert_eq!(shape(&network, "group1/block1/add"), Shape::square(64, 32));
        assert_eq!(shape(&network, "group2/block3/add"), Shape::square(128, 16));
        assert_eq!(shape(&network, "group3/block1/add"), Shape::square(256, 8));
        assert_eq!(shape(&network, "pool"), Shape::square(512, 1));
        // Two in the stem, two in each of five blocks, the features and the classes.
        assert_eq!(layers(&network), 14);
    }

    #[test]
    fn it_keeps_to_the_budget_of_four_views_of_the_small_network() {
        let network = BasicResNet::default().describe();
        let four_views = 430_000_000;
        assert!(network.multiply_adds() <= four_views);
        // 10 MB of f32.
        assert!(network.learned_values() <= 2_500_000);
    }

    #[test]
    fn an_odd_side_rounds_the_same_way_on_both_paths() {
        for side in 16..=64 {
            let odd = BasicResNet {
                side,
                width: 2,
                blocks: [1; 3],
            };
            // The builder panics where a sum has unequal shapes.
            odd.describe();
        }
    }
}

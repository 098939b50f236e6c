//! The plain 7-layer network of the paper's section 5.3, whose filters and feature maps its Figures 10
//! to 12 show.
//!
//! The paper gives the four convolutions, the number of fully connected layers and, in the caption of
//! Figure 11, the poolings. The rest is our choice: the padding keeps the size, as in the paper's own
//! network. The poolings are 2x2, and the two hidden fully connected layers have 2048 units and dropout,
//! as in the similar network of Dieleman et al. 2015.

use super::architecture::{Describe, Hyperparameter};
use super::{Builder, Convolution, Network, Pool};

/// The hyperparameters of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plain7 {
    /// The probability to drop a value after each hidden fully connected layer.
    pub(super) drop_probability: f64,
}

/// The units of each hidden fully connected layer.
const HIDDEN_UNITS: usize = 2048;

impl Default for Plain7 {
    fn default() -> Self {
        Self {
            drop_probability: 0.5,
        }
    }
}

impl Describe for Plain7 {
    fn name(&self) -> &'static str {
        "plain7"
    }

    fn hyperparameters(&mut self) -> Vec<Hyperparameter<'_>> {
        vec![Hyperparameter::drop_probability(&mut self.drop_probability)]
    }

    fn describe(&self) -> Network {
        let (mut net, views) = Builder::of_the_paper();
        let convolution = |filters, kernel| Convolution::square(filters, kernel).same();
        let halving = Pool::new(2, 2);

        let mut x = net.convolution_relu("conv1", views, convolution(32, 6));
        x = net.max_pool("pool1", x, halving);
        x = net.convolution_relu("conv2", x, convolution(64, 5));
        x = net.max_pool("pool2", x, halving);
        x = net.convolution_relu("conv3", x, convolution(128, 3));
        x = net.convolution_relu("conv4", x, convolution(128, 3));
        x = net.max_pool("pool4", x, halving);

        let hidden = ["full5", "full6"];
        net.fully_connected_head(x, hidden, HIDDEN_UNITS, self.drop_probability);
        net.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Shape;
    use crate::network::tests::{layers, shape};

    fn network() -> Network {
        Plain7 {
            drop_probability: 0.5,
        }
        .describe()
    }

    #[test]
    fn it_has_7_layers_with_the_filters_of_section_5_3() {
        let network = network();
        assert_eq!(layers(&network), 7);
        assert_eq!(shape(&network, "conv1"), Shape::square(32, 64));
        assert_eq!(shape(&network, "conv2"), Shape::square(64, 32));
        assert_eq!(shape(&network, "conv3"), Shape::square(128, 16));
        assert_eq!(shape(&network, "conv4"), Shape::square(128, 16));
        assert_eq!(shape(&network, "pool4"), Shape::square(128, 8));
    }

    #[test]
    fn its_parameters_are_the_sum_of_its_layers() {
        let convolutions =
            32 * (108 + 1) + 64 * (32 * 25 + 1) + 128 * (64 * 9 + 1) + 128 * (128 * 9 + 1);
        let full = 2048 * (128 * 8 * 8 + 1) + 2048 * 2049 + 5 * 2049;
        assert_eq!(network().learned_values(), convolutions + full);
    }
}

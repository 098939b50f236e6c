//! Krizhevsky et al. 2012, "`ImageNet` classification with deep convolutional neural networks":
//! section 3.5 and Figure 2.
//!
//! Differences from the source:
//! - The first convolution has a stride of 2, not 4. Its output of 27 x 27 pixels is the size that their
//!   second convolution sees. With a stride of 4, nothing would be left for the last poolings.
//! - Their network is divided between two GPUs, whose halves meet only in the third convolution and in
//!   the fully connected layers. Here every convolution sees all channels.
//!
//! Their images are pixel values minus the mean, ours are whitened. So our activations are about fifty
//! times smaller, and the local response normalisation is close to a division by k^beta.

use super::architecture::{Describe, Hyperparameter};
use super::{Builder, Convolution, LocalResponseNorm, Network, Pool};

/// The hyperparameters of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AlexNet {
    /// The probability to drop a value after each hidden fully connected layer (section 4.2: 0.5).
    pub(super) drop_probability: f64,
}

/// Section 3.3: n = 5, k = 2, alpha = 1e-4, beta = 0.75. Their alpha is not divided by n.
const RESPONSE_NORM: LocalResponseNorm = LocalResponseNorm {
    size: 5,
    alpha: 5.0 * 1e-4,
    beta: 0.75,
    bias: 2.0,
};

/// Section 3.4: squares overlap.
const OVERLAPPING: Pool = Pool::new(3, 2);

/// The units of each hidden fully connected layer.
const HIDDEN_UNITS: usize = 4096;

impl Default for AlexNet {
    fn default() -> Self {
        Self {
            drop_probability: 0.5,
        }
    }
}

impl Describe for AlexNet {
    fn name(&self) -> &'static str {
        "alexnet"
    }

    fn hyperparameters(&mut self) -> Vec<Hyperparameter<'_>> {
        vec![Hyperparameter::drop_probability(&mut self.drop_probability)]
    }

    fn describe(&self) -> Network {
        let (mut net, views) = Builder::of_the_paper();
        let same = |filters, kernel| Convolution::square(filters, kernel).same();

        let mut x = net.convolution_relu("conv1", views, Convolution::square(96, 11).stride(2));
        x = net.local_response_norm("norm1", x, RESPONSE_NORM);
        x = net.max_pool("pool1", x, OVERLAPPING);
        x = net.convolution_relu("conv2", x, same(256, 5));
        x = net.local_response_norm("norm2", x, RESPONSE_NORM);
        x = net.max_pool("pool2", x, OVERLAPPING);
        x = net.convolution_relu("conv3", x, same(384, 3));
        x = net.convolution_relu("conv4", x, same(384, 3));
        x = net.convolution_relu("conv5", x, same(256, 3));
        x = net.max_pool("pool5", x, OVERLAPPING);

        let hidden = ["full6", "full7"];
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
        AlexNet {
            drop_probability: 0.5,
        }
        .describe()
    }

    #[test]
    fn it_has_8_layers_with_the_filters_of_section_3_5() {
        let network = network();
        assert_eq!(layers(&network), 8);
        assert_eq!(shape(&network, "conv1"), Shape::square(96, 27));
        assert_eq!(shape(&network, "conv2"), Shape::square(256, 13));
        assert_eq!(shape(&network, "conv3"), Shape::square(384, 6));
        assert_eq!(shape(&network, "conv4"), Shape::square(384, 6));
        assert_eq!(shape(&network, "conv5"), Shape::square(256, 6));
        assert_eq!(shape(&network, "pool5"), Shape::square(256, 2));
        assert_eq!(shape(&network, "full7"), Shape::square(4096, 1));
    }

    #[test]
    fn its_parameters_are_the_sum_of_its_layers() {
        let convolutions = 96 * (3 * 121 + 1)
            + 256 * (96 * 25 + 1)
            + 384 * (256 * 9 + 1)
            + 384 * (384 * 9 + 1)
            + 256 * (384 * 9 + 1);
        let full = 4096 * (256 * 2 * 2 + 1) + 4096 * 4097 + 5 * 4097;
        assert_eq!(network().learned_values(), convolutions + full);
    }
}

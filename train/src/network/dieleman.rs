//! Dieleman, Willett & Dambre 2015, "Rotation-invariant convolutional neural networks for galaxy
//! morphology prediction": sections 5 to 7, the winner of the Galaxy Challenge.
//!
//! The network looks at 16 viewpoints of a galaxy (`viewpoint.rs`), each through the same
//! convolutions. Fully connected layers of maxout units combine the outputs for all viewpoints.
//!
//! Differences from the source:
//! - The viewpoints of 45 x 45 pixels are cut from our 64 x 64 pixels, not from their 69 x 69. So they
//!   overlap a little more, and extend 13 pixels beyond the galaxy's centre instead of 10.
//! - The image rotated by 45 degrees is also made from these 64 x 64 pixels, so its corners repeat the
//!   sky at the edge. Theirs is made from a larger image.
//! - The outputs are the logits of five classes, not 37 vote fractions.

use galmorph_cutout::Morphology;

use super::architecture::{Describe, Hyperparameter};
use super::{Builder, Convolution, Network, Pool};

/// The hyperparameters of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dieleman {
    /// The probability to drop a value before each fully connected layer (theirs: 0.5).
    pub(super) drop_probability: f64,
}

/// The side of a viewpoint, in pixels.
const CROP: usize = 45;

/// The units of each hidden fully connected layer, and the linear pieces of each.
const HIDDEN_UNITS: usize = 2048;
const PIECES: usize = 2;

impl Default for Dieleman {
    fn default() -> Self {
        Self {
            drop_probability: 0.5,
        }
    }
}

impl Describe for Dieleman {
    fn name(&self) -> &'static str {
        "dieleman"
    }

    fn hyperparameters(&mut self) -> Vec<Hyperparameter<'_>> {
        vec![Hyperparameter::drop_probability(&mut self.drop_probability)]
    }

    fn describe(&self) -> Network {
        let (mut net, views) = Builder::of_the_paper();
        let halving = Pool::new(2, 2);

        let turned = net.rotate("turned", views, 45.0);
        let mut x = net.viewpoints("viewpoints", &[views, turned], CROP);
        x = net.convolution_relu("conv1", x, Convolution::square(32, 6));
        x = net.max_pool("pool1", x, halving);
        x = net.convolution_relu("conv2", x, Convolution::square(64, 5));
        x = net.max_pool("pool2", x, halving);
        x = net.convolution_relu("conv3", x, Convolution::square(128, 3));
        x = net.convolution_relu("conv4", x, Convolution::square(128, 3));
        x = net.max_pool("pool4", x, halving);
        x = net.join_viewpoints("joined", x);

        for layer in ["full5", "full6"] {
            x = net.dropout(&format!("{layer}/dropout"), x, self.drop_probability);
            x = net.linear(&format!("{layer}/pieces"), x, PIECES * HIDDEN_UNITS);
            x = net.maxout(layer, x, PIECES);
        }
        x = net.dropout("classes/dropout", x, self.drop_probability);
        net.linear("classes", x, Morphology::COUNT);
        net.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Shape;
    use crate::network::tests::{layers, shape};

    fn network() -> Network {
        Dieleman {
            drop_probability: 0.5,
        }
        .describe()
    }

    #[test]
    fn it_has_7_layers_that_see_16_viewpoints() {
        let network = network();
        assert_eq!(layers(&network), 7);
        let each = |channels, side| Shape {
            viewpoints: 16,
            ..Shape::square(channels, side)
        };
        assert_eq!(shape(&network, "viewpoints"), each(3, 45));
        assert_eq!(shape(&network, "conv1"), each(32, 40));
        assert_eq!(shape(&network, "conv2"), each(64, 16));
        assert_eq!(shape(&network, "conv3"), each(128, 6));
        assert_eq!(shape(&network, "conv4"), each(128, 4));
        assert_eq!(shape(&network, "pool4"), each(128, 2));
        assert_eq!(shape(&network, "joined"), Shape::square(8192, 1));
        assert_eq!(shape(&network, "full5"), Shape::square(2048, 1));
        assert_eq!(shape(&network, "full6"), Shape::square(2048, 1));
    }

    #[test]
    fn its_parameters_are_the_sum_of_its_layers() {
        let convolutions =
            32 * (108 + 1) + 64 * (32 * 25 + 1) + 128 * (64 * 9 + 1) + 128 * (128 * 9 + 1);
        let full = 4096 * (8192 + 1) + 4096 * (2048 + 1) + 5 * (2048 + 1);
        assert_eq!(network().learned_values(), convolutions + full);
    }
}

//! Simonyan & Zisserman 2014, "Very deep convolutional networks for large-scale image recognition":
//! Table 1, configuration D.
//!
//! The smaller input changes no layer. Before the fully connected layers there are 2 x 2 pixels instead
//! of 7 x 7, which makes the first of these layers smaller.

use super::architecture::{Describe, Hyperparameter};
use super::{Builder, Convolution, Network, Pool};

/// The hyperparameters of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Vgg16 {
    /// The probability to drop a value after each hidden fully connected layer (section 3.1: 0.5).
    pub(super) drop_probability: f64,
}

/// Table 1, column D: 3x3 convolutions and their channels, with a pooling after each group.
const GROUPS: [(usize, usize); 5] = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)];

/// The units of each hidden fully connected layer.
const HIDDEN_UNITS: usize = 4096;

impl Default for Vgg16 {
    fn default() -> Self {
        Self {
            drop_probability: 0.5,
        }
    }
}

impl Describe for Vgg16 {
    fn name(&self) -> &'static str {
        "vgg16"
    }

    fn hyperparameters(&mut self) -> Vec<Hyperparameter<'_>> {
        vec![Hyperparameter::drop_probability(&mut self.drop_probability)]
    }

    fn describe(&self) -> Network {
        let (mut net, mut x) = Builder::of_the_paper();
        for (group, (convolutions, filters)) in (1..).zip(GROUPS) {
            for number in 1..=convolutions {
                let name = format!("conv{group}/{number}");
                x = net.convolution_relu(&name, x, Convolution::square(filters, 3).same());
            }
            x = net.max_pool(&format!("pool{group}"), x, Pool::new(2, 2));
        }
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
        Vgg16 {
            drop_probability: 0.5,
        }
        .describe()
    }

    #[test]
    fn it_has_16_layers_and_halves_the_image_five_times() {
        let network = network();
        assert_eq!(layers(&network), 16);
        assert_eq!(shape(&network, "conv1/2"), Shape::square(64, 64));
        assert_eq!(shape(&network, "conv3/3"), Shape::square(256, 16));
        assert_eq!(shape(&network, "pool5"), Shape::square(512, 2));
        assert_eq!(shape(&network, "full6"), Shape::square(4096, 1));
    }

    #[test]
    fn its_parameters_are_those_of_the_source_but_for_the_smaller_image_and_fewer_classes() {
        // With 224 x 224 pixels and 1000 classes it is the 138 million of Table 2.
        let source = 138_357_544;
        let pixels_less = (7 * 7 - 2 * 2) * 512 * 4096;
        let classes_less = (1000 - 5) * 4097;
        let expected = source - pixels_less - classes_less;
        assert_eq!(network().learned_values(), expected);
    }
}

//! The paper's 26-layer residual network: section 4.4, Table 3, Figures 7 and 8.
//!
//! The paper's text and the authors' published code differ in one point, where this follows the code.
//! The text puts the stride of conv2, conv3 and conv4 on "the last layer", which would compute three
//! quarters of a 3x3 convolution for nothing. Here, as in the code, the 3x3 convolution of the last
//! *unit* has the stride, and the shortcut takes every second pixel. The units of Figure 7 are those of
//! [`bottleneck`](super::bottleneck).
//!
//! The paper counts 26.3 M parameters. Its Table 3 gives 55.68 M at k = 2, and no natural reading of the
//! table gives 26.3 M.

use galmorph_cutout::Morphology;

use super::architecture::{Describe, Hyperparameter};
use super::bottleneck::Group;
use super::{Builder, Convolution, Network, Pool};

/// The hyperparameters of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Zhu2019 {
    /// The widening factor k: every convolution but the first has k times the channels of Table 3.
    pub(super) widening: f64,
    /// The number N of residual units in each of the four groups.
    pub(super) units: usize,
    /// The probability to drop a value after each 3x3 convolution.
    pub(super) drop_probability: f64,
}

impl Default for Zhu2019 {
    /// The paper's k and N, without dropout.
    fn default() -> Self {
        Self {
            widening: 2.0,
            units: 2,
            drop_probability: 0.0,
        }
    }
}

/// Channels of the first convolution, which k does not widen.
const STEM_FILTERS: usize = 64;

/// Table 3, conv2 to conv5: channels inside and at the end of a unit, and whether the group's last
/// unit halves the image.
const GROUPS: [(usize, usize, bool); 4] = [
    (64, 256, true),
    (128, 512, true),
    (256, 1024, true),
    (512, 2048, false),
];

impl Describe for Zhu2019 {
    fn name(&self) -> &'static str {
        "zhu2019"
    }

    fn hyperparameters(&mut self) -> Vec<Hyperparameter<'_>> {
        vec![
            Hyperparameter::real("k", &mut self.widening, 0.001..=16.0),
            Hyperparameter::whole("N", &mut self.units, 1..=64),
            Hyperparameter::drop_probability(&mut self.drop_probability),
        ]
    }

    fn describe(&self) -> Network {
        let (mut net, views) = Builder::of_the_paper();

        // Conv 1: an even kernel that keeps the size, as TensorFlow pads it. No BN or ReLU follows.
        let stem = Convolution::square(STEM_FILTERS, 6).same();
        let mut x = net.convolution("conv1", views, stem);
        x = net.max_pool("pool1", x, Pool::new(2, 2));

        for (number, (inner, outer, halves)) in GROUPS.into_iter().enumerate() {
            let group = Group {
                name: format!("conv{}", number + 2),
                units: self.units,
                inner: self.widened(inner),
                outer: self.widened(outer),
                halves,
                drop_probability: self.drop_probability,
                bias_before_norm: true,
            };
            x = group.describe(&mut net, x);
        }

        x = net.batch_norm_relu("last", x);
        x = net.global_average_pool("pool5", x);
        net.linear("classes", x, Morphology::COUNT);
        net.finish()
    }
}

impl Zhu2019 {
    fn widened(&self, channels: usize) -> usize {
        ((channels as f64 * self.widening).round() as usize).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Shape;
    use crate::network::tests::{layers, shape};

    fn network(widening: f64, units: usize) -> Network {
        Zhu2019 {
            widening,
            units,
            drop_probability: 0.0,
        }
        .describe()
    }

    #[test]
    fn the_papers_network_has_26_layers_and_55_68_million_parameters() {
        let network = network(2.0, 2);
        assert_eq!(layers(&network), 26);
        assert_eq!(network.learned_values() / 10_000, 5568);
    }

    #[test]
    fn output_sizes_are_those_of_table_3() {
        let network = network(2.0, 2);
        assert_eq!(shape(&network, "conv1"), Shape::square(64, 64));
        assert_eq!(shape(&network, "pool1"), Shape::square(64, 32));
        assert_eq!(shape(&network, "conv2/unit2/add"), Shape::square(512, 16));
        assert_eq!(shape(&network, "conv3/unit2/add"), Shape::square(1024, 8));
        assert_eq!(shape(&network, "conv4/unit2/add"), Shape::square(2048, 4));
        assert_eq!(shape(&network, "conv5/unit2/add"), Shape::square(4096, 4));
        assert_eq!(shape(&network, "pool5"), Shape::square(4096, 1));
        assert_eq!(shape(&network, "classes"), Shape::square(5, 1));
    }

    #[test]
    fn depth_follows_the_units_also_when_one_unit_projects_and_strides() {
        assert_eq!(layers(&network(0.25, 1)), 14);
        assert_eq!(layers(&network(0.25, 3)), 38);
    }
}

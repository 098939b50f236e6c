//! ResNet-50 with the full pre-activation units of He et al. 2016b, "Identity mappings in deep residual
//! networks"; its widths and depths are those of He et al. 2016a, Table 1.
//!
//! The layout is that of TF-slim's `resnet_v2_50`: the last unit of a group has the stride, the stem has
//! no batch normalisation, and a convolution has a bias unless a batch normalisation follows. The
//! smaller input changes no layer: the groups have 16, 8, 4 and 2 pixels a side instead of 56, 28, 14
//! and 7.

use galmorph_cutout::Morphology;

use super::architecture::{Describe, Hyperparameter};
use super::bottleneck::Group;
use super::{Builder, Convolution, Network, Pool};

/// The network. It has no hyperparameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ResNet50V2;

/// Table 1 of He et al. 2016a, conv2 to conv5: units, channels inside and at the end of a unit, and
/// whether the group's last unit halves the image.
const GROUPS: [(usize, usize, usize, bool); 4] = [
    (3, 64, 256, true),
    (4, 128, 512, true),
    (6, 256, 1024, true),
    (3, 512, 2048, false),
];

impl Describe for ResNet50V2 {
    fn name(&self) -> &'static str {
        "resnet50-v2"
    }

    fn hyperparameters(&mut self) -> Vec<Hyperparameter<'_>> {
        Vec::new()
    }

    fn describe(&self) -> Network {
        let (mut net, views) = Builder::of_the_paper();

        let stem = Convolution::square(64, 7).same().stride(2);
        let mut x = net.convolution("conv1", views, stem);
        x = net.max_pool("pool1", x, Pool::new(3, 2).same());

        for (number, (units, inner, outer, halves)) in GROUPS.into_iter().enumerate() {
            let group = Group {
                name: format!("conv{}", number + 2),
                units,
                inner,
                outer,
                halves,
                drop_probability: 0.0,
                bias_before_norm: false,
            };
            x = group.describe(&mut net, x);
        }

        x = net.batch_norm_relu("last", x);
        x = net.global_average_pool("pool5", x);
        net.linear("classes", x, Morphology::COUNT);
        net.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Shape;
    use crate::network::tests::{layers, shape};

    #[test]
    fn it_has_50_layers_and_the_widths_of_table_1() {
        let network = ResNet50V2.describe();
        assert_eq!(layers(&network), 50);
        assert_eq!(shape(&network, "conv1"), Shape::square(64, 32));
        assert_eq!(shape(&network, "pool1"), Shape::square(64, 16));
        assert_eq!(shape(&network, "conv2/unit2/add"), Shape::square(256, 16));
        assert_eq!(shape(&network, "conv2/unit3/add"), Shape::square(256, 8));
        assert_eq!(shape(&network, "conv3/unit4/add"), Shape::square(512, 4));
        assert_eq!(shape(&network, "conv4/unit6/add"), Shape::square(1024, 2));
        assert_eq!(shape(&network, "conv5/unit3/add"), Shape::square(2048, 2));
    }

    #[test]
    fn its_parameters_are_those_of_keras_without_its_thousand_classes() {
        // Keras' ResNet50V2, of the same layout: 25,568,360 trainable with 1000 classes.
        let body = 25_568_360 - 1000 * 2049;
        assert_eq!(ResNet50V2.describe().learned_values(), body + 5 * 2049);
    }
}

//! Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision": section 6, Table 1
//! and Figures 5 to 7 and 10. Where these leave something open, this follows TF-slim's `inception_v3`,
//! whose names of the modules it uses, too.
//!
//! Differences from the source:
//! - 64 x 64 pixels instead of 299 x 299. Every layer that the source doesn't pad is padded, so that it
//!   keeps the image's size, or halves it with a stride of 2. So the modules see 8, 4 and 2 pixels a
//!   side instead of 35, 17 and 8; without padding, nothing would be left for the last ones. The padding
//!   is the same on both sides. In a layer with a stride, TensorFlow's would only be after the image.
//! - No auxiliary classifier. The source finds that it only helps at the end of training (section 4).
//! - Batch normalisation has a scale in addition to the shift, and the epsilon and decay of all networks
//!   here.

use galmorph_cutout::Morphology;

use super::architecture::{Describe, Hyperparameter};
use super::{Builder, Convolution, Network, Pool};

/// The hyperparameters of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct InceptionV3 {
    /// The probability to drop a value before the last layer (TF-slim: 0.2).
    pub(super) drop_probability: f64,
}

impl Default for InceptionV3 {
    fn default() -> Self {
        Self {
            drop_probability: 0.2,
        }
    }
}

impl Describe for InceptionV3 {
    fn name(&self) -> &'static str {
        "inception-v3"
    }

    fn hyperparameters(&mut self) -> Vec<Hyperparameter<'_>> {
        vec![Hyperparameter::drop_probability(&mut self.drop_probability)]
    }

    fn describe(&self) -> Network {
        let (mut net, views) = Builder::of_the_paper();

        // Table 1's first seven rows.
        let stem = Module::new("stem");
        let mut x = stem.halve(&mut net, "1a", views, 32);
        x = stem.square(&mut net, "2a", x, 32, 3);
        x = stem.square(&mut net, "2b", x, 64, 3);
        x = net.max_pool("stem/pool3a", x, Pool::new(3, 2).same());
        x = stem.square(&mut net, "3b", x, 80, 1);
        x = stem.square(&mut net, "4a", x, 192, 3);
        x = net.max_pool("stem/pool5a", x, Pool::new(3, 2).same());

        // 8 x 8 pixels.
        for (name, pool_filters) in [("5b", 32), ("5c", 64), ("5d", 64)] {
            x = Module::new(name).figure_5(&mut net, x, pool_filters);
        }
        x = Module::new("6a").first_reduction(&mut net, x);

        // 4 x 4 pixels.
        for (name, inner) in [("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)] {
            x = Module::new(name).figure_6(&mut net, x, inner);
        }
        x = Module::new("7a").second_reduction(&mut net, x);

        // 2 x 2 pixels.
        for name in ["7b", "7c"] {
            x = Module::new(name).figure_7(&mut net, x);
        }

        x = net.global_average_pool("pool8", x);
        x = net.dropout("dropout", x, self.drop_probability);
        net.linear("classes", x, Morphology::COUNT);
        net.finish()
    }
}

/// Layers under one name: each method adds convolutions with BN-ReLU, or a whole module whose branches
/// end in one concatenation.
struct Module {
    name: &'static str,
}

impl Module {
    const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// Figure 5: a 5x5, and a 5x5 factorised into two 3x3.
    fn figure_5(&self, net: &mut Builder, input: usize, pool_filters: usize) -> usize {
        let a = self.square(net, "a/1x1", input, 64, 1);

        let mut b = self.square(net, "b/1x1", input, 48, 1);
        b = self.square(net, "b/5x5", b, 64, 5);

        let mut c = self.square(net, "c/1x1", input, 64, 1);
        c = self.square(net, "c/3x3", c, 96, 3);
        c = self.square(net, "c/3x3again", c, 96, 3);

        let d = self.average_and_project(net, input, pool_filters);
        self.join(net, &[a, b, c, d])
    }

    /// Figure 10, from the 35 x 35 grid to the 17 x 17 one.
    fn first_reduction(&self, net: &mut Builder, input: usize) -> usize {
        let a = self.halve(net, "a/3x3", input, 384);

        let mut b = self.square(net, "b/1x1", input, 64, 1);
        b = self.square(net, "b/3x3", b, 96, 3);
        b = self.halve(net, "b/3x3again", b, 96);

        let c = self.halving_pool(net, input);
        self.join(net, &[a, b, c])
    }

    /// Figure 6: 7x7 factorised into 1x7 and 7x1, with `inner` channels in between.
    fn figure_6(&self, net: &mut Builder, input: usize, inner: usize) -> usize {
        let a = self.square(net, "a/1x1", input, 192, 1);

        let mut b = self.square(net, "b/1x1", input, inner, 1);
        b = self.convolution(net, "b/1x7", b, inner, [1, 7]);
        b = self.convolution(net, "b/7x1", b, 192, [7, 1]);

        let mut c = self.square(net, "c/1x1", input, inner, 1);
        c = self.convolution(net, "c/7x1", c, inner, [7, 1]);
        c = self.convolution(net, "c/1x7", c, inner, [1, 7]);
        c = self.convolution(net, "c/7x1again", c, inner, [7, 1]);
        c = self.convolution(net, "c/1x7again", c, 192, [1, 7]);

        let d = self.average_and_project(net, input, 192);
        self.join(net, &[a, b, c, d])
    }

    /// From the 17 x 17 grid to the 8 x 8 one, as Figure 10.
    fn second_reduction(&self, net: &mut Builder, input: usize) -> usize {
        let mut a = self.square(net, "a/1x1", input, 192, 1);
        a = self.halve(net, "a/3x3", a, 320);

        let mut b = self.square(net, "b/1x1", input, 192, 1);
        b = self.convolution(net, "b/1x7", b, 192, [1, 7]);
        b = self.convolution(net, "b/7x1", b, 192, [7, 1]);
        b = self.halve(net, "b/3x3", b, 192);

        let c = self.halving_pool(net, input);
        self.join(net, &[a, b, c])
    }

    /// Figure 7: 1x3 and 3x1 side by side.
    fn figure_7(&self, net: &mut Builder, input: usize) -> usize {
        let a = self.square(net, "a/1x1", input, 320, 1);

        let b = self.square(net, "b/1x1", input, 384, 1);
        let b_wide = self.convolution(net, "b/1x3", b, 384, [1, 3]);
        let b_tall = self.convolution(net, "b/3x1", b, 384, [3, 1]);

        let mut c = self.square(net, "c/1x1", input, 448, 1);
        c = self.square(net, "c/3x3", c, 384, 3);
        let c_wide = self.convolution(net, "c/1x3", c, 384, [1, 3]);
        let c_tall = self.convolution(net, "c/3x1", c, 384, [3, 1]);

        let d = self.average_and_project(net, input, 192);
        self.join(net, &[a, b_wide, b_tall, c_wide, c_tall, d])
    }

    fn average_and_project(&self, net: &mut Builder, input: usize, filters: usize) -> usize {
        let mean = self.named("pool");
        let x = net.average_pool(&mean, input, Pool::new(3, 1).same());
        self.square(net, "pool/1x1", x, filters, 1)
    }

    fn halving_pool(&self, net: &mut Builder, input: usize) -> usize {
        net.max_pool(&self.named("pool"), input, Pool::new(3, 2).same())
    }

    fn join(&self, net: &mut Builder, branches: &[usize]) -> usize {
        net.concatenate(&self.named("join"), branches)
    }

    fn halve(&self, net: &mut Builder, name: &str, input: usize, filters: usize) -> usize {
        let convolution = Convolution::square(filters, 3).same().stride(2);
        self.add(net, name, input, convolution)
    }

    fn square(
        &self,
        net: &mut Builder,
        name: &str,
        input: usize,
        filters: usize,
        side: usize,
    ) -> usize {
        self.convolution(net, name, input, filters, [side; 2])
    }

    fn convolution(
        &self,
        net: &mut Builder,
        name: &str,
        input: usize,
        filters: usize,
        kernel: [usize; 2],
    ) -> usize {
        self.add(net, name, input, Convolution::new(filters, kernel).same())
    }

    fn add(&self, net: &mut Builder, name: &str, input: usize, convolution: Convolution) -> usize {
        let name = self.named(name);
        let x = net.convolution(&name, input, convolution.without_bias());
        net.batch_norm_relu(&name, x)
    }

    fn named(&self, part: &str) -> String {
        format!("{}/{part}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tests::shape;
    use crate::network::{Layer, Shape};

    fn network() -> Network {
        InceptionV3 {
            drop_probability: 0.2,
        }
        .describe()
    }

    #[test]
    fn its_modules_have_the_channels_of_table_1() {
        let network = network();
        assert_eq!(shape(&network, "stem/4a"), Shape::square(192, 16));
        assert_eq!(shape(&network, "5b/join"), Shape::square(256, 8));
        assert_eq!(shape(&network, "5d/join"), Shape::square(288, 8));
        assert_eq!(shape(&network, "6a/join"), Shape::square(768, 4));
        assert_eq!(shape(&network, "6e/join"), Shape::square(768, 4));
        assert_eq!(shape(&network, "7a/join"), Shape::square(1280, 2));
        assert_eq!(shape(&network, "7c/join"), Shape::square(2048, 2));
    }

    #[test]
    fn its_parameters_are_those_of_torchvision_without_its_thousand_classes() {
        // torchvision's Inception3 without the auxiliary classifier: 23,834,568 with 1000 classes.
        let body = 23_834_568 - 1000 * 2049;
        assert_eq!(network().learned_values(), body + 5 * 2049);
    }

    #[test]
    fn it_has_94_convolutions() {
        let convolution = |layer: &Layer| matches!(layer, Layer::Convolution(_));
        let network = network();
        let layers = network.nodes.iter().map(|node| &node.layer);
        assert_eq!(layers.filter(|layer| convolution(layer)).count(), 94);
    }
}

//! The full pre-activation bottleneck units of He et al. 2016b ("Identity mappings in deep residual
//! networks", Figure 4e), which ResNet-50 v2 and the paper's network consist of.
//!
//! Where a group halves the image, the 3x3 convolution of its last unit has the stride, and the shortcut
//! takes every second pixel. This is as in `resnet_v2` of TF-slim, from which the code of the paper's
//! authors derives.

use super::{Builder, Convolution, Pool};

/// Units of the same width.
pub(super) struct Group {
    pub(super) name: String,
    /// The number of units.
    pub(super) units: usize,
    /// Channels inside a unit.
    pub(super) inner: usize,
    /// Channels at the end of a unit.
    pub(super) outer: usize,
    /// Whether the last unit halves the image.
    pub(super) halves: bool,
    /// The probability to drop a value after each 3x3 convolution.
    pub(super) drop_probability: f64,
    /// Whether convolutions before a batch normalisation have a bias, too.
    pub(super) bias_before_norm: bool,
}

impl Group {
    /// Adds the units, one after the other.
    pub(super) fn describe(&self, net: &mut Builder, input: usize) -> usize {
        (1..=self.units).fold(input, |x, number| {
            let strides = self.halves && number == self.units;
            self.unit(net, x, number, if strides { 2 } else { 1 })
        })
    }

    fn unit(&self, net: &mut Builder, input: usize, number: usize, stride: usize) -> usize {
        let name = |part: &str| format!("{}/unit{number}/{part}", self.name);
        let convolution = |filters, kernel| Convolution::square(filters, kernel).same();
        let before_norm = |filters, kernel| Convolution {
            bias: self.bias_before_norm,
            ..convolution(filters, kernel)
        };

        let activated = net.batch_norm_relu(&name("a"), input);
        // The projection branches off after the first BN-ReLU, and only where the channels change.
        let shortcut = if net.shape(input).channels != self.outer {
            let projection = convolution(self.outer, 1).stride(stride);
            net.convolution(&name("projection"), activated, projection)
        } else if stride > 1 {
            net.max_pool(&name("subsample"), input, Pool::new(1, stride))
        } else {
            input
        };

        let mut x = net.convolution(&name("conv1x1"), activated, before_norm(self.inner, 1));
        x = net.batch_norm_relu(&name("b"), x);
        let middle = before_norm(self.inner, 3).stride(stride);
        x = net.convolution(&name("conv3x3"), x, middle);
        x = net.batch_norm_relu(&name("c"), x);
        x = net.dropout(&name("dropout"), x, self.drop_probability);
        x = net.convolution(&name("expand1x1"), x, convolution(self.outer, 1));
        net.add(&name("add"), shortcut, x)
    }
}

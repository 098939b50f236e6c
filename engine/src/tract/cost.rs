//! Which regions are worth it.
//!
//! A convolution of ours takes less time than tract's, but a region's inputs become NHWC and its outputs NCHW again,
//! value by value. Where a region has few products for each value at its border, the conversions cost more than they
//! gain, and it stays tract's. The estimate is of counts alone, so a model is always cut in the same way.

use std::collections::BTreeSet;

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use super::matches::Matches;
use super::pattern::{Match, Pattern};

/// How many products of a convolution gain what the conversion of one value costs. Measured (AVX-512, f32): alone, a
/// convolution with a window of 3 x 3 is faster than tract's from 36 products for each value on, and one with a window of
/// one pixel from about 128.
const PRODUCTS_PER_VALUE: usize = 32;

/// How many products of a convolution with a window of one pixel gain as much as one of others. tract multiplies the
/// image as it is there, too, and copies no windows.
const PIXELS_PER_PRODUCT: usize = 4;

/// How many products of convolutions gain as much as one of a depthwise one. Measured (AVX-512, f32): alone, one with a
/// window of 3 x 3 is slower than tract's, one of 5 x 5 is up to a fifth slower for large images and twice as fast for
/// small ones, so it is ours, and one of 7 x 7 is faster.
const GAIN_OF_DEPTHWISE: usize = 7;

/// Conversions of so few values take some microseconds, about as long as tract takes to begin another operator.
const FEW_VALUES: usize = 1 << 14;

/// What a region gains and costs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Products of its convolutions with windows of several pixels, and of one.
    products: usize,
    pointwise: usize,
    /// Products of its depthwise convolutions.
    depthwise: usize,
    /// Values of its inputs and outputs.
    converted: usize,
}

impl Cost {
    /// The cost of a region of nodes.
    pub(super) fn of(matches: &Matches<'_>, nodes: &[usize]) -> Self {
        let values = |outlet: OutletId| {
            let dims = matches.images().dims(outlet);
            dims.map_or(0, |dims| dims.batch * dims.image_len())
        };
        let mut cost = Self::default();
        let mut inputs = BTreeSet::new();
        for id in nodes {
            let Match {
                pattern, images, ..
            } = matches.of(*id);
            let outlet = OutletId::new(*id, 0);
            match pattern {
                Pattern::Convolution { spec, groups, .. } => {
                    let channels = images.first().map_or(0, |image| {
                        let dims = matches.images().dims(*image);
                        dims.map_or(0, |dims| dims.channels)
                    });
                    let of_value = channels / groups * spec.window[0] * spec.window[1];
                    let products = if spec.window == [1, 1] {
                        &mut cost.pointwise
                    } else {
                        &mut cost.products
                    };
                    *products += values(outlet) * of_value;
                }
                Pattern::Depthwise { window, .. } => {
                    cost.depthwise += values(outlet) * window.size[0] * window.size[1];
                }
                _ => {}
            }
            inputs.extend(images.iter().filter(|image| !nodes.contains(&image.node)));
            if matches.is_used_outside(outlet, nodes) {
                cost.converted += values(outlet);
            }
        }
        cost.converted += inputs.into_iter().copied().map(values).sum::<usize>();
        cost
    }

    /// Whether it is no less than what it costs. Without a convolution there is nothing to gain.
    pub(super) fn pays(&self) -> bool {
        let pointwise = self.pointwise.div_ceil(PIXELS_PER_PRODUCT);
        let gain = self.products + pointwise + GAIN_OF_DEPTHWISE * self.depthwise;
        gain > 0 && (self.converted <= FEW_VALUES || gain >= PRODUCTS_PER_VALUE * self.converted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_pays_if_it_has_enough_products_for_each_value_at_its_border() {
        let cost = |products, pointwise, depthwise, converted| Cost {
            products,
            pointwise,
            depthwise,
            converted,
        };
        let many = 4 * FEW_VALUES;
        let enough = PRODUCTS_PER_VALUE * many;
        assert!(cost(enough, 0, 0, many).pays());
        assert!(!cost(enough - 1, 0, 0, many).pays());
        assert!(cost(0, enough * PIXELS_PER_PRODUCT, 0, many).pays());
        assert!(!cost(0, (enough - 1) * PIXELS_PER_PRODUCT, 0, many).pays());
        assert!(cost(0, 0, enough.div_ceil(GAIN_OF_DEPTHWISE), many).pays());
        assert!(!cost(0, 0, enough / GAIN_OF_DEPTHWISE - 1, many).pays());
        // Small ones always, but for those without a convolution.
        assert!(cost(1, 0, 0, FEW_VALUES).pays());
        assert!(!cost(0, 0, 0, 1).pays());
    }
}

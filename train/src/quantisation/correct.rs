//! Biases that keep each channel's mean.
//!
//! Rounding is not even: weights are off in one direction for a whole channel, and what is cut off at the end of a
//! range is always too low. Most of it is in the means of the channels, which the biases can mend (Nagel et al. 2019,
//! "Data-free quantization through weight equalization and bias correction", section 4.2). Convolution after
//! convolution, so that each sees what the corrections before it have left.

use std::collections::BTreeMap;

use tch::Tensor;

use super::{channel_means, to_steps};
use crate::network::{Convolution, Layer, Network};
use crate::torch::{Weights, watch};

/// How many values the largest output may have: 512 MB, of which a few are alive at a time.
const VALUES_AT_ONCE: usize = 1 << 27;

/// Corrects the biases of `rounded` in place. `exact` is the network that it was made of.
pub(super) fn biases(
    (exact, exact_weights): (&Network, &Weights),
    (rounded, weights): (&Network, &Weights),
    views: &[Tensor],
) {
    let views = some(exact, views);
    let mut means = BTreeMap::new();
    watch(exact, exact_weights, &views, |index, output| {
        let node = &exact.nodes[index];
        if matches!(node.layer, Layer::Convolution(_)) {
            means.insert(node.name.as_str(), channel_means(output));
        }
    });
    watch(rounded, weights, &views, |index, output| {
        let node = &rounded.nodes[index];
        if !matches!(
            node.layer,
            Layer::Convolution(Convolution {
                eight_bits: true,
                ..
            })
        ) {
            return;
        }
        let input = &rounded.nodes[node.inputs[0]].name;
        let step = weights.get(&format!("{}/weight/step", node.name))
            * weights.get(&format!("{input}/step"));
        let mut bias = weights.get(&format!("{}/bias", node.name)).shallow_clone();
        let missing = &means[node.name.as_str()] - channel_means(output);
        let corrected = to_steps(&(&bias + missing), &step);
        let added = (&corrected - &bias).view([1, -1, 1, 1]);
        bias.copy_(&corrected);
        let _ = output.shallow_clone().g_add_(&added);
    });
}

/// As many of the views as there is memory for at once.
fn some(network: &Network, views: &[Tensor]) -> Tensor {
    let sizes = network
        .nodes
        .iter()
        .map(|node| node.shape.size() * node.shape.viewpoints);
    let count = VALUES_AT_ONCE / sizes.max().unwrap_or(1).max(1);
    let all = Tensor::cat(views, 0);
    let count = (count.max(1) as i64).min(all.size()[0]);
    all.narrow(0, 0, count)
}

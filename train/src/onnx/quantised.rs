//! Weights in 8 bits, for a file of a quarter of the size.
//!
//! A weight tensor `[out, ...]` becomes int8 values and one f32 step for each output channel. The
//! operator `DequantizeLinear` multiplies them, once, when a runtime loads the file. The network
//! computes in f32 as before, with weights that are off by half a step at most. Offsets and statistics
//! are few, and stay f32.

use tch::{Kind, Tensor};

use crate::network::{Parameter, Role};

/// The largest magnitude of a value. -128 is not used, so that the range is symmetric about zero.
const LARGEST: f64 = 127.0;

/// Whether a parameter is stored in 8 bits.
pub(super) const fn applies_to(parameter: &Parameter) -> bool {
    matches!(parameter.role, Role::Weight { .. })
}

/// The names under which the values and the steps of a tensor are stored.
pub(super) fn names(parameter: &str) -> (String, String) {
    (format!("{parameter}/int8"), format!("{parameter}/step"))
}

/// The int8 values (in the tensor's shape) and the f32 steps `[out]` whose product is nearest to the
/// tensor.
pub(super) fn quantise(tensor: &Tensor) -> (Tensor, Tensor) {
    let tensor = tensor.detach().to_kind(Kind::Float);
    let rows = tensor.flatten(1, -1);
    // A channel of zeros may have any step but 0, which would divide it.
    let steps =
        (rows.abs().amax([1].as_slice(), true) / LARGEST).clamp_min(f64::from(f32::MIN_POSITIVE));
    let values = (rows / &steps).round().to_kind(Kind::Int8);
    (values.view_as(&tensor), steps.view(-1))
}

/// The f32 tensor of int8 values `[out, ...]` and their steps `[out]`; `None` if the shapes don't fit.
pub(super) fn expand(values: &Tensor, steps: &Tensor) -> Option<Tensor> {
    let (shape, channels) = (values.size(), steps.size());
    if shape.len() < 2 || channels != shape[..1] {
        return None;
    }
    let rows = values.to_kind(Kind::Float).flatten(1, -1) * steps.view([-1, 1]);
    Some(rows.view(shape.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn each_channel_is_off_by_half_its_own_step_at_most() {
        tch::manual_seed(1);
        let options = (Kind::Float, Device::Cpu);
        let loudness = Tensor::from_slice(&[1.0_f32, 0.001, 0.0, 50.0]).view([4, 1, 1, 1]);
        let tensor = Tensor::randn([4, 3, 5, 5], options) * loudness;
        let (values, steps) = quantise(&tensor);
        assert_eq!(values.kind(), Kind::Int8);
        let expanded = expand(&values, &steps).unwrap();
        let off = (&expanded - &tensor)
            .abs()
            .flatten(1, -1)
            .amax([1].as_slice(), false);
        let slack = steps * 0.5001;
        assert_eq!(off.le_tensor(&slack).all().int64_value(&[]), 1);
        assert!(expanded.get(2).abs().max().double_value(&[]) == 0.0);
    }

    #[test]
    fn steps_of_another_tensor_are_refused() {
        let values = Tensor::zeros([4, 2], (Kind::Int8, Device::Cpu));
        let steps = Tensor::ones([3], (Kind::Float, Device::Cpu));
        assert!(expand(&values, &steps).is_none());
    }
}

//! What tract writes as several nodes, of which the last one is ours: it reads what the first one does. The others are
//! computed only where something else needs them.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Add, Erf, Mul, Sub};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, RmsNorm};

use super::{Found, Pattern, constant};
use crate::microkernel::epilogue::function::Function;
use crate::tract::constants::Constants;
use crate::tract::forms::{Form, Images};

/// Layer normalisation of the channels: `RmsNorm(x - mean(x))`.
pub(super) fn layer_norm(
    constants: &Constants,
    images: Images<'_>,
    node: &TypedNode,
) -> Option<(Form, Found)> {
    let norm = node.op_as::<RmsNorm>()?;
    let before = |outlet: OutletId| images.model.node(outlet.node);
    let difference = before(*node.inputs.first()?);
    let [image, mean] = operands::<Sub>(difference)?;
    let (sum, factor) = with_number::<Mul>(constants, before(mean))?;
    let sum = before(sum);
    let (form, channels) = (images.form(image), images.dims(image)?.channels);
    let axis = form.channels();
    let is_sum = |reduce: &Reduce| reduce.axes[..] == [axis] && reduce.reducer == Reducer::Sum;
    let is_ours = norm.axis == axis
        && sum.op_as::<Reduce>().is_some_and(is_sum)
        && sum.inputs[..] == [image]
        && is_near(factor * channels as f32, 1.0);
    let epsilon = norm.eps.cast_to_scalar::<f32>().ok()?;
    is_ours.then(|| (form, (Pattern::LayerNorm { epsilon }, vec![image])))
}

/// `x * (1/2 * (1 + erf(x / sqrt(2))))`, as `PyTorch` writes a GELU. tract knows other orders of the same by itself.
pub(super) fn gelu(
    constants: &Constants,
    images: Images<'_>,
    node: &TypedNode,
) -> Option<(Form, Found)> {
    let before = |outlet: OutletId| images.model.node(outlet.node);
    let [left, right] = operands::<Mul>(node)?;
    let is_gelu = |image: OutletId, factor: OutletId| {
        let (twice, half) = with_number::<Mul>(constants, before(factor))?;
        let (odd, one) = with_number::<Add>(constants, before(twice))?;
        let erf = before(odd);
        let is_erf = erf.op_as::<ElementWiseOp>()?.0.is::<Erf>();
        let (of_erf, scale) = with_number::<Mul>(constants, before(*erf.inputs.first()?))?;
        let is_right = of_erf == image
            && is_near(half, 0.5)
            && is_near(one, 1.0)
            && is_near(scale, std::f32::consts::FRAC_1_SQRT_2);
        (is_erf && is_right).then_some(image)
    };
    let image = is_gelu(left, right).or_else(|| is_gelu(right, left))?;
    let pattern = Pattern::Function(Function::Gelu);
    Some((images.form(image), (pattern, vec![image])))
}

/// The two values that a node combines.
fn operands<T: BinMiniOp>(node: &TypedNode) -> Option<[OutletId; 2]> {
    let is_it = node.op_as::<TypedBinOp>()?.0.is::<T>();
    let &[left, right] = node.inputs.as_slice() else {
        return None;
    };
    is_it.then_some([left, right])
}

/// The value that a node combines with a single constant number, and that number.
fn with_number<T: BinMiniOp>(constants: &Constants, node: &TypedNode) -> Option<(OutletId, f32)> {
    let [left, right] = operands::<T>(node)?;
    let (value, number) = if constants.contains(right) {
        (left, right)
    } else {
        (right, left)
    };
    let shape = &constants.model.outlet_fact(number).ok()?.shape;
    if !shape.iter().all(TDim::is_one) {
        return None;
    }
    match constant(constants, number)?[..] {
        [number] => Some((value, number)),
        _ => None,
    }
}

/// Whether two numbers are the same but for their last bits.
fn is_near(found: f32, expected: f32) -> bool {
    (found - expected).abs() < 1e-6
}

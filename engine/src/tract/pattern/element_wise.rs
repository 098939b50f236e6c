//! Operators that compute each value by itself: sums, products, scales, limits and other functions.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Add, Max, Min, Mul};
use tract_onnx::tract_core::ops::nn::{
    GeluApproximate, GeluExact, HardSwish, LeakyRelu, Sigmoid, Silu,
};

use super::{Found, Pattern, broadcast, constant};
use crate::convolution::layout::Dims;
use crate::microkernel::epilogue::Activation;
use crate::microkernel::epilogue::function::Function;
use crate::tract::constants::Constants;
use crate::tract::forms::{Form, Images};

/// A sum of two images; or a scale, a shift or ReLU, which tract writes as a binary operator with a constant.
pub(super) fn element_wise(
    constants: &Constants,
    images: Images<'_>,
    op: &TypedBinOp,
    inputs: &[OutletId],
    (form, dims): (Form, &Dims),
) -> Option<Found> {
    let &[left, right] = inputs else {
        return None;
    };
    let dims_of = |outlet| images.dims(outlet);
    let (image, other) = match (constants.contains(left), constants.contains(right)) {
        (false, false) => {
            if op.0.is::<Mul>() {
                return product(left, right, dims_of, dims);
            }
            let is_whole = |outlet| dims_of(outlet).as_ref() == Some(dims);
            let same = is_whole(left) && is_whole(right) && op.0.is::<Add>();
            return same.then(|| (Pattern::Add, vec![left, right]));
        }
        (false, true) => (left, right),
        (true, false) => (right, left),
        (true, true) => return None,
    };
    if dims_of(image)? != *dims {
        return None;
    }
    let values = of_channels(constants, other, (form, dims))?;
    let (zeros, ones) = (vec![0.0; dims.channels], vec![1.0; dims.channels]);
    let (scale, shift, relu) = if op.0.is::<Mul>() {
        (values, zeros, false)
    } else if op.0.is::<Add>() {
        (ones, values, false)
    } else if op.0.is::<Max>() && values.iter().all(|value| *value == 0.0) {
        (ones, zeros, true)
    } else if op.0.is::<Max>() || op.0.is::<Min>() {
        let bound = *values.first()?;
        let is_single = bound.is_finite() && values.iter().all(|value| *value == bound);
        let (least, most) = if op.0.is::<Max>() {
            (bound, f32::INFINITY)
        } else {
            (f32::NEG_INFINITY, bound)
        };
        let limit = Pattern::Function(Function::Limit { least, most });
        return is_single.then(|| (limit, vec![image]));
    } else {
        return None;
    };
    // Eight bits can't say that a value is not a number.
    if !scale.iter().chain(&shift).all(|value| value.is_finite()) {
        return None;
    }
    let activation = Activation { scale, shift, relu };
    Some((Pattern::Activate(activation), vec![image]))
}

/// One value for each channel, from a constant of as many or a single one.
fn of_channels(
    constants: &Constants,
    outlet: OutletId,
    (form, dims): (Form, &Dims),
) -> Option<Vec<f32>> {
    let shape = constants
        .model
        .outlet_fact(outlet)
        .ok()?
        .shape
        .as_concrete()?;
    let is_single = shape.iter().all(|size| *size == 1);
    let others = shape
        .iter()
        .enumerate()
        .filter(|(axis, _)| *axis != form.channels());
    let per_channel = shape.get(form.channels()) == Some(&dims.channels)
        && others.into_iter().all(|(_, size)| *size == 1);
    if !(per_channel || is_single) {
        return None;
    }
    broadcast(constant(constants, outlet)?, dims.channels)
}

/// Negative values times a slope: one for each channel, or one for all.
pub(super) fn prelu(
    constants: &Constants,
    inputs: &[OutletId],
    of_output: (Form, &Dims),
) -> Option<Found> {
    let &[image, slopes] = inputs else {
        return None;
    };
    let slopes = of_channels(constants, slopes, of_output)?;
    let function = match slopes.as_slice() {
        [slope, others @ ..] if others.iter().all(|other| other == slope) => {
            Function::LeakyRelu { slope: *slope }
        }
        _ => Function::Prelu {
            slopes: slopes.into(),
        },
    };
    Some((Pattern::Function(function), vec![image]))
}

/// A product of two images of the same size, or of an image and one of a single pixel.
fn product(
    left: OutletId,
    right: OutletId,
    dims_of: impl Fn(OutletId) -> Option<Dims>,
    dims: &Dims,
) -> Option<Found> {
    let (of_left, of_right) = (dims_of(left)?, dims_of(right)?);
    let pixel = Dims {
        height: 1,
        width: 1,
        ..*dims
    };
    let inputs = if of_left == *dims && (of_right == *dims || of_right == pixel) {
        vec![left, right]
    } else if of_left == pixel && of_right == *dims {
        vec![right, left]
    } else {
        return None;
    };
    Some((Pattern::Multiply, inputs))
}

/// A function of each value.
pub(super) fn function(op: &ElementWiseOp) -> Option<Function> {
    if op
        .1
        .is_some_and(|datum_type| datum_type != f32::datum_type())
    {
        None
    } else if op.0.is::<Silu>() {
        Some(Function::Silu)
    } else if op.0.is::<Sigmoid>() {
        Some(Function::Sigmoid)
    } else if op.0.is::<HardSwish>() {
        Some(Function::HardSwish)
    } else if op.0.is::<GeluExact>() {
        Some(Function::Gelu)
    } else if let Some(gelu) = op.0.downcast_ref::<GeluApproximate>() {
        (!gelu.fast_impl).then_some(Function::GeluByTanh)
    } else {
        let leaky = op.0.downcast_ref::<LeakyRelu>()?;
        Some(Function::LeakyRelu { slope: leaky.alpha })
    }
}

//! The greater or lesser of two values, where NaN in either stays NaN.
//!
//! tract's own gives the other value, so a ReLU makes 0 of NaN, and a network with broken weights would have an
//! answer.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::math::{Max, Min};

/// Takes the place of tract's `Max` or `Min` of f32.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Limit {
    is_max: bool,
}

impl Limit {
    /// The operator that replaces one of tract's; `None` for any other node.
    pub(crate) fn replacing(model: &TypedModel, node: &TypedNode) -> Option<Self> {
        let of_tract = node.op_as::<TypedBinOp>()?;
        let is_f32 = |input: &OutletId| {
            let fact = model.outlet_fact(*input);
            fact.is_ok_and(|fact| fact.datum_type == f32::datum_type())
        };
        let is_max = of_tract.0.is::<Max>();
        let is_ours = (is_max || of_tract.0.is::<Min>()) && node.inputs.iter().all(is_f32);
        is_ours.then_some(Self { is_max })
    }

    fn of(&self, left: f32, right: f32) -> f32 {
        let takes_left = if self.is_max {
            left > right
        } else {
            left < right
        };
        if takes_left || left.is_nan() {
            left
        } else {
            right
        }
    }
}

impl Op for Limit {
    fn name(&self) -> StaticName {
        if self.is_max { "MaxOrNan" } else { "MinOrNan" }.into()
    }

    op_as_typed_op!();
}

impl EvalOp for Limit {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (left, right) = args_2!(inputs);
        // A constant is mostly one number, and then all values are in one piece.
        let (mut values, other, is_left) = match (left.len(), right.len()) {
            (_, 1) => (left.into_tensor(), right, true),
            (1, _) => (right.into_tensor(), left, false),
            _ => return self.by_elements(&left, &right),
        };
        let other = *other
            .to_plain_array_view::<f32>()?
            .iter()
            .next()
            .context("a number")?;
        let mut view = values.try_as_plain_ram_mut()?;
        for value in view.as_slice_mut::<f32>()? {
            *value = if is_left {
                self.of(*value, other)
            } else {
                self.of(other, *value)
            };
        }
        Ok(tvec!(values.into_tvalue()))
    }
}

impl Limit {
    fn by_elements(&self, left: &Tensor, right: &Tensor) -> TractResult<TVec<TValue>> {
        let shape =
            tract_onnx::tract_core::broadcast::multi_broadcast(&[left.shape(), right.shape()])?;
        let left = left.broadcast_to_shape(&shape)?;
        let right = right.broadcast_to_shape(&shape)?;
        let right = right.to_plain_array_view::<f32>()?;
        let mut values = left.to_plain_array_view::<f32>()?.to_owned();
        values.zip_mut_with(&right, |left, right| *left = self.of(*left, *right));
        Ok(tvec!(values.into_tvalue()))
    }
}

impl TypedOp for Limit {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shapes = [&inputs[0].shape, &inputs[1].shape];
        let shape = tract_onnx::tract_core::broadcast::multi_broadcast(&shapes)?;
        Ok(tvec!(f32::fact(shape)))
    }

    as_op!();
}

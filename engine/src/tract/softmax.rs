//! Softmax, a row at a time.
//!
//! tract's own adds up a row in an order that depends on where the row begins in memory. The same view would
//! have another answer, in the last bit, at another position of the batch.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};

/// The softmax over the last axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RowSoftmax;

impl RowSoftmax {
    /// The operator that replaces a softmax of tract's over the last axis; `None` for any other node.
    pub(crate) fn replacing(model: &TypedModel, node: &TypedNode) -> Option<Self> {
        let softmax = node.op_as::<Softmax>()?;
        let input = model.outlet_fact(*node.inputs.first()?).ok()?;
        let last = input.rank().checked_sub(1)?;
        let is_ours = softmax.axes[..] == [last]
            && softmax.kind == SoftmaxKind::Softmax
            && input.datum_type == f32::datum_type();
        is_ours.then_some(Self)
    }
}

/// `exp(x) / sum(exp(x))`, added from the first to the last. NaN or infinity makes the whole row NaN.
fn softmax(row: &mut [f32]) {
    let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in &mut *row {
        *value = (*value - greatest).exp();
        sum += *value;
    }
    for value in row {
        *value /= sum;
    }
}

impl Op for RowSoftmax {
    fn name(&self) -> StaticName {
        "RowSoftmax".into()
    }

    op_as_typed_op!();
}

impl EvalOp for RowSoftmax {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut values = args_1!(inputs).into_tensor();
        let len = values.shape().last().copied().unwrap_or(1).max(1);
        let mut view = values.try_as_plain_ram_mut()?;
        view.as_slice_mut::<f32>()?
            .chunks_mut(len)
            .for_each(softmax);
        Ok(tvec!(values.into_tvalue()))
    }
}

impl TypedOp for RowSoftmax {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(inputs[0].shape.clone())))
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_sums_to_one_and_large_values_do_no_harm() {
        let mut row = [1000.0, 999.0, -1000.0];
        softmax(&mut row);
        let e = 1.0_f32.exp();
        let expected = [e / (e + 1.0), 1.0 / (e + 1.0), 0.0];
        for (value, expected) in row.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{row:?}");
        }
        for odd in [f32::NAN, f32::INFINITY] {
            let mut row = [0.0, odd, 1.0];
            softmax(&mut row);
            assert!(row.iter().all(|value| value.is_nan()), "{row:?}");
        }
    }
}

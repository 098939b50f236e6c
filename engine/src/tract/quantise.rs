//! The operator that rounds values to eight bits.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use crate::program::Quantisation;

/// ONNX's `QuantizeLinear` and the `DequantizeLinear` after it, with one scale for all values: each becomes the nearest
/// whole number of quanta, of 256 that there are. Values of signed bytes are those of unsigned ones with another zero
/// point.
///
/// Convolutions between such operators multiply bytes ([`Graph::eight_bits`](crate::graph::Graph)). tract computes
/// this one elsewhere: right, but in f32. It would take its own operators apart, and move them.
#[derive(Debug, Clone)]
pub(crate) struct Quantise {
    pub(crate) quantisation: Quantisation,
}

impl Quantise {
    /// For a scale and perhaps a zero point of eight bits; `None` if the constants are something else, or no scale to
    /// reckon with.
    pub(crate) fn new(scale: &Tensor, zero_point: Option<&Tensor>) -> Option<Self> {
        let quantum = single::<f32>(scale)?;
        let zero_point = match zero_point {
            None => 0,
            Some(tensor) => match single::<i8>(tensor) {
                // As far from the least of the 256 in either type.
                Some(signed) => signed.cast_unsigned() ^ 0x80,
                None => single::<u8>(tensor)?,
            },
        };
        // A quantum so small or great that its products with weights are no longer numbers would lose them.
        let is_ours = (1e-20..1e20).contains(&quantum);
        is_ours.then_some(Self {
            quantisation: Quantisation {
                quantum,
                zero_point,
            },
        })
    }

    fn of(&self, value: f32) -> f32 {
        let Quantisation { quantum, .. } = self.quantisation;
        self.quantisation.bounds().round(value / quantum) * quantum
    }
}

/// The only value of a tensor, if it has this type.
fn single<T: Datum + Copy>(tensor: &Tensor) -> Option<T> {
    let values = tensor.try_as_plain_ram().ok()?;
    match values.as_slice::<T>() {
        Ok([single]) => Some(*single),
        _ => None,
    }
}

// Quanta are never NaN.
impl PartialEq for Quantise {
    fn eq(&self, other: &Self) -> bool {
        self.quantisation == other.quantisation
    }
}

impl Eq for Quantise {}

impl Op for Quantise {
    fn name(&self) -> StaticName {
        "Quantise".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Quantise {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut values = args_1!(inputs).into_tensor();
        let mut view = values.try_as_plain_ram_mut()?;
        for value in view.as_slice_mut::<f32>()? {
            *value = self.of(*value);
        }
        Ok(tvec!(values.into_tvalue()))
    }
}

impl TypedOp for Quantise {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(inputs[0].shape.clone())))
    }

    as_op!();
}

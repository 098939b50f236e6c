//! The operator that multiplies negative values with a slope.

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_hir::internal::*;

/// ONNX's `PRelu`, read as one operator. tract makes a product, a comparison and a choice of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ReadPrelu;

impl Expansion for ReadPrelu {
    fn name(&self) -> StaticName {
        "Prelu".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        solver.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let values = inputs[0];
        let rank = model.outlet_fact(values)?.rank();
        // ONNX broadcasts the slopes from the last axis on.
        let mut slopes = inputs[1];
        while model.outlet_fact(slopes)?.rank() < rank {
            let axes = model.outlet_fact(slopes)?.rank();
            let name = format!("{prefix}.axis-{axes}");
            slopes = model.wire_node(name, AxisOp::Add(0), &[slopes])?[0];
        }
        model.wire_node(prefix, Prelu, &[values, slopes])
    }

    fn runs_out_of_plan(&self) -> bool {
        false
    }
}

/// Negative values times their slope, which may be one for several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Prelu;

impl Op for Prelu {
    fn name(&self) -> StaticName {
        "Prelu".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Prelu {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (values, slopes) = args_2!(inputs);
        let mut values = values.into_tensor();
        let slopes = slopes.broadcast_to_shape(values.shape())?;
        let slopes = slopes.try_as_plain_ram()?;
        let mut view = values.try_as_plain_ram_mut()?;
        let slopes = slopes.as_slice::<f32>()?;
        for (value, slope) in view.as_slice_mut::<f32>()?.iter_mut().zip(slopes) {
            let scaled = *value * slope;
            *value = if *value < 0.0 { scaled } else { *value };
        }
        Ok(tvec!(values.into_tvalue()))
    }
}

impl TypedOp for Prelu {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        for input in inputs {
            let kind = input.datum_type;
            ensure!(kind == f32::datum_type(), "a PRelu of {kind:?} is unknown");
        }
        Ok(tvec!(f32::fact(inputs[0].shape.clone())))
    }

    as_op!();
}

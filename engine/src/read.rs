//! Reading of a model's weights in 8 bits, without expanding them.

use std::sync::LazyLock;

use tract_onnx::Onnx;
use tract_onnx::model::{OnnxOpRegister, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::onnx;
#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_hir::internal::*;

const DEQUANTIZE: &str = "DequantizeLinear";

/// tract's reader of ONNX, to be used in place of [`onnx`]: the networks that it reads are the same, and
/// those with weights of 8 bits are there in half the time.
///
/// While it works out shapes, tract computes what has only constants for inputs, at each pass anew, and
/// throws away what is large. Of weights that are stored in 8 bits only the shape is wanted there.
#[must_use]
pub fn reader() -> Onnx {
    let mut reader = onnx();
    reader.op_register.insert(DEQUANTIZE, dequantize);
    reader
}

fn dequantize(
    context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    static TRACT: LazyLock<OnnxOpRegister> = LazyLock::new(|| onnx().op_register);
    let builder = TRACT.0.get(DEQUANTIZE);
    let builder = builder.with_context(|| format!("{DEQUANTIZE} is unknown to tract"))?;
    let (operator, inputs) = builder(context, node)?;
    let operator = match operator.as_op().downcast_ref::<Box<dyn Expansion>>() {
        Some(expansion) => expand(Unevaluated(expansion.clone())),
        None => operator,
    };
    Ok((operator, inputs))
}

/// An operator of tract's whose value isn't computed while shapes are worked out.
#[derive(Debug, Clone)]
struct Unevaluated(Box<dyn Expansion>);

impl Expansion for Unevaluated {
    fn name(&self) -> StaticName {
        self.0.as_ref().name()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.0.as_ref().rules(solver, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        self.0.as_ref().wire(prefix, model, inputs)
    }

    fn runs_out_of_plan(&self) -> bool {
        false
    }
}

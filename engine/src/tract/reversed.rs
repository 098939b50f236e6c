//! `constant - x` and `constant / x`, which tract 0.23.9 computes wrongly where `x` is a convolution.
//!
//! tract folds arithmetic by channels into the convolution before it. For a constant on the left it changes the
//! sign of the bias alone (it gives `constant + x`), and divides the constant by the weights one by one. So
//! these nodes are read as others, which it doesn't fold: `-x + constant`, the same in every bit, and
//! `constant * (1 / x)`.

use tract_onnx::tract_core::broadcast::multi_broadcast;
#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::binary::{InferenceBinOp, wire_cast, wire_rank_broadcast};
use tract_onnx::tract_hir::tract_core::ops::math::{Div, Sub, add, mul, neg, recip};

/// `Sub` or `Div` of ONNX.
#[derive(Debug, Clone)]
pub(crate) struct Reversible {
    of_tract: InferenceBinOp,
    is_division: bool,
}

impl Reversible {
    pub(crate) fn subtraction() -> Self {
        Self {
            of_tract: InferenceBinOp(Box::new(Sub)),
            is_division: false,
        }
    }

    pub(crate) fn division() -> Self {
        Self {
            of_tract: InferenceBinOp(Box::new(Div)),
            is_division: true,
        }
    }
}

impl Expansion for Reversible {
    fn name(&self) -> StaticName {
        self.of_tract.name()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.of_tract.rules(solver, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let left = model.outlet_fact(inputs[0])?;
        let right = model.outlet_fact(inputs[1])?;
        // Whole numbers have no reciprocal, and no convolution before them.
        let is_float = left.datum_type.is_float() && right.datum_type == left.datum_type;
        // tract folds what has one value a channel, computed or not.
        let is_repeated = multi_broadcast(&[&left.shape, &right.shape])?[..] == right.shape[..]
            && left.shape.volume() != right.shape.volume();
        if !is_float || !is_repeated {
            return self.of_tract.wire(prefix, model, inputs);
        }
        let wires = wire_rank_broadcast(prefix, model, inputs)?;
        let wires = wire_cast(
            prefix,
            model,
            &wires,
            model.outlet_fact(wires[0])?.datum_type,
        )?;
        let (inverse, last) = if self.is_division {
            (
                model.wire_node(format!("{prefix}.recip"), recip(), &wires[1..])?,
                mul(),
            )
        } else {
            (
                model.wire_node(format!("{prefix}.neg"), neg(), &wires[1..])?,
                add(),
            )
        };
        model.wire_node(prefix, last, &[wires[0], inverse[0]])
    }
}

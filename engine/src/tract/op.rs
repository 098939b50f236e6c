//! The operator that tract sees.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use crate::program::{Memory, Program};

/// Convolutions and what is between them, as one operator.
#[derive(Clone)]
pub(crate) struct Convolutions {
    program: Arc<Program>,
}

impl Convolutions {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            program: Arc::new(program),
        }
    }

    fn compute(&self, memory: &mut Memory, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let mut slices: TVec<&[f32]> = tvec!();
        for input in inputs {
            slices.push(input.try_as_plain_ram()?.as_slice::<f32>()?);
        }
        let mut outputs: TVec<Tensor> = tvec!();
        for size in self.program.sizes() {
            let shape = [size.batch, size.channels, size.height, size.width];
            outputs.push(Tensor::zero::<f32>(&shape)?);
        }
        let views = outputs.iter_mut().map(Tensor::try_as_plain_ram_mut);
        let mut views = views.collect::<TractResult<Vec<_>>>()?;
        let targets = views.iter_mut().map(|view| view.as_slice_mut::<f32>());
        let mut targets = targets.collect::<TractResult<Vec<_>>>()?;
        self.program.run(memory, &slices, &mut targets);
        Ok(outputs.into_iter().map(Tensor::into_tvalue).collect())
    }
}

impl fmt::Debug for Convolutions {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let (convolutions, poolings) = (self.program.convolutions(), self.program.poolings());
        write!(
            formatter,
            "{convolutions} convolutions, {poolings} poolings"
        )
    }
}

// Two are the same if they are one.
impl PartialEq for Convolutions {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.program, &other.program)
    }
}

impl Eq for Convolutions {}

impl Hash for Convolutions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.program).hash(state);
    }
}

impl Op for Convolutions {
    fn name(&self) -> StaticName {
        "Convolutions".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Convolutions {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.compute(&mut self.program.memory(), &inputs)
    }

    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(State {
            memory: self.program.memory(),
        })))
    }
}

impl TypedOp for Convolutions {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let fact = |size: crate::graph::Size| {
            f32::fact([size.batch, size.channels, size.height, size.width])
        };
        Ok(self.program.sizes().map(fact).collect())
    }

    as_op!();
}

/// What one who runs the operator keeps between two runs: its memory.
#[derive(Debug, Clone)]
struct State {
    memory: Memory,
}

impl OpState for State {
    fn eval(
        &mut self,
        _: &EvalContext,
        op: &dyn Op,
        inputs: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        let op = op
            .downcast_ref::<Convolutions>()
            .context("a state of another operator")?;
        op.compute(&mut self.memory, &inputs)
    }

    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}

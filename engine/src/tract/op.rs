//! The operator that tract runs in place of a region.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[allow(clippy::wildcard_imports, reason = "as in tract's own operators")]
use tract_onnx::tract_core::internal::*;

use crate::convolution::layout::Dims;
use crate::program::{Program, Workspace};

/// Convolutions and what is between them, as one operator.
#[derive(Clone)]
pub(crate) struct FusedRegion {
    program: Arc<Program>,
}

impl FusedRegion {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            program: Arc::new(program),
        }
    }

    fn compute(&self, workspace: &mut Workspace, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let batch = self.program.batch();
        let mut images: TVec<TVec<&[f32]>> = tvec!();
        for input in inputs {
            let len = input.len() / batch.max(1);
            let values = input.try_as_plain_ram()?.as_slice::<f32>()?;
            images.push(values.chunks(len.max(1)).collect());
        }
        let images: TVec<&[&[f32]]> = images.iter().map(|images| &**images).collect();
        let mut outputs: TVec<Tensor> = tvec!();
        for dims in self.program.output_dims() {
            outputs.push(Tensor::zero::<f32>(&shape(&dims))?);
        }
        let views = outputs.iter_mut().map(Tensor::try_as_plain_ram_mut);
        let mut views = views.collect::<TractResult<Vec<_>>>()?;
        let targets = views.iter_mut().map(|view| view.as_slice_mut::<f32>());
        let mut targets = targets.collect::<TractResult<Vec<_>>>()?;
        self.program.run(batch, workspace, &images, &mut targets);
        Ok(outputs.into_iter().map(Tensor::into_tvalue).collect())
    }
}

/// The shape of a tensor of images, NCHW.
fn shape(dims: &Dims) -> [usize; 4] {
    [dims.batch, dims.channels, dims.height, dims.width]
}

impl fmt::Debug for FusedRegion {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let convolutions = self.program.convolution_count();
        let poolings = self.program.pooling_count();
        write!(
            formatter,
            "{convolutions} convolutions, {poolings} poolings"
        )?;
        match self.program.eight_bit_count() {
            0 => Ok(()),
            count => write!(formatter, ", {count} of eight bits"),
        }
    }
}

// Operators are equal if they share a program.
impl PartialEq for FusedRegion {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.program, &other.program)
    }
}

impl Eq for FusedRegion {}

impl Hash for FusedRegion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.program).hash(state);
    }
}

impl Op for FusedRegion {
    fn name(&self) -> StaticName {
        "FusedRegion".into()
    }

    op_as_typed_op!();
}

impl EvalOp for FusedRegion {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.compute(&mut self.program.workspace(), &inputs)
    }

    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(RegionState {
            workspace: self.program.workspace(),
        })))
    }
}

impl TypedOp for FusedRegion {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let facts = self
            .program
            .output_dims()
            .map(|dims| f32::fact(shape(&dims)));
        Ok(facts.collect())
    }

    as_op!();
}

/// The operator's workspace, which a plan's state keeps from one run to the next.
#[derive(Debug, Clone)]
struct RegionState {
    workspace: Workspace,
}

impl OpState for RegionState {
    fn eval(
        &mut self,
        _: &EvalContext,
        op: &dyn Op,
        inputs: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        let op = op
            .downcast_ref::<FusedRegion>()
            .context("the state of another operator")?;
        op.compute(&mut self.workspace, &inputs)
    }

    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}

//! Convolutions for tract that are as fast as the processor.

mod buffer;
mod convolution;
mod find;
mod fold;
mod graph;
mod kernel;
mod op;
mod output;
mod program;
mod region;

pub use kernel::{Kernel, Number};
use tract_onnx::prelude::{TractResult, TypedModel};

/// Replaces the convolutions of a model whose shapes are known, and what is between them, by an operator
/// that computes them with `kernel`. Returns how many convolutions that were as well.
///
/// # Errors
///
/// Errors are those of tract on a model that is not sound.
pub fn accelerate(model: &TypedModel, kernel: Kernel) -> TractResult<(TypedModel, usize)> {
    region::accelerate(&fold::fold(model)?, kernel)
}

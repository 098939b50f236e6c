//! The border to tract: the only floor that touches tract's types, so the only one that a new version of
//! tract can break.
//!
//! - [`reader`]: tract's reader of ONNX, with another operator for weights in 8 bits ([`dequantize`]), for values
//!   that are rounded to 8 bits ([`quantise`]), for slopes ([`prelu`]), and for what tract gets wrong ([`reversed`]).
//! - [`constants`]: which values depend on no input, and their values.
//! - [`pattern`]: which of tract's nodes the engine can compute.
//! - [`matches`](mod@matches): which of them are one region; [`cost`]: which regions are worth it; [`forms`]: how tract writes the images between them.
//! - [`rewrite`]: replaces each region by one operator ([`op`]); [`nodes`]: what each node becomes.
//! - [`network`]: a model in two parts, of which the first takes any number of views.
//! - [`softmax`]: tract's softmax, but the same for a row wherever it is in a batch; [`limit`]: its maximum and
//!   minimum, but NaN stays NaN.

pub(crate) mod constants;
pub(crate) mod cost;
pub(crate) mod dequantize;
pub(crate) mod forms;
pub(crate) mod limit;
pub(crate) mod matches;
pub(crate) mod network;
pub(crate) mod nodes;
pub(crate) mod op;
pub(crate) mod pattern;
pub(crate) mod prelu;
pub(crate) mod quantise;
pub(crate) mod reader;
pub(crate) mod reversed;
pub(crate) mod rewrite;
pub(crate) mod softmax;

use std::collections::HashMap;

use tract_onnx::prelude::{
    DatumExt as _, InferenceModel, InferenceModelExt as _, TDim, TractResult, TypedModel,
    TypedNode, tvec,
};

use crate::graph::Kernels;
use crate::microkernel::Kernel;
use crate::microkernel::dtype::DType;
use quantise::Quantise;

/// The network for batches of `views` views of shape `view` (`[channels, rows, columns]`), as [`accelerate`]
/// needs it.
///
/// tract simplifies the network while the size of the batch is still a symbol. With a fixed batch of one it
/// would remove the batch axis from the images, and no operator of this engine takes those.
///
/// # Errors
///
/// Errors are those of tract: on a network that is not sound, or whose input has another shape.
pub fn for_batches(
    network: InferenceModel,
    views: usize,
    view: [usize; 3],
) -> TractResult<TypedModel> {
    let batch = network.sym("views");
    let mut shape = tvec![TDim::from(batch.clone())];
    shape.extend(view.map(TDim::from));
    network
        .with_input_fact(0, f32::fact(shape).into())?
        .into_typed()?
        .into_decluttered()?
        .set_symbols(&HashMap::from([(batch, TDim::from(views))]))
}

/// Replaces a model's convolutions, and what is between them, by operators that use `kernel`. All shapes must
/// be known ([`for_batches`]). Also returns the number of convolutions that were replaced; tract computes the
/// others.
///
/// A kernel of whole numbers is for what a model says is of eight bits, and the rest is f32. With any other kernel, the
/// fastest of whole numbers is.
///
/// With [`Kernel::Portable`] all convolutions stay tract's. This crate has vector kernels for x86-64 only,
/// and tract has kernels of its own for other processors (NEON on aarch64), which are faster than plain
/// loops. Then it is up to tract whether an answer depends, in its last bits, on the other images of a batch.
///
/// # Errors
///
/// Errors are those of tract on a model that is not sound.
///
/// # Panics
///
/// Panics if the processor doesn't support the kernel.
pub fn accelerate(model: &TypedModel, kernel: Kernel) -> TractResult<(TypedModel, usize)> {
    rewrite::rewrite(model, kernels(model, kernel))
}

/// The kernels of a program; `None` if tract computes all. What a model of eight bits doesn't round is f32.
fn kernels(model: &TypedModel, kernel: Kernel) -> Option<Kernels> {
    let is_float = match kernel.dtype() {
        DType::F32 => true,
        DType::Bf16 => !is_of_eight_bits(model),
        DType::Int8 => false,
    };
    let float = if is_float {
        kernel
    } else {
        Kernel::fastest(true)
    };
    let int8 = if kernel.dtype() == DType::Int8 {
        kernel
    } else {
        Kernel::fastest_int8()
    };
    (float != Kernel::Portable).then_some(Kernels { float, int8 })
}

/// Whether a model rounds values to eight bits.
fn is_of_eight_bits(model: &TypedModel) -> bool {
    model.nodes().iter().any(TypedNode::op_is::<Quantise>)
}

#[cfg(test)]
mod tests;

//! Convolutions for tract that are as fast as the processor.
//!
//! tract loads a model, checks it, plans it, and runs every operator. Nearly all time goes to
//! convolutions, and [`accelerate`] puts an operator of this crate in the place of those, and of what is
//! between them: sums, batch normalisation, ReLU, poolings, concatenations. What it doesn't know stays
//! tract's.
//!
//! ```text
//!   views, NCHW                                                probabilities
//!        |                                                           ^
//!        v         one operator, one pass over memory a convolution  |  tract
//!   .---------.   .-------.   .------------------------------.   .---------.
//!   | to NHWC |-->| 6 x 6 |-->| 1 x 1, 3 x 3, 1 x 1, + shortcut |-->| pool,   |
//!   '---------'   | pool  |   '------------------------------'   | linear, |
//!                 '-------'    ^ bias, ReLU, sum and the next     | softmax |
//!                     ^          batch normalisation are done     '---------'
//!                     |          while the sums are in the cache
//!                     the greatest of 2 x 2 sums is kept, and only that is written
//!
//!   a buffer    [image][row][column][channel], and a border of zeros around each image:
//!
//!      0 0 0 0 0 0        the window of a pixel is some runs of numbers (its rows, here 3), the same
//!      0 x x x x 0        for each pixel but for where they begin: no copy is made of the input, and
//!      0 x x x x 0        no window asks whether it is at the border
//!      0 0 0 0 0 0
//!
//!   the weights [48 channels][row, column, input channel][channel of the 48], in the order in which
//!               the innermost loop reads them:
//!
//!      8 pixels      ,----------------- 48 channels = 3 vectors ------------------.
//!      x 48 channels | sums stay in 24 registers; for each input number: 3 loads   |
//!      at once       | of weights, 8 of inputs, 24 fused multiply-adds             |
//! ```
//!
//! Where the processor multiplies tiles (AMX), 32 pixels by 32 channels are computed at once from 32 bf16
//! of each. Tiles want pixels that are equally far apart, so the windows of 256 pixels are copied for it, a
//! part of each at a time.
//!
//! Sums are of f32. What is multiplied is f32 as well, or bf16 where the [`Kernel`] says so: half the
//! memory, up to twice the speed, and three digits of a weight. The same image gives the same answer to the
//! last bit, whatever else is computed; another kernel may round otherwise.

mod aligned;
mod buffer;
mod constants;
mod convolution;
mod find;
mod graph;
mod kernel;
mod op;
mod output;
mod program;
mod read;
mod region;

pub use kernel::{Kernel, Number};
pub use read::reader;
use std::collections::HashMap;

use tract_onnx::prelude::{
    DatumExt as _, InferenceModel, InferenceModelExt as _, TDim, TractResult, TypedModel, tvec,
};

/// The network for batches of so many views, which have this shape; as [`accelerate`] wants it.
///
/// tract's simplifications come while the batch has no size yet: of a batch of one they make images
/// without a batch, which no operator of this engine takes.
///
/// # Errors
///
/// Errors are those of tract on a network that is not sound, or whose input has another shape.
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

/// Computes a model's convolutions, and what is between them, by `kernel`, which the processor must
/// support. All shapes must be known. Returns how many convolutions were replaced as well: of each that
/// was not, tract goes on to compute it.
///
/// # Errors
///
/// Errors are those of tract on a model that is not sound.
pub fn accelerate(model: &TypedModel, kernel: Kernel) -> TractResult<(TypedModel, usize)> {
    region::accelerate(model, kernel)
}

#[cfg(test)]
mod tests;

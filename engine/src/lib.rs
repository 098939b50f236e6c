//! Convolutions for tract that are as fast as the processor.
//!
//! tract loads a model, checks it, plans it, and runs every operator. Nearly all time goes to
//! convolutions, and [`accelerate`] puts an operator of this crate in the place of those, and of what is
//! between them: sums, batch normalisation, ReLU, poolings, concatenations; and a softmax, whose rows
//! should not depend on where they are. What it doesn't know stays tract's.
//!
//! ```text
//!   views, NCHW                                                    probabilities
//!        |                                                               ^
//!        v         one operator, one pass over memory a convolution      |  tract
//!   .---------.   .-------.   .----------------------------------.   .---------.
//!   | to NHWC |-->| 6 x 6 |-->| 1 x 1, 3 x 3, 1 x 1, + shortcut  |-->| linear, |
//!   '---------'   | pool  |   |----------------------------------|   | softmax |
//!                 '-------'   | the mean of each channel         |   '---------'
//!                     ^       '----------------------------------'
//!                     |        ^ bias, ReLU, sum and the next batch normalisation are done
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
//!   a convolution, as a product of matrices that are never written down:
//!
//!                                      output channels, in blocks of 48
//!                                      .--------.--------.--------.
//!                inputs of a window,   | weights, packed: what a  |   a part of a block, 72 KiB, stays in
//!                in parts of 384       | kernel reads next, comes |   the second-level cache while all tiles
//!                                      | next                     |   of the group pass; meanwhile the next
//!                                      |--------+--------+--------|   one is fetched
//!                                      |        |        |        |
//!                                      '--------'--------'--------'
//!   pixels, in   .----------.------.   .--------.--------.--------.
//!   groups of    | input:   |      |   | sums   |        |        |   sums are added up part by part in the
//!   240, each    | the      |      |   | 8 x 48 |        |        |   second-level cache. After the last part
//!   in tiles     | buffer   |      |   |--------|        |        |   a pixel's channels are finished and put
//!   of 8         | as it is |      |   | 8 x 48 |        |        |   away while they are there
//!                '----------'------'   '--------'--------'--------'
//!
//!   a tile:  8 pixels by 48 channels are 24 vectors of sums, in registers from the first input of a part
//!            to the last. For each input number: 3 loads of weights, 8 of inputs, 24 fused multiply-adds
//! ```
//!
//! These are the sizes for AVX-512; `kernel/` has those of the others, and `convolution/` why they are what
//! they are. A network's first convolutions have large images and few weights, the last ones small images
//! and many: so the first are gone through image by image, while what lies between two of them is still in
//! the cache, and the others for the whole batch, so that each weight is read once.
//!
//! Where the processor multiplies tiles (AMX), 32 pixels by 32 channels are computed at once from 32 bf16
//! of each. Tiles want pixels that are equally far apart. Where a row's pixels fill tiles they are that where
//! they lie; else the windows of 256 pixels are copied, a part of each at a time.
//!
//! Sums are of f32. What is multiplied is f32 as well, or bf16 where the [`Kernel`] says so: half the
//! memory, up to twice the speed, and three digits of a weight. The same image gives the same answer to the
//! last bit, whatever else is computed; another kernel may round otherwise.

mod convolution;
mod freed;
mod graph;
mod microkernel;
mod program;
mod tract;

pub use freed::give_back_freed_memory;
pub use microkernel::{Kernel, Number};
use std::collections::HashMap;
pub use tract::reader::reader;

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
    tract::rewrite::accelerate(model, kernel)
}

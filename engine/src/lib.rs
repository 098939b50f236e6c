//! Fast convolutions for tract.
//!
//! tract loads a model, checks it, plans it and runs its operators. Nearly all of the time goes to
//! convolutions and linear layers on images. [`accelerate`] replaces them, and what is between them (sums, products, batch and
//! layer normalisation, ReLU and other functions, poolings, concatenations), by operators of this crate, and the softmax by one
//! whose rows don't depend on their position. tract computes the rest. [`Network`] does the same, and runs on as many views as there are.
//!
//! ```no_run
//! # fn main() -> tract_onnx::prelude::TractResult<()> {
//! use galmorph_engine::{Kernel, accelerate, for_batches, reader};
//! use tract_onnx::prelude::*;
//!
//! let network = reader().model_for_path("model.onnx")?;
//! let model = for_batches(network, 4, [3, 64, 64])?;
//! let (model, replaced) = accelerate(&model, Kernel::fastest(false))?;
//! let plan = model.into_optimized()?.into_runnable()?;
//! # Ok(())
//! # }
//! ```
//!
//! # The floors
//!
//! A model goes down these floors, and each imports only from those below it.
//!
//! | floor | |
//! |---|---|
//! | `tract` | tract's models: which nodes are replaced, by which operator |
//! | `graph` | a region of replaced nodes: what is fused, and how each value is stored |
//! | `program` | steps on buffers, as they are run |
//! | `convolution` | a convolution as a product of matrices: layout, packing, loops around the microkernels |
//! | `microkernel` | the innermost loops for each kind of processor, and the epilogue |
//!
//! # One pass over memory for each convolution
//!
//! ```text
//!   views, NCHW                                                    probabilities
//!        |                                                               ^
//!        v                   one operator: FusedRegion                   |  tract
//!   .---------.   .-------.   .----------------------------------.   .---------.
//!   | to NHWC |-->| 6 x 6 |-->| 1 x 1, 3 x 3, 1 x 1, + shortcut  |-->| linear, |
//!   '---------'   | pool  |   |----------------------------------|   | softmax |
//!                 '-------'   | the mean of each channel         |   '---------'
//!                     ^       '----------------------------------'
//!                     |        ^ epilogue: bias, ReLU, sum and the next batch normalisation
//!                     |          are applied while the sums are in the cache
//!                     epilogue: of 2 x 2 sums only the greatest is written
//! ```
//!
//! # The layout: NHWC with a border of zeros around each image
//!
//! ```text
//!      0 0 0 0 0 0        a pixel's window is a few segments of memory (its rows, here 3), the same for
//!      0 x x x x 0        each pixel but for where they begin: the input is not copied (implicit GEMM),
//!      0 x x x x 0        and no loop tests for the image's edge
//!      0 0 0 0 0 0
//! ```
//!
//! # A convolution as `C += A B`
//!
//! ```text
//!                                           n: output channels, in blocks of nr = 48
//!                                           .--------.--------.--------.
//!                     k: inputs of a        | B: weights, packed in    |   a k block of a block of channels,
//!                     window, in blocks     | the order in which a     |   72 KiB, stays in the second-level
//!                     of kc = 384           | microkernel reads them   |   cache while all tiles of a group of
//!                                           |--------+--------+--------|   pixels pass; meanwhile the next one
//!                                           |        |        |        |   is prefetched
//!                                           '--------'--------'--------'
//!   m: pixels, in     .----------.------.   .--------.--------.--------.
//!   groups of         | A: the   |      |   | C: sums|        |        |   sums are accumulated, k block by
//!   mc = 240, each    | input's  |      |   | 8 x 48 |        |        |   k block, in the second-level cache.
//!   in tiles of       | buffer   |      |   |--------|        |        |   After the last, the epilogue stores
//!   mr = 8            | as it is |      |   | 8 x 48 |        |        |   each pixel's channels
//!                     '----------'------'   '--------'--------'--------'
//!
//!   a microkernel's tile:  8 pixels by 48 channels are 24 vectors of sums, which stay in registers for a whole
//!                          k block. For each input number: 3 loads of weights, 8 of inputs, 24 multiply-adds
//! ```
//!
//! These are the sizes for AVX-512. `microkernel` has those of the others, and `convolution/loops.rs` says
//! why they are what they are.
//!
//! With AMX a tile is 32 pixels by 32 channels, computed from 32 bf16 of each in one step. Tiles need pixels
//! that are equally far apart in memory. Where the pixels of a row are a multiple of 16 they are; elsewhere
//! the windows of a group of 256 pixels are copied (im2col), one k block at a time.
//!
//! # Numbers
//!
//! Sums are f32. The factors are f32 as well, or bf16 where the [`Kernel`] says so: half the memory, up to
//! twice the speed, and two to three decimal digits.
//!
//! The same image gives the same answer to the last bit, whatever else is in its batch, and however many. Another
//! kernel may round differently, and so may a network that was prepared for more or fewer.
//!
//! A network can say of itself that it is of eight bits, by ONNX's `QuantizeLinear` and `DequantizeLinear`: a value
//! becomes the nearest of 256 whole numbers of quanta, and weights are whole numbers of steps. Its convolutions multiply
//! bytes then, and add them up in i32, exactly; the epilogue rounds the sums to the next quanta. All kernels give the same
//! bits. What is rounded in another way (several scales for one value, a scale that is computed) is computed as it is
//! written, in f32.
//!
//! NaN and infinity pass through all operators of this crate, and never reach the answer of another image.
//! (Kernels for bf16 read a little beyond the end of a window, and multiply that with zero. So NaN may reach
//! other pixels of its own image, whose windows don't hold it. Between images there are gaps of zeros.) Bytes can't
//! say that a value is no number: an image of which one was rounded has NaN for all outputs of its region.

mod convolution;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod graph;
mod microkernel;
mod program;
mod tract;

pub use microkernel::{DType, Kernel};
pub use tract::network::{Network, NetworkState};
pub use tract::reader::reader;
pub use tract::{accelerate, for_batches};

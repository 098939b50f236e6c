//! Training views that are made on the device that trains, so that a GPU waits for no processor.
//!
//! ```text
//! pixels     the images, on the device as bytes, once
//! plan       what is drawn and weighed for a batch on the host: a few numbers an image
//! views      the pixels and a plan -> the views, as tensor operations on the whole batch
//! ```
//!
//! Nothing is decided here a second time. The numbers are those of `augmentation` and `telescope`, drawn from
//! the same generators in the same order; the weights of the resize are `cutout`'s; a rotation is `augmentation`'s,
//! applied to indices. So a view is the host's but for rounding, and the tests hold each operation to that.
//!
//! The same code runs on CPU tensors: there the tests run it.

mod pixels;
mod plan;
mod views;

pub(super) use pixels::Pixels;
pub(super) use plan::Plan;
pub(super) use views::ViewMaker;

#[cfg(test)]
mod tests;

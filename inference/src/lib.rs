//! From a model file to the answers of its network.
//!
//! ```text
//! Model::load(file or embedded, options) -> Model -> classifier() -> group(views of images) -> Outcome each
//! ```
//!
//! A [`Model`] is a file that was read, checked and compiled by tract with the convolutions of
//! `galmorph-engine`. A [`Classifier`] is one thread's way to run it. What an image is, and what a card
//! says, belongs to `galmorph-cutout`; this crate touches no catalog and no folder.

mod classifier;
mod image;
mod model;
mod panics;

pub use classifier::{Answer, Classifier, Group, Outcome, Refusal};
pub use galmorph_engine::Kernel;
pub use image::{decode, guarded, header, with_signal};
pub use model::{About, Arithmetic, Fault, Model, ModelError, Options, Precision};
pub use panics::catch;

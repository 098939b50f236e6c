//! The daemon that classifies galaxy cutouts as they arrive, and the commands around it.
//!
//! A file's way through it, each stage on its own threads and a bounded channel after each:
//!
//! ```text
//! intake (scan + notify -> settle) -> decode pool -> batcher -> classifier pool -> recorder -> SQLite
//! ```
//!
//! What a cutout *is* (classes, pixels, views, the model card) belongs to `galmorph-cutout`; this
//! crate moves files through a network and keeps the catalog. Only [`cli`] is public: the program is
//! the interface, and the catalog's views are the other one.

pub mod cli;
mod config;
mod failure;
mod file;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod intake;
mod observe;
mod pipeline;
mod shutdown;

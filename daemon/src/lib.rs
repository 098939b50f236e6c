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

mod catalog;
mod classifier;
pub mod cli;
mod clock;
mod config;
mod errors;
mod failure;
mod folder;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod heartbeat;
mod intake;
mod metrics;
mod model;
mod npy;
mod output;
#[doc(hidden)]
pub mod pages;
mod panics;
mod path_text;
mod pipeline;
mod progress;
mod retry;
mod stop;
mod systemd;
mod taken;
mod tally;

//! Trains galaxy morphology networks on Galaxy Zoo labels, and exports them to ONNX.
//!
//! ```text
//! votes -> labels (votes: clean sample, split by galaxy)
//!
//! labels + images -> data -> augmentation -> loader -> training (network, torch, optimizer)
//!                                                          |
//!                            evaluation <- checkpoint <----+----> onnx -> a model for the daemon
//! ```
//!
//! The library is what the `galmorph-train` program is made of, and what its tests drive.

pub mod augmentation;
pub mod checkpoint;
pub mod commands;
pub mod data;
pub mod device;
pub mod error;
pub mod evaluation;
pub mod figures;
pub mod loader;
pub mod memory;
pub mod metrics;
pub mod network;
pub mod onnx;
pub mod optimizer;
pub mod report;
pub mod schedule;
pub mod settings;
pub mod targets;
pub mod torch;
pub mod trained;
pub mod training;
pub mod votes;
pub mod widening;

mod artefact;
mod progress;

pub use error::{Error, Result};

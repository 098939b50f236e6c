//! Trains galaxy morphology networks on Galaxy Zoo labels, and exports them to ONNX.
//!
//! ```text
//! votes -> labels                            votes: a clean sample, split by galaxy
//! labels + images -> views -> training -> checkpoint
//!                                           |-> evaluation -> figures, report
//!                                           `-> onnx -> a model for the daemon
//! ```
//!
//! # The modules, and who may import whom
//!
//! A module imports only from lines below its own. `scripts/check-imports` reads this drawing and
//! checks every file against it.
//!
//! ```text
//! commands                 one file a subcommand
//! report                   one HTML page
//! figures                  one figure a file, as SVG and PNG
//! model_file               a checkpoint or an exported model, opened alike
//! training onnx            the training loop; writing and reading ONNX
//! quantisation             a network rounded to 8-bit arithmetic
//! tuning                   the last layer adapted to other images
//! evaluation               a network on labelled images; the paper's tables
//! votes                    from volunteers' votes to a label file
//! data metrics torch       labelled images; numbers with intervals; running a network
//! network                  descriptions of networks, and nothing else
//! progress                 progress bars
//! atomic_file csv_bytes    output files
//! error                    what can go wrong, and the exit codes
//! ```
//!
//! `metrics` and `network` know nothing of torch. `network` describes; `torch` and `onnx` interpret.
//!
//! The library is what the `galmorph-train` program is made of. Public is what its tests, its benchmark
//! and its example need.

pub mod commands;
pub mod evaluation;
pub mod network;
pub mod onnx;
pub mod quantisation;
pub mod torch;
pub mod training;
pub mod votes;

mod atomic_file;
mod csv_bytes;
mod data;
mod error;
mod figures;
mod metrics;
mod model_file;
mod progress;
mod report;
mod tuning;

pub use data::Split;
pub use error::{Error, Result};

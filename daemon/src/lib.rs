//! The daemon that classifies galaxy cutouts as they arrive, and the commands around it.
//!
//! ```text
//!        cli    parses the command line, runs a command
//!         |
//!       config  settings: read, checked, made ready
//!         |
//!         v               observe: log, progress, metrics, systemd, watchdog
//!      intake                ^
//!  scan + notifications      |
//!   -> settle -> queue       |
//!         |                  |
//!         v                  |
//!      pipeline  ------------'
//!  decode pool -> batcher -> classifier pool -> recorder -> catalog
//! ```
//!
//! Each stage has its own threads, with a bounded channel after each. A full channel stops the stage before
//! it, so a large backlog needs no more memory than a small one.
//!
//! `identity` knows which object each file shows: from manifests and names. The decoders ask it, and the recorder brings rows
//! up to date with it.
//!
//! Four files next to these folders are used by all of them: `file` (a file on its way), `failure` (errors
//! and exit codes), `shutdown` (the request to end) and `threads` (threads whose panic ends the daemon).
//!
//! What a cutout is (classes, pixels, views, the model card) belongs to `galmorph-cutout`, how a model is
//! run to `galmorph-inference`, and the tables to `galmorph-catalog`. Only [`cli`] is public: the program is
//! one interface, and the catalog's views are the other.

pub mod cli;
mod config;
mod failure;
mod file;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod intake;
mod observe;
#[doc(hidden)]
pub mod pages;
mod pipeline;
mod shutdown;
mod threads;
mod writers;

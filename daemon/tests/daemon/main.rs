//! The daemon and its commands, run as a user runs them.
//!
//! One target, so that it links once; each file is one theme. No test waits for a fixed time: each
//! waits for what it is about, with a deadline that only a failure reaches.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests name their own files, and settings and catalogs have names as they are"
)]

mod backlog;
mod bad_input;
mod band_files;
mod blank;
mod catalog_on_disk;
mod commands;
mod crash_sweep;
mod export;
mod fault_injection;
mod faults;
mod file_system;
mod fits;
mod framing;
mod hostile_names;
mod identity;
mod images;
mod internal;
mod known;
mod live;
mod matching;
mod metrics;
mod migration;
mod mounts;
mod moves;
mod odd_files;
mod other_files;
mod outputs;
mod png;
mod poison;
mod power_loss;
mod questions;
mod random;
mod reload;
mod retry;
mod signals;
mod sound;
mod status;
mod strace;
mod support;
mod systemd;
mod terminal;
mod tiny;
mod which_catalog;
mod writers;

//! A stream under faults of its workers and servers: each file has one row in the end, and was written once.
//!
//! With `GALMORPH_FLEET_LONG`, which tests/soak/fleet sets, some take more files and more time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, and what they are made of"
)]

#[path = "../common/mod.rs"]
mod common;

mod clock;
mod network;
mod servers;
mod versions;
mod workers;

//! The training program, run as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod bad_input;
mod calibrate;
mod closed_pipe;
mod eight_bits;
mod evaluate;
mod fine_tune;
mod fold;
mod on_device;
mod outputs;
mod report;
mod resume;
mod select;
mod support;
mod teacher;
mod why;

//! The training program, run as a user runs it.

mod bad_input;
mod resume;
mod support;
mod to_catalog;

//! Files that go through a topic of Kafka: each has one row in the end, whatever it is, and is worked on once.
//!
//! The broker is Tansu, or, where its marks are needed, the mock of librdkafka. Neither is Apache Kafka.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests, and what they are made of"
)]

mod broker;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod rows;
mod site;

//! Many machines, one catalog. Each step is useful alone.
//!
//! **An archive** is too much for one machine, and a site has a scheduler. `plan` divides the files into shards, a job array
//! runs `run` on each shard, and `merge` counts and puts the parts together.
//!
//! ```text
//! plan ROOT -> PLAN/shard-00000 ... -> run PLAN N (anywhere, any number of times) -> PLAN/parts/part-00000.sqlite ... -> merge
//! ```
//!
//! **One catalog.** Each machine has its own SQLite catalog, and `ship` copies what changes there to PostgreSQL.
//!
//! No scheduler, queue or replication is made here. Nothing relies on a lock on a shared file system, on a clock, or on a
//! machine that is gone having stopped to write.
//!
//! | module | |
//! |---|---|
//! | `cli` | one file a command |
//! | `plan` | which file is in which shard |
//! | `shard` | a shard's answers: chunks, then the part |
//! | `merge` | counts, and one catalog of many |
//! | `ship` | what changes in a catalog, to PostgreSQL |
//! | `server` | the connection to PostgreSQL and its schema |

pub mod cli;
mod failure;
mod merge;
mod plan;
mod server;
mod shard;
mod ship;
mod whole_file;

pub use failure::Failure;

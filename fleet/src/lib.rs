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
//! **A shared stream.** `feed` adds references to files to a stream of Redis or Valkey, and any number of `work` take them, answer,
//! and write rows to PostgreSQL. `status` says how far they are.
//!
//! ```text
//! feed ROOT -> stream galmorph:SITE -> work (on many machines) -> PostgreSQL
//! ```
//!
//! No scheduler, queue or replication is made here. Nothing relies on a lock on a shared file system, on a clock, or on a
//! machine that is gone having stopped to write.
//!
//! | module | |
//! |---|---|
//! | `cli` | one file a command |
//! | `answer` | one file: read and answered |
//! | `plan` | which file is in which shard |
//! | `shard` | a shard's answers: chunks, then the part |
//! | `merge` | counts, and one catalog of many |
//! | `ship` | what changes in a catalog, to PostgreSQL |
//! | `feed` | what is not done, to a stream |
//! | `stream` | a stream of references |
//! | `work` | a worker of a stream |
//! | `status` | how far a stream is |
//! | `rollout` | from one model to another, on all machines at once |
//! | `server` | the connection to PostgreSQL, its schema, rows as it has them |

mod answer;
pub mod cli;
mod failure;
mod feed;
mod merge;
mod plan;
mod rollout;
mod server;
mod shard;
mod ship;
mod site;
mod status;
mod stop;
mod stream;
mod whole_file;
mod work;

pub use failure::Failure;

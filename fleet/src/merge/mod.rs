//! Many catalogs to one: the parts of a plan, or the catalogs of several machines.
//!
//! | file | |
//! |---|---|
//! | `check` | whether every file of a plan is in its part, once |
//! | `write` | one catalog, or one table, of many |

mod check;
mod write;

pub(crate) use check::{Report, check};
pub(crate) use write::{Machine, write_catalog, write_table};

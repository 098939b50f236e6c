//! The connection to PostgreSQL, and the schema there.
//!
//! | file | |
//! |---|---|
//! | `connect` | address, password, TLS |
//! | `schema` | migrations, roles |
//! | `fault` | which errors pass |

mod connect;
mod fault;
mod schema;

pub(crate) use connect::{Server, ServerArguments};
pub(crate) use fault::{is_passing, message};
pub(crate) use schema::{migrate, require_current, retain, roles};

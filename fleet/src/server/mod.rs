//! The connection to PostgreSQL, and the schema there.
//!
//! | file | |
//! |---|---|
//! | `connect` | address, password, TLS |
//! | `schema` | migrations, roles |
//! | `fault` | which errors pass |
//! | `columns` | rows of a catalog as PostgreSQL has them |
//! | `answers` | which answer a row shows |
//! | `model` | the number of a model there |
//! | `statements` | the SQL that writes them |

mod answers;
mod columns;
mod connect;
mod fault;
mod model;
mod schema;
mod statements;

pub(crate) use answers::{
    Bringing, answer_columns, begin_to_write, belongs, has_beside, keep_writers_out,
};
pub(crate) use columns::{Columns, copy, lock_number, path_key, text, time};
pub(crate) use connect::{Server, ServerArguments};
pub(crate) use fault::{Fault, is_passing, message};
pub(crate) use model::{model_key, model_number};
pub(crate) use schema::{migrate, quoted, require_current, retain, roles};
pub(crate) use statements::{FORGET_EARLIER, FORGET_MOVED, MONTHS, Statements};

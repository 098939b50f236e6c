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

pub(crate) use answers::{Bringing, answer_columns, begin_to_write, belongs, keep_writers_out};
pub(crate) use columns::{Columns, LOCK_PATHS, copy, lock_paths, path_key, text, time};
pub(crate) use connect::{Server, ServerArguments};
pub(crate) use fault::{Fault, failure, message};
pub(crate) use model::{model_key, model_number};
pub(crate) use schema::{migrate, quoted, require_current, retain, roles};
pub(crate) use statements::{FORGET_EARLIER, FORGET_MOVED, MONTHS, Statements, make_months};

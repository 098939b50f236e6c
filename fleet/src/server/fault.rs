//! Which errors pass by themselves.

use std::error::Error as _;

use postgres::Error;
use postgres::error::SqlState;

/// Whether it may work later, without anybody changing a right, a setting or the schema: the server is away, starts or stops,
/// its disk or its table of connections is full, somebody else was in the way.
pub(crate) fn is_passing(error: &Error) -> bool {
    let Some(code) = error.code() else {
        // It didn't come from the server: the network, or a server that isn't there. What this program made wrong of a
        // value is not to be repeated for ever.
        let mut cause = error.source();
        while let Some(inner) = cause {
            if inner.is::<std::io::Error>() {
                return true;
            }
            cause = inner.source();
        }
        return error.is_closed();
    };
    match &code.code()[..2] {
        // Connections, resources, an operator's intervention, the system.
        "08" | "53" | "57" | "58" => *code != SqlState::QUERY_CANCELED,
        _ => [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(code),
    }
}

/// The error in one line, with what the server says of it.
pub(crate) fn message(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return match said.detail() {
            Some(detail) => format!("{} ({detail})", said.message()),
            None => said.message().to_owned(),
        };
    }
    let text = error.to_string();
    match error.source().map(ToString::to_string) {
        Some(cause) if !text.contains(&cause) => format!("{text}: {cause}"),
        _ => text,
    }
}

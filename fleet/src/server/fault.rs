//! Which errors pass by themselves.

use std::error::Error as _;

use galmorph_catalog::CatalogError;
use postgres::Error;
use postgres::error::SqlState;

use crate::Failure;

/// Whether it may work later, without anybody changing a right, a setting or the schema: the server is away, starts or stops,
/// its disk or its table of connections is full, somebody else was in the way.
fn is_passing(error: &Error) -> bool {
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
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
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

/// What could not be done with the server, and whether it may work later.
pub(crate) fn failure(what: &str, error: &Error) -> Failure {
    let text = format!("{what}: {}", message(error));
    if is_passing(error) {
        Failure::Transient(text)
    } else {
        Failure::Unusable(text)
    }
}

/// Why work with the server ended early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server, or the way to it.
    Server(postgres::Error),
    Catalog(CatalogError),
    Failure(Failure),
}

impl From<postgres::Error> for Fault {
    fn from(error: postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Fault {
    /// What to say while it is waited for; or the failure, if waiting doesn't help.
    pub(crate) fn passing(self) -> Result<String, Failure> {
        match self {
            Self::Server(error) if is_passing(&error) => {
                Ok(format!("the database: {}", message(&error)))
            }
            Self::Server(error) => Err(Failure::Unusable(format!(
                "the database refuses: {}",
                message(&error)
            ))),
            Self::Catalog(CatalogError::Transient(fault)) => Ok(fault.to_string()),
            Self::Catalog(error) => Err(error.into()),
            Self::Failure(Failure::Transient(message)) => Ok(message),
            Self::Failure(failure) => Err(failure),
        }
    }
}

impl From<Fault> for Failure {
    /// What passes by itself is transient.
    fn from(fault: Fault) -> Self {
        match fault.passing() {
            Ok(what) => Self::Transient(what),
            Err(failure) => failure,
        }
    }
}

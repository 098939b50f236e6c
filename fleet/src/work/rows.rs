//! Rows of files without an answer.

use galmorph_catalog::{Stamp, file_columns, healpix_cell, object_id};
use jiff::Timestamp;
use rusqlite::types::Value;

use crate::plan::Item;

/// Why a file of a stream has no answer. In a machine's own catalog there is no such row: the daemon tries such files
/// again for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It could not be read, for long enough.
    Unreadable,
    /// It was delivered again and again, and no worker came to an answer.
    GivenUp,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::GivenUp => "given_up",
        }
    }
}

/// The row of such a file: the values of [`file_columns`]. Without a stamp, its size and time are not known.
pub(super) fn row(
    item: &Item,
    (reason, message): (Reason, &str),
    (stamp, deliveries): (Option<Stamp>, u64),
    first_seen: Timestamp,
) -> Vec<Value> {
    let identity = item.identity(object_id(&item.file()));
    let place = identity.position;
    let value = |column: String| -> Value {
        match &*column {
            "path" => item.path.clone().into(),
            "bytes" => stamp.map(|stamp| stamp.bytes as i64).into(),
            "modified" => {
                let modified =
                    stamp.map(|stamp| i64::try_from(stamp.modified.as_nanosecond()).ok());
                modified.flatten().into()
            }
            "reason" => reason.as_str().to_owned().into(),
            "message" => message.to_owned().into(),
            "attempts" => (deliveries as i64).into(),
            "first_seen" => first_seen.as_millisecond().into(),
            "updated" => Timestamp::now().as_millisecond().into(),
            "object_id" => identity.object_id.clone().into(),
            "ra" => place.map(|(at, _)| at.ra()).into(),
            "dec" => place.map(|(at, _)| at.dec()).into(),
            "position_from" => place.map(|(_, from)| from.as_str().to_owned()).into(),
            "radius" => identity.radius.into(),
            "healpix" => place.map(|(at, _)| healpix_cell(at.ra(), at.dec())).into(),
            _ => Value::Null,
        }
    };
    file_columns().into_iter().map(value).collect()
}

//! Times: how the tables hold them, and how they are written for people and programs.
//!
//! Tables hold milliseconds since 1970, UTC. The views show `2026-11-27 03:04:05.678`, which compares rightly with
//! what SQLite's own functions make. Everything else that this program writes has a `T` and a `Z`.

use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Row;
use rusqlite::types::{Type, Value};

/// The present, to the millisecond, as text.
pub fn now() -> String {
    to_millisecond(Timestamp::now())
}

/// A time as [`now`] writes the present.
pub fn to_millisecond(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// A time as the views show it.
pub(crate) fn in_sql(time: Timestamp) -> String {
    to_millisecond(time).replace('T', " ").replace('Z', "")
}

/// A time as the tables hold it.
pub(crate) fn milliseconds(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// A file's time as the tables hold it, to the nanosecond: it is compared for equality to see whether a file has
/// changed. Years that 64 bits of nanoseconds don't reach (from 2262 on) are text.
pub(crate) fn exact(time: Timestamp) -> Value {
    match i64::try_from(time.as_nanosecond()) {
        Ok(nanoseconds) => Value::Integer(nanoseconds),
        Err(_) => Value::Text(format!("{time:.9}")),
    }
}

/// What [`exact`] wrote.
pub(crate) fn parse_exact(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    match row.get(column)? {
        Value::Integer(nanoseconds) => {
            Ok(Timestamp::UNIX_EPOCH + SignedDuration::from_nanos(nanoseconds))
        }
        _ => parse(row, column),
    }
}

/// A system time on the calendar. File systems make up times that no calendar holds; those become the
/// nearest one that it does.
pub fn nearest(time: SystemTime) -> Timestamp {
    let bound = if time < SystemTime::UNIX_EPOCH {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::try_from(time).unwrap_or(bound)
}

/// A time that is text.
pub(crate) fn parse(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: jiff::Error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// A time of a view with a `T` and a `Z`. What is no such time stays as it is.
pub(crate) fn with_zone(text: String) -> String {
    match text.as_bytes() {
        [.., last] if text.as_bytes().get(10) == Some(&b' ') && last.is_ascii_digit() => {
            format!("{}T{}Z", &text[..10], &text[11..])
        }
        _ => text,
    }
}

/// What [`with_zone`] made of a time of a view, back again.
pub(crate) fn without_zone(text: &str) -> String {
    match text.as_bytes() {
        [.., b'Z'] if text.len() == 24 && text.as_bytes()[10] == b'T' && text.is_ascii() => {
            format!("{} {}", &text[..10], &text[11..23])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_utc_with_a_fixed_number_of_digits() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 120_000_000);
        assert_eq!(to_millisecond(nearest(time)), "2023-11-14T22:13:20.120Z");
        assert_eq!(now().len(), "2023-11-14T22:13:20.120Z".len());
        assert_eq!(
            with_zone("2023-11-14 22:13:20.120".into()),
            "2023-11-14T22:13:20.120Z"
        );
        assert_eq!(
            with_zone("soon, I think it is".into()),
            "soon, I think it is"
        );
    }

    #[test]
    fn times_before_1970_and_times_beyond_any_calendar_are_written_too() {
        let earlier = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(exact(nearest(earlier)), Value::Integer(-1_000_000_000));
        let beyond = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert!(
            matches!(exact(nearest(beyond)), Value::Text(text) if text.starts_with("9999-12-"))
        );
    }
}

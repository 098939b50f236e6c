//! Times as the catalog writes them: ISO 8601, UTC, with a `Z`, always the same number of digits, so
//! that text sorts as time does.

use std::time::SystemTime;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

/// The present, to the millisecond, as the catalog writes it.
pub fn now() -> String {
    to_millisecond(Timestamp::now())
}

/// A time as [`now`] writes the present.
pub fn to_millisecond(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// A file's time, to the nanosecond: it is compared for equality to see whether a file has changed.
pub fn exact(time: Timestamp) -> String {
    format!("{time:.9}")
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

/// A time of a row, as [`exact`] or [`now`] wrote it.
pub(crate) fn parse(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: jiff::Error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_utc_with_a_fixed_number_of_digits() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 120_000_000);
        assert_eq!(exact(nearest(time)), "2023-11-14T22:13:20.120000000Z");
        assert_eq!(now().len(), "2023-11-14T22:13:20.120Z".len());
    }

    #[test]
    fn times_before_1970_and_times_beyond_any_calendar_are_written_too() {
        let earlier = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(exact(nearest(earlier)), "1969-12-31T23:59:59.000000000Z");
        let beyond = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert!(exact(nearest(beyond)).starts_with("9999-12-"));
    }
}

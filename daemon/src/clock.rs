//! Times as the catalog writes them: ISO 8601, UTC, with a `Z`, always the same number of digits, so
//! that text sorts as time does.

use std::time::SystemTime;

use jiff::Timestamp;

/// The present, to the millisecond.
pub(crate) fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

/// Any time, as [`now`] writes the present.
pub(crate) fn to_millisecond(time: SystemTime) -> String {
    format!("{:.3}", timestamp(time))
}

/// A file's time, to the nanosecond: it is compared for equality to see whether a file has changed.
///
/// Times that no calendar holds (file systems make them up) become the nearest that one does.
pub(crate) fn exact(time: SystemTime) -> String {
    format!("{:.9}", timestamp(time))
}

fn timestamp(time: SystemTime) -> Timestamp {
    let nearest = if time < SystemTime::UNIX_EPOCH {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::try_from(time).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_utc_with_a_fixed_number_of_digits() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 120_000_000);
        assert_eq!(exact(time), "2023-11-14T22:13:20.120000000Z");
        assert_eq!(now().len(), "2023-11-14T22:13:20.120Z".len());
    }

    #[test]
    fn times_before_1970_and_times_beyond_any_calendar_are_written_too() {
        let earlier = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(exact(earlier), "1969-12-31T23:59:59.000000000Z");
        let beyond = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert!(exact(beyond).starts_with("9999-12-"));
    }
}

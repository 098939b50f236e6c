//! Times as people write them: `2026-11-27`, `2026-11-27T03:04`, `today`, `yesterday`, `12h` (ago).

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// What a time may look like, for those who wrote another.
const FORMS: &str = "must be a time such as 2026-11-27, 2026-11-27T03:04:05Z, today, yesterday, 90m, 12h or 7d (ago); all in UTC";

/// Reads a time. All are UTC, unless they name an offset.
pub fn time(text: &str) -> Result<Timestamp, String> {
    parse(text.trim(), Timestamp::now()).ok_or_else(|| FORMS.to_owned())
}

fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    let midnight = |date: Date| start_of(date.to_datetime(jiff::civil::Time::midnight()));
    let today = TimeZone::UTC.to_datetime(now).date();
    match text {
        "now" => return Some(now),
        "today" => return midnight(today),
        "yesterday" => return midnight(today.yesterday().ok()?),
        _ => {}
    }
    if let Some(ago) = duration(text) {
        return now.checked_sub(ago).ok();
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // An offset in brackets. A zone by its name is refused: no database of zones is built in.
    if text.contains('[') {
        return Some(text.parse::<Zoned>().ok()?.timestamp());
    }
    match text.parse::<Date>() {
        Ok(date) if text.len() <= "2026-11-27".len() => midnight(date),
        _ => start_of(text.parse::<DateTime>().ok()?),
    }
}

fn start_of(time: DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(time).ok()
}

/// `90s`, `30m`, `12h`, `7d` or `2w`.
fn duration(text: &str) -> Option<SignedDuration> {
    let (unit, number) = (text.chars().next_back()?, text.get(..text.len() - 1)?);
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        'w' => 7 * 86400,
        _ => return None,
    };
    let number: u32 = number.parse().ok()?;
    Some(SignedDuration::from_secs(i64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now: Timestamp = "2026-03-01T12:30:00Z".parse().unwrap();
        for (text, expected) in [
            ("today", "2026-03-01T00:00:00Z"),
            ("yesterday", "2026-02-28T00:00:00Z"),
            ("now", "2026-03-01T12:30:00Z"),
            ("90m", "2026-03-01T11:00:00Z"),
            ("12h", "2026-03-01T00:30:00Z"),
            ("2w", "2026-02-15T12:30:00Z"),
            ("2026-02-03", "2026-02-03T00:00:00Z"),
            ("2026-02-03T04:05", "2026-02-03T04:05:00Z"),
            ("2026-02-03 04:05:06.789", "2026-02-03T04:05:06.789Z"),
            ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
            ("2026-02-03T04:05:06+02:00", "2026-02-03T02:05:06Z"),
            ("2026-02-03T04:05[+09:00]", "2026-02-02T19:05:00Z"),
        ] {
            assert_eq!(parse(text, now), Some(expected.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "h",
            "12",
            "-3h",
            "soon",
            "2026-02-30",
            "12:00",
            "1e3d",
            "é",
            "2026-02-03T04:05[Asia/Tokyo]",
        ] {
            assert_eq!(parse(text, now), None, "{text}");
        }
        assert!(time("soon").unwrap_err().contains("yesterday"));
    }
}

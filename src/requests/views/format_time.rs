//! Times as people read them: UTC to the second, and the distance from now.
//!
//! Every page, answer and command formats its times here.

use chrono::{DateTime, SecondsFormat, Utc};

/// UTC, RFC 3339, to the second.
#[must_use]
pub fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The time with its distance from `now`.
#[must_use]
pub fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ({})", time(at), relative(at, now))
}

/// The distance of a time from `now`, in its largest unit.
#[must_use]
pub fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let secs = (at - now).num_seconds();
    let apart = secs.unsigned_abs();
    let (count, unit) = match apart {
        0 => return "now".to_owned(),
        1..60 => (apart, "s"),
        60..3_600 => (apart / 60, "min"),
        3_600..172_800 => (apart / 3_600, "h"),
        _ => (apart / 86_400, "d"),
    };
    if secs > 0 { format!("in {count} {unit}") } else { format!("{count} {unit} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(secs, 999_000_000).expect("within range")
    }

    #[test]
    fn times_are_utc_to_the_second_and_say_how_far_they_are() {
        assert_eq!(time(at(0)), "1970-01-01T00:00:00Z");
        assert_eq!(moment(at(7_200), at(0)), "1970-01-01T02:00:00Z (in 2 h)");
        let far = |secs| relative(at(0), at(secs));
        assert_eq!(
            [far(0), far(59), far(61), far(86_400), far(200_000)],
            ["now", "59 s ago", "1 min ago", "24 h ago", "2 d ago"]
        );
    }
}

//! The response of an HTTP provider, as each `wire.rs` and `lookup.rs` reads it.
//!
//! PURE. `http` fills it in. If the body of a response broke off, it is `Incomplete`: the status is known all the
//! same, and some statuses are proof enough. The wait that a provider asks for is bounded here to six hours.

use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};

use super::{Outcome, Refusal, RefusalKind};

/// Longest wait that a provider can ask for.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(6 * 3600);
/// A longer wait is a mistake of the provider (a wrong unit, a wrong clock) and is ignored.
const PLAUSIBLE_SECS_MAX: i64 = 7 * 24 * 3600;
/// Unix times above this are milliseconds: as seconds they lie beyond the year 5000.
const UNIX_SECS_MAX: i64 = 100_000_000_000;

/// Status, the two headers that ask for a wait, and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The HTTP status code.
    pub status: u16,
    /// The header `Retry-After`, unparsed.
    pub retry_after: Option<String>,
    /// The header `X-RateLimit-Reset`, unparsed.
    pub rate_limit_reset: Option<String>,
    /// The body.
    pub body: ResponseBody,
}

/// The body of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseBody {
    /// Read to its end, or to the byte limit of the call.
    Complete(Vec<u8>),
    /// The connection broke or stalled before the end.
    Incomplete,
}

impl HttpResponse {
    /// The bytes of a complete body, else none.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.body {
            ResponseBody::Complete(bytes) => bytes,
            ResponseBody::Incomplete => &[],
        }
    }

    /// The wait that the provider asks for, 1 s to 6 h; `None` without a usable header.
    #[must_use]
    fn retry_wait(&self, now: DateTime<Utc>) -> Option<Duration> {
        let retry_after = self.retry_after.as_deref().and_then(|text| retry_after_secs(text, now));
        let reset = || self.rate_limit_reset.as_deref().and_then(|text| reset_secs(text, now));
        retry_after.or_else(reset).and_then(bounded)
    }

    /// The outcome of a refusal by this response; only `ForNow` carries the provider's wait.
    #[must_use]
    pub(crate) fn refused(&self, kind: RefusalKind, code: String, now: DateTime<Utc>) -> Outcome {
        let retry_after = match kind {
            RefusalKind::ForNow => self.retry_wait(now),
            RefusalKind::NotCalled
            | RefusalKind::Account
            | RefusalKind::Message
            | RefusalKind::Recipient { .. } => None,
        };
        Outcome::Refused(Refusal { kind, code, retry_after })
    }
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110 §10.2.3).
fn retry_after_secs(text: &str, now: DateTime<Utc>) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds);
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    // A date in the past shows that the clocks differ; it is no permission to retry at once.
    Some((date.with_timezone(&Utc) - now).num_seconds()).filter(|seconds| *seconds > 0)
}

/// `X-RateLimit-Reset`: a unix time in seconds or milliseconds.
fn reset_secs(text: &str, now: DateTime<Utc>) -> Option<i64> {
    let at: i64 = text.trim().parse().ok()?;
    let at = if at > UNIX_SECS_MAX { at / 1000 } else { at };
    let date = Utc.timestamp_opt(at, 0).single()?;
    Some((date - now).num_seconds()).filter(|seconds| *seconds > 0)
}

fn bounded(seconds: i64) -> Option<Duration> {
    if !(0..=PLAUSIBLE_SECS_MAX).contains(&seconds) {
        return None;
    }
    Some(Duration::from_secs(seconds.unsigned_abs()).clamp(Duration::from_secs(1), WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 20, 12, 0, 0).single().expect("a date that exists")
    }

    fn response(retry_after: Option<&str>, reset: Option<&str>) -> HttpResponse {
        HttpResponse {
            status: 429,
            retry_after: retry_after.map(str::to_owned),
            rate_limit_reset: reset.map(str::to_owned),
            body: ResponseBody::Incomplete,
        }
    }

    #[test]
    fn a_wait_is_read_in_every_spelling_and_bounded() {
        let secs = |seconds| Some(Duration::from_secs(seconds));
        for (text, expected) in [
            ("30", secs(30)),
            (" 30 ", secs(30)),
            ("0", secs(1)),
            ("86400", Some(WAIT_MAX)),
            ("Fri, 20 Nov 2026 12:02:00 GMT", secs(120)),
            ("Fri, 20 Nov 2026 23:00:00 GMT", Some(WAIT_MAX)),
            ("Fri, 20 Nov 2026 11:00:00 GMT", None),
            ("Sun, 20 Nov 2089 12:00:00 GMT", None),
            ("1000000000", None),
            ("-5", None),
            ("99999999999999999999999", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(response(Some(text), None).retry_wait(now()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_reset_time_is_read_in_seconds_and_milliseconds() {
        let at = now().timestamp() + 90;
        for text in [at.to_string(), (at * 1000).to_string()] {
            assert_eq!(
                response(None, Some(&text)).retry_wait(now()),
                Some(Duration::from_secs(90)),
                "{text}"
            );
        }
        assert_eq!(response(None, Some("17")).retry_wait(now()), None, "long ago");
        assert_eq!(response(None, Some("9223372036854775807")).retry_wait(now()), None, "no date at all");
        assert_eq!(
            response(Some("5"), Some(&at.to_string())).retry_wait(now()),
            Some(Duration::from_secs(5))
        );
    }

    proptest! {
        #[test]
        fn no_hint_asks_for_more_than_six_hours(text in ".*", number in any::<i64>()) {
            for hint in [text, number.to_string()] {
                for wait in [response(Some(&hint), None).retry_wait(now()), response(None, Some(&hint)).retry_wait(now())] {
                    prop_assert!(wait.is_none_or(|wait| wait <= WAIT_MAX && wait >= Duration::from_secs(1)));
                }
            }
        }
    }
}

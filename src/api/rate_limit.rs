//! A key's share of calls, and the headers that say what is left of it.
//!
//! A bucket per key and worker: it holds a burst and fills at a steady rate. Headers as in
//! draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` for the whole, `RateLimit` for the rest.

use std::num::NonZeroU32;

use axum::http::{HeaderMap, HeaderValue};
use governor::{
    Quota as Cells, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};

/// How many calls a key may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub calls_per_sec: NonZeroU32,
    pub burst: NonZeroU32,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// One key's bucket.
#[derive(Debug)]
pub struct Bucket {
    limiter: Limiter,
    rate_limit: RateLimit,
}

/// What is left after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remaining {
    pub left: u32,
    /// Seconds until the bucket is full again.
    pub full_in_secs: u64,
    /// Seconds after which one more call is taken; 0: now.
    pub retry_after_secs: u64,
}

impl Bucket {
    #[must_use]
    pub fn new(rate_limit: RateLimit) -> Bucket {
        let cells = Cells::per_second(rate_limit.calls_per_sec).allow_burst(rate_limit.burst);
        let limiter = RateLimiter::direct(cells).with_middleware::<StateInformationMiddleware>();
        Bucket { limiter, rate_limit }
    }

    /// Takes one call's worth; `Err`: there is none.
    pub fn take(&self) -> Result<Remaining, Remaining> {
        match self.limiter.check() {
            Ok(state) => {
                let left = state.remaining_burst_capacity();
                let used = self.rate_limit.burst.get().saturating_sub(left);
                Ok(Remaining { left, full_in_secs: secs(used, self.rate_limit), retry_after_secs: 0 })
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let retry_after_secs = wait.as_secs() + 1;
                let full_in_secs = secs(self.rate_limit.burst.get(), self.rate_limit);
                Err(Remaining { left: 0, full_in_secs, retry_after_secs })
            }
        }
    }

    /// Writes what is left into an answer.
    pub fn write_headers(&self, rest: Remaining, headers: &mut HeaderMap) {
        let RateLimit { burst, .. } = self.rate_limit;
        let policy = format!("\"calls\";q={burst};w={}", secs(burst.get(), self.rate_limit));
        let rest = format!("\"calls\";r={};t={}", rest.left, rest.full_in_secs);
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", rest)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// How long so many calls take to come back.
fn secs(calls: u32, rate_limit: RateLimit) -> u64 {
    u64::from(calls.div_ceil(rate_limit.calls_per_sec.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_counted_down_and_then_refused_with_a_time() {
        let rate_limit =
            RateLimit { calls_per_sec: NonZeroU32::MIN, burst: NonZeroU32::new(3).expect("three") };
        let bucket = Bucket::new(rate_limit);
        let left: Vec<u32> = (0..3).map(|_| bucket.take().expect("within the share").left).collect();
        assert_eq!(left, [2, 1, 0]);
        let rest = bucket.take().expect_err("the share is used up");
        assert!((1..=2).contains(&rest.retry_after_secs), "{rest:?}");
        let mut headers = HeaderMap::new();
        bucket.write_headers(rest, &mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"calls\";q=3;w=3");
        assert_eq!(headers["ratelimit"], "\"calls\";r=0;t=3");
    }
}

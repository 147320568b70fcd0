//! The rate limit of a key, and the headers that tell the remaining calls.
//!
//! One token bucket per key and worker: it holds a burst and refills at a steady rate. The headers follow
//! draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` describes the limit, `RateLimit` the remaining calls.

use std::num::NonZeroU32;

use axum::http::{HeaderMap, HeaderValue};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};

/// The calls that a key may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub calls_per_sec: NonZeroU32,
    pub burst: NonZeroU32,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// The token bucket of one key.
#[derive(Debug)]
pub struct Bucket {
    limiter: Limiter,
    rate_limit: RateLimit,
}

/// The remaining calls after one was counted or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remaining {
    /// Calls left in the burst.
    pub left: u32,
    /// Seconds until the whole burst is available again.
    pub full_in_secs: u64,
    /// Seconds until one more call is accepted; 0 if there is one now.
    pub retry_after_secs: u64,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate_limit: RateLimit) -> Bucket {
        let quota = Quota::per_second(rate_limit.calls_per_sec).allow_burst(rate_limit.burst);
        let limiter = RateLimiter::direct(quota).with_middleware::<StateInformationMiddleware>();
        Bucket { limiter, rate_limit }
    }

    /// Takes one call from the bucket.
    ///
    /// # Errors
    /// The remaining limit, if the bucket is empty.
    pub fn try_take(&self) -> Result<Remaining, Remaining> {
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

    /// Writes the limit and the remaining calls into the headers of a response.
    pub fn write_headers(&self, remaining: Remaining, headers: &mut HeaderMap) {
        let RateLimit { burst, .. } = self.rate_limit;
        let policy = format!("\"calls\";q={burst};w={}", secs(burst.get(), self.rate_limit));
        let remaining = format!("\"calls\";r={};t={}", remaining.left, remaining.full_in_secs);
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", remaining)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Seconds in which so many calls refill.
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
        let left: Vec<u32> = (0..3).map(|_| bucket.try_take().expect("within the share").left).collect();
        assert_eq!(left, [2, 1, 0]);
        let rest = bucket.try_take().expect_err("the share is used up");
        assert!((1..=2).contains(&rest.retry_after_secs), "{rest:?}");
        let mut headers = HeaderMap::new();
        bucket.write_headers(rest, &mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"calls\";q=3;w=3");
        assert_eq!(headers["ratelimit"], "\"calls\";r=0;t=3");
    }
}

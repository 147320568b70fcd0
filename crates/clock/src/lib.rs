//! The only reader of clocks, randomness and new ids.
//!
//! Everything else takes `now`, jitter and ids as arguments, so that pure code stays pure and tests
//! choose their own time. Due times and leases are the database's clock, never this one.

#![expect(clippy::disallowed_methods, reason = "this is the one place that may call them")]

use std::time::Instant;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A new time-ordered id (UUID v7).
#[must_use]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// A random 128-bit value that tells nothing about time.
#[must_use]
pub fn random_id() -> Uuid {
    Uuid::new_v4()
}

/// Wall-clock time of this process: for logs and simulators, never for rules or leases.
#[must_use]
pub fn wall() -> DateTime<Utc> {
    Utc::now()
}

/// Monotonic time, for this process's own deadlines.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// A uniformly random number in `[0, 1)`, for jitter.
#[must_use]
pub fn jitter() -> f64 {
    let bits = Uuid::new_v4().as_u128() as u64 >> 11;
    bits as f64 / (1u64 << 53) as f64
}

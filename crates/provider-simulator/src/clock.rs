//! The simulator's wall clock and random ids; no other file of the crate reads a clock.
//!
//! A copy of two functions of the workspace's clock, because the simulator depends on no crate of the workspace.

#![expect(clippy::disallowed_methods, reason = "the only file of the crate that calls them")]

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

pub(crate) fn random_id() -> Uuid {
    Uuid::new_v4()
}

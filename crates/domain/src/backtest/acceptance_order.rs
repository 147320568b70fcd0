//! The order of acceptance. Pages come by id, which workers' clocks make: nearly, but not quite, that order.
//!
//! Bounded: past `HELD_MAX` the earliest goes on, sure or not.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::RecordedRequest;

/// More than ids and times of acceptance are apart: workers' clocks, and an accept that waited.
const APART_SECS: i64 = 60;
/// Who lost a race was written down after the one that won it, whose statement may have begun later.
const RACE_SECS: i64 = 5;
const HELD_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub struct AcceptanceOrder {
    held: BinaryHeap<Reverse<QueuedRequest>>,
    latest: DateTime<Utc>,
}

#[derive(Debug)]
struct QueuedRequest {
    at: DateTime<Utc>,
    stored: Box<RecordedRequest>,
}

impl AcceptanceOrder {
    pub fn push(&mut self, stored: RecordedRequest) {
        let races = Duration::seconds(if stored.lost_its_race() { RACE_SECS } else { 0 });
        self.latest = self.latest.max(stored.accepted_at);
        self.held.push(Reverse(QueuedRequest { at: stored.accepted_at + races, stored: Box::new(stored) }));
    }

    /// The next one that nothing can come before any more.
    pub fn next(&mut self) -> Option<RecordedRequest> {
        let sure = self.latest - Duration::seconds(APART_SECS);
        let ready =
            self.held.len() > HELD_MAX || self.held.peek().is_some_and(|Reverse(first)| first.at < sure);
        if ready { self.rest() } else { None }
    }

    /// The next one, when there are no more pages.
    pub fn rest(&mut self) -> Option<RecordedRequest> {
        self.held.pop().map(|Reverse(place)| *place.stored)
    }
}

impl QueuedRequest {
    fn key(&self) -> (DateTime<Utc>, Uuid) {
        (self.at, self.stored.id)
    }
}

impl PartialEq for QueuedRequest {
    fn eq(&self, other: &QueuedRequest) -> bool {
        self.key() == other.key()
    }
}

impl Eq for QueuedRequest {}

impl PartialOrd for QueuedRequest {
    fn partial_cmp(&self, other: &QueuedRequest) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for QueuedRequest {
    fn cmp(&self, other: &QueuedRequest) -> Ordering {
        self.key().cmp(&other.key())
    }
}

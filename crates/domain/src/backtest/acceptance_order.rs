//! Sorts requests by time of acceptance. Pages come by id, and ids come from the workers' clocks: nearly that order.
//!
//! Bounded: beyond `QUEUED_MAX` the earliest request is released even if an earlier one may follow.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::RecordedRequest;

/// An upper bound of the difference between an id's time and the time of acceptance.
const APART_SECS: i64 = 60;
/// The loser of a race was written after the winner, although its statement may have begun earlier.
const RACE_SECS: i64 = 5;
const QUEUED_MAX: usize = 100_000;

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
        let race_delay = Duration::seconds(if stored.lost_its_race() { RACE_SECS } else { 0 });
        self.latest = self.latest.max(stored.accepted_at);
        self.held
            .push(Reverse(QueuedRequest { at: stored.accepted_at + race_delay, stored: Box::new(stored) }));
    }

    /// The next request, if no earlier one can follow.
    pub fn next(&mut self) -> Option<RecordedRequest> {
        let sure = self.latest - Duration::seconds(APART_SECS);
        let ready =
            self.held.len() > QUEUED_MAX || self.held.peek().is_some_and(|Reverse(first)| first.at < sure);
        if ready { self.next_of_rest() } else { None }
    }

    /// The next request after the last page.
    pub fn next_of_rest(&mut self) -> Option<RecordedRequest> {
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

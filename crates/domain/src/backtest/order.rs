//! The order of acceptance. Pages come by id, which workers' clocks make: nearly, but not quite, that order.
//!
//! Bounded: past `HELD_MAX` the earliest goes on, sure or not.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::Stored;

/// More than ids and times of acceptance are apart: workers' clocks, and an accept that waited.
const APART_SECS: i64 = 60;
/// Who lost a race was written down after the one that won it, whose statement may have begun later.
const RACE_SECS: i64 = 5;
const HELD_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub struct Order {
    held: BinaryHeap<Reverse<Place>>,
    latest: DateTime<Utc>,
}

#[derive(Debug)]
struct Place {
    at: DateTime<Utc>,
    stored: Box<Stored>,
}

impl Order {
    pub fn push(&mut self, stored: Stored) {
        let races = Duration::seconds(if stored.lost_its_race() { RACE_SECS } else { 0 });
        self.latest = self.latest.max(stored.accepted_at);
        self.held.push(Reverse(Place { at: stored.accepted_at + races, stored: Box::new(stored) }));
    }

    /// The next one that nothing can come before any more.
    pub fn next(&mut self) -> Option<Stored> {
        let sure = self.latest - Duration::seconds(APART_SECS);
        let ready =
            self.held.len() > HELD_MAX || self.held.peek().is_some_and(|Reverse(first)| first.at < sure);
        if ready { self.rest() } else { None }
    }

    /// The next one, when there are no more pages.
    pub fn rest(&mut self) -> Option<Stored> {
        self.held.pop().map(|Reverse(place)| *place.stored)
    }
}

impl Place {
    fn key(&self) -> (DateTime<Utc>, Uuid) {
        (self.at, self.stored.id)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Place {}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Place) -> Ordering {
        self.key().cmp(&other.key())
    }
}

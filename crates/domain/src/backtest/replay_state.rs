//! The state of a replay: reservations and requests in flight, advanced in time.
//!
//! A tracked request must still hold its reservations when it is begun; the events of other requests are applied as
//! recorded.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{lifecycle::Reason, rules::ReservationHolder};

use super::{RecordedRequest, report::BacktestOutcome, reservations::Reservations, timeline::TimelineEvent};

/// A recorded time is the time at which its transaction began; the change is visible at most this much later.
const CONCURRENT_SECS: i64 = 5;

/// A tracked request with the facts that `aggregate` needs.
#[derive(Debug, Clone)]
pub struct JudgedRequest {
    pub id: Uuid,
    pub accepted_at: DateTime<Utc>,
    pub brand: String,
    pub before: BacktestOutcome,
    /// The note of the rule that stops it.
    pub because: String,
}

#[derive(Debug)]
struct InFlight {
    reservation_keys: Vec<Uuid>,
    remaining: usize,
    sent: bool,
    /// The time of its end, if it ends unsent.
    ends_at: Option<DateTime<Utc>>,
    /// The request and its outcome if no event changes it; `None`: its events are applied as recorded.
    tracked: Option<(JudgedRequest, BacktestOutcome)>,
}

type Planned = (DateTime<Utc>, u64, Uuid, TimelineEvent);

/// The state at one time.
#[derive(Debug, Default)]
pub struct ReplayState {
    pub reservations: Reservations,
    /// By time, then in the order of adding.
    events: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    in_flight: HashMap<Uuid, InFlight>,
}

impl ReplayState {
    /// Adds the events of a request that holds these keys. A tracked request is returned by `advance` when it
    /// settles, or here if it has no events.
    pub fn follow(
        &mut self,
        request: Uuid,
        reservation_keys: Vec<Uuid>,
        events: Vec<(DateTime<Utc>, TimelineEvent)>,
        tracked: Option<(JudgedRequest, BacktestOutcome)>,
    ) -> Option<(JudgedRequest, BacktestOutcome)> {
        if events.is_empty() {
            return tracked;
        }
        let last = events.last().filter(|(_, last)| matches!(last, TimelineEvent::End(_)));
        let ends_at = last.map(|(at, _)| *at);
        self.in_flight.insert(
            request,
            InFlight { reservation_keys, remaining: events.len(), sent: false, ends_at, tracked },
        );
        for (at, event) in events {
            self.planned += 1;
            self.events.push(Reverse((at, self.planned, request, event)));
        }
        None
    }

    /// The holders of these keys as `stored` saw them at its decision. `saw_concurrent_change`: a holder was released
    /// meanwhile, and the record of `stored` says which state it saw.
    pub fn holders(
        &mut self,
        reservation_keys: &[Uuid],
        stored: &RecordedRequest,
        looked_at: DateTime<Utc>,
        saw_concurrent_change: bool,
    ) -> Vec<ReservationHolder> {
        let margin = Duration::seconds(CONCURRENT_SECS);
        if saw_concurrent_change && !stored.was_held() {
            self.end_by(reservation_keys, stored.accepted_at + margin);
        }
        let mut holders = self.reservations.holders(reservation_keys);
        if saw_concurrent_change && stored.was_held() {
            holders.extend(self.reservations.released_since(reservation_keys, looked_at - margin));
        }
        holders
    }

    /// Releases holders of these keys with only an end to come, no later than `by`.
    fn end_by(&mut self, reservation_keys: &[Uuid], by: DateTime<Utc>) {
        for ReservationHolder { request, .. } in self.reservations.holders(reservation_keys) {
            let ending = self.in_flight.get(&request).filter(|live| live.remaining == 1);
            if let Some((live, at)) = ending.and_then(|live| Some((live, live.ends_at?)))
                && at <= by
            {
                self.reservations.release(&live.reservation_keys, request, at);
            }
        }
    }

    /// Applies every event up to this time; returns the tracked requests that settled.
    pub fn advance(&mut self, to: DateTime<Utc>) -> Vec<(JudgedRequest, BacktestOutcome)> {
        let mut done = Vec::new();
        while self.events.peek().is_some_and(|Reverse((at, ..))| *at <= to) {
            let Some(Reverse((at, _, request, event))) = self.events.pop() else { break };
            done.extend(self.apply(at, request, event));
        }
        done
    }

    fn apply(
        &mut self,
        at: DateTime<Utc>,
        request: Uuid,
        event: TimelineEvent,
    ) -> Option<(JudgedRequest, BacktestOutcome)> {
        let live = self.in_flight.get_mut(&request)?;
        live.remaining -= 1;
        let stopped = match event {
            TimelineEvent::Begin { last } => {
                let lost = live.tracked.is_some()
                    && !live.sent
                    && !self.reservations.holds(&live.reservation_keys, request);
                if !lost {
                    self.reservations.begun(&live.reservation_keys, request, at);
                    live.sent |= last;
                }
                lost.then(|| Reason::Overtaken.as_str().to_owned())
            }
            TimelineEvent::End(reason) => Some(reason),
            TimelineEvent::Again => {
                self.reservations.reserve_again(&live.reservation_keys, request, at);
                None
            }
        };
        if stopped.is_some() {
            self.reservations.release(&live.reservation_keys, request, at);
        }
        // A tracked request has no further events once it is stopped.
        if live.remaining > 0 && (stopped.is_none() || live.tracked.is_none()) {
            return None;
        }
        // Remaining events of a stopped request find no entry.
        let (entry, settled) = self.in_flight.remove(&request)?.tracked?;
        Some((entry, stopped.map_or(settled, |reason| BacktestOutcome::not_sent(&reason))))
    }
}

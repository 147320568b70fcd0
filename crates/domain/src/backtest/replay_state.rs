//! People's reservations and the requests under way, moved on from one moment to the next.
//!
//! Who is judged must still hold its person when it is begun; what is taken as recorded just happens.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{lifecycle::Reason, rules::ReservationHolder};

use super::{RecordedRequest, report::Outcome, reservations::Reservations, timeline::TimelineEvent};

/// What is written has the time at which its writing began, and is seen when it is done: this much later at
/// most, as far as we trust the database.
const INSTANT_SECS: i64 = 5;

/// A request that is judged, as the counts need it.
#[derive(Debug, Clone)]
pub struct JudgedRequest {
    pub id: Uuid,
    pub accepted_at: DateTime<Utc>,
    pub brand: String,
    pub before: Outcome,
    /// What the rule that stops it went by.
    pub because: String,
}

#[derive(Debug)]
struct InFlight {
    slots: Vec<Uuid>,
    left: usize,
    reached: bool,
    /// When it ends, where it does.
    ends_at: Option<DateTime<Utc>>,
    /// Absent: what is recorded happens, whoever holds its person.
    judged: Option<(JudgedRequest, Outcome)>,
}

type Planned = (DateTime<Utc>, u64, Uuid, TimelineEvent);

/// The state between two moments.
#[derive(Debug, Default)]
pub struct ReplayState {
    pub contacts: Reservations,
    /// By time, then in the order of planning.
    events: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    live: HashMap<Uuid, InFlight>,
}

impl ReplayState {
    /// Something is to come for a request that reserved these. Judged: what it comes to is given by
    /// `advance`, or at once where nothing is to come.
    pub fn follow(
        &mut self,
        request: Uuid,
        slots: Vec<Uuid>,
        events: Vec<(DateTime<Utc>, TimelineEvent)>,
        judged: Option<(JudgedRequest, Outcome)>,
    ) -> Option<(JudgedRequest, Outcome)> {
        if events.is_empty() {
            return judged;
        }
        let last = events.last().filter(|(_, last)| matches!(last, TimelineEvent::End(_)));
        let ends_at = last.map(|(at, _)| *at);
        self.live.insert(request, InFlight { slots, left: events.len(), reached: false, ends_at, judged });
        for (at, happening) in events {
            self.planned += 1;
            self.events.push(Reverse((at, self.planned, request, happening)));
        }
        None
    }

    /// Who holds these, as `stored` found it when it looked. `in_an_instant`: somebody gave back while it
    /// did, and its own record says whether it saw that.
    pub fn holders(
        &mut self,
        slots: &[Uuid],
        stored: &RecordedRequest,
        looked_at: DateTime<Utc>,
        in_an_instant: bool,
    ) -> Vec<ReservationHolder> {
        let instant = Duration::seconds(INSTANT_SECS);
        if in_an_instant && !stored.was_held() {
            self.end_by(slots, stored.accepted_at + instant);
        }
        let mut holders = self.contacts.holders(slots);
        if in_an_instant && stored.was_held() {
            holders.extend(self.contacts.given_back_since(slots, looked_at - instant));
        }
        holders
    }

    /// Who holds one of these and only has to end, within this time, gives back now.
    fn end_by(&mut self, slots: &[Uuid], by: DateTime<Utc>) {
        for ReservationHolder { request, .. } in self.contacts.holders(slots) {
            let ending = self.live.get(&request).filter(|live| live.left == 1);
            if let Some((live, at)) = ending.and_then(|live| Some((live, live.ends_at?)))
                && at <= by
            {
                self.contacts.give_back(&live.slots, request, at);
            }
        }
    }

    /// Lets everything happen up to this moment; gives what became of those that came to rest.
    pub fn advance(&mut self, to: DateTime<Utc>) -> Vec<(JudgedRequest, Outcome)> {
        let mut done = Vec::new();
        while self.events.peek().is_some_and(|Reverse((at, ..))| *at <= to) {
            let Some(Reverse((at, _, request, happening))) = self.events.pop() else { break };
            done.extend(self.happen(at, request, happening));
        }
        done
    }

    fn happen(
        &mut self,
        at: DateTime<Utc>,
        request: Uuid,
        happening: TimelineEvent,
    ) -> Option<(JudgedRequest, Outcome)> {
        let live = self.live.get_mut(&request)?;
        live.left -= 1;
        let stopped = match happening {
            TimelineEvent::Begin { last } => {
                let lost =
                    live.judged.is_some() && !live.reached && !self.contacts.holds(&live.slots, request);
                if !lost {
                    self.contacts.begun(&live.slots, request, at);
                    live.reached |= last;
                }
                lost.then(|| Reason::Overtaken.as_str().to_owned())
            }
            TimelineEvent::End(reason) => Some(reason),
            TimelineEvent::Again => {
                self.contacts.reserve_again(&live.slots, request, at);
                None
            }
        };
        if stopped.is_some() {
            self.contacts.give_back(&live.slots, request, at);
        }
        // Of one that is judged nothing more is to come once it is stopped.
        if live.left > 0 && (stopped.is_none() || live.judged.is_none()) {
            return None;
        }
        // What was to come of one that is stopped finds nobody.
        let (entry, settled) = self.live.remove(&request)?.judged?;
        Some((entry, stopped.map_or(settled, |reason| Outcome::not_sent(&reason))))
    }
}

//! People's reservations and the requests under way, moved on from one moment to the next.
//!
//! Who is judged must still hold its person when it is begun; what is taken as recorded just happens.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::lifecycle::Reason;

use super::{contacts::Contacts, life::Happening, report::Outcome};

/// A request that is judged, as the counts need it.
#[derive(Debug, Clone)]
pub struct Entry {
    pub id: Uuid,
    pub accepted_at: DateTime<Utc>,
    pub brand: String,
    pub before: Outcome,
    /// What the rule that stops it went by.
    pub because: String,
}

#[derive(Debug)]
struct Live {
    slots: Vec<Uuid>,
    left: usize,
    reached: bool,
    /// Absent: what is recorded happens, whoever holds its person.
    judged: Option<(Entry, Outcome)>,
}

type Planned = (DateTime<Utc>, u64, Uuid, Happening);

/// The state between two moments.
#[derive(Debug, Default)]
pub struct World {
    pub contacts: Contacts,
    /// By time, then in the order of planning.
    events: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    live: HashMap<Uuid, Live>,
}

impl World {
    /// Something is to come for a request that reserved these. Judged: what it comes to is given by
    /// `advance`, or at once where nothing is to come.
    pub fn follow(
        &mut self,
        request: Uuid,
        slots: Vec<Uuid>,
        events: Vec<(DateTime<Utc>, Happening)>,
        judged: Option<(Entry, Outcome)>,
    ) -> Option<(Entry, Outcome)> {
        if events.is_empty() {
            return judged;
        }
        self.live.insert(request, Live { slots, left: events.len(), reached: false, judged });
        for (at, happening) in events {
            self.planned += 1;
            self.events.push(Reverse((at, self.planned, request, happening)));
        }
        None
    }

    /// Lets everything happen up to this moment; gives what became of those that came to rest.
    pub fn advance(&mut self, to: DateTime<Utc>) -> Vec<(Entry, Outcome)> {
        let mut done = Vec::new();
        while self.events.peek().is_some_and(|Reverse((at, ..))| *at <= to) {
            let Some(Reverse((at, _, request, happening))) = self.events.pop() else { break };
            done.extend(self.happen(at, request, happening));
        }
        done
    }

    fn happen(&mut self, at: DateTime<Utc>, request: Uuid, happening: Happening) -> Option<(Entry, Outcome)> {
        let live = self.live.get_mut(&request)?;
        live.left -= 1;
        let stopped = match happening {
            Happening::Begin { last } => {
                let lost =
                    live.judged.is_some() && !live.reached && !self.contacts.holds(&live.slots, request);
                if !lost {
                    self.contacts.begun(&live.slots, request, at);
                    live.reached |= last;
                }
                lost.then(|| Reason::Overtaken.word().to_owned())
            }
            Happening::End(reason) => Some(reason),
            Happening::Again => {
                if !self.contacts.holds_all(&live.slots, request) {
                    self.contacts.reserve(&live.slots, request, at);
                }
                None
            }
        };
        if stopped.is_some() {
            self.contacts.give_back(&live.slots, request);
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

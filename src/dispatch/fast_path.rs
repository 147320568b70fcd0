//! Hand-over: a request that is due now goes straight from its accepting statement into its lane.
//!
//! Best with a call slot in hand before the statement: then the statement itself begins the attempt. A crowd
//! for one lane is written in portions, as that lane's slots become free, which holds the broker back
//! instead of filling the ledger with what waits. Without a slot a request goes into the lane's queue, with a
//! permit of it in hand; without either it is written due and unleased, behind whoever waits there already.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::dispatch::{Claim, Lane, Lanes, LeaseShare, Permit, ReadyCall};
use postrider_domain::{
    ids::{AccountId, MessageId},
    lifecycle::State,
    rules::Verdict,
};
use postrider_ledger::{
    LedgerError,
    accept::{InitialDispatch, LeaseTerms, NewRequest, lane_of},
};

/// As accept writes them.
const FIRST_EPOCH: i32 = 1;
const FIRST_ATTEMPT: i16 = 1;

/// How long one batch waits for call slots in all. A lane that gives none meanwhile is slower than its
/// producers, and requests for other lanes are behind.
const PATIENCE: Duration = Duration::from_millis(500);

/// Intake's side of the lanes; without any lanes (a process that does not dispatch) nothing is leased.
#[derive(Clone)]
pub struct FastPath {
    pub lanes: Option<Arc<Lanes>>,
    pub worker: Uuid,
    pub lease: Duration,
}

/// The database's time, this worker's at that moment, and until when a batch waits for slots.
pub struct BatchClock {
    now: DateTime<Utc>,
    asked: Instant,
    patient_until: Option<Instant>,
    /// Lanes for which the batch brought a crowd; its last few are still part of it.
    crowded: HashSet<AccountId>,
}

impl BatchClock {
    /// `now`: as the database said just now.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> BatchClock {
        BatchClock { now, asked: postrider_clock::monotonic(), patient_until: None, crowded: HashSet::new() }
    }

    fn patient_until(&mut self) -> Instant {
        *self.patient_until.get_or_insert_with(|| postrider_clock::monotonic() + PATIENCE)
    }

    fn at(&self, then: Instant) -> DateTime<Utc> {
        self.now + chrono::Duration::from_std(then - self.asked).unwrap_or_default()
    }
}

/// Rows that one statement writes, where each goes after it, and the lease that it writes.
pub struct Chunk {
    pub rows: Vec<NewRequest>,
    pub terms: LeaseTerms,
    /// By request; absent: it waits in the ledger.
    places: HashMap<Uuid, Placement>,
    lease: Arc<LeaseShare>,
    taken: Instant,
}

enum Placement {
    Queue(Permit, Box<Claim>),
    Call(Box<ReadyCall>),
}

/// What one lane can take of a portion.
struct LaneCapacity {
    lane: Arc<Lane>,
    slots: Option<OwnedSemaphorePermit>,
    /// More slots will come soon: whoever finds none waits for the next portion.
    more: bool,
}

impl FastPath {
    /// Takes the rows that are to be written next out of `rows`; at least one.
    pub async fn next(&self, rows: &mut Vec<NewRequest>, moment: &mut BatchClock) -> Chunk {
        let mut rooms = self.rooms(rows, moment).await;
        let taken = postrider_clock::monotonic();
        let terms =
            LeaseTerms { id: postrider_clock::new_id(), worker: self.worker, secs: self.lease.as_secs_f64() };
        let lease = LeaseShare::new(terms.id, 0);
        let mut portion = Chunk { rows: Vec::new(), terms, places: HashMap::new(), lease, taken };
        let together = match &self.lanes {
            Some(lanes) => Some(lanes.isolation_gate().shared().await),
            None => None,
        };
        let mut rest = Vec::new();
        for mut row in rows.drain(..) {
            row.hand = InitialDispatch::Deferred;
            let room =
                lane_of(&row).filter(|_| is_due(&row, moment.now)).and_then(|lane| rooms.get_mut(&lane));
            if let Some((room, lanes)) = room.zip(self.lanes.as_ref()) {
                match portion.place(&row, room, lanes, moment) {
                    Some(place) => {
                        row.hand = place.hand();
                        portion.places.insert(row.id, place);
                    }
                    None if room.more => {
                        rest.push(row);
                        continue;
                    }
                    None => room.lane.set_backlog(true),
                }
            }
            portion.rows.push(row);
        }
        drop(together);
        *rows = rest;
        portion
    }

    /// Call slots of every lane that is open and that rows are due for.
    async fn rooms(&self, rows: &[NewRequest], moment: &mut BatchClock) -> HashMap<AccountId, LaneCapacity> {
        let Some(lanes) = self.lanes.as_ref().map(|lanes| lanes.all()) else { return HashMap::new() };
        let mut wanted: HashMap<AccountId, usize> = HashMap::new();
        for lane in rows.iter().filter(|row| is_due(row, moment.now)).filter_map(lane_of) {
            *wanted.entry(lane).or_default() += 1;
        }
        let mut rooms = HashMap::new();
        for (account, count) in wanted {
            let Some(lane) = lanes.get(&account) else { continue };
            if lane.is_burst(count) {
                moment.crowded.insert(account);
            }
            let crowd = moment.crowded.contains(&account);
            let open = match crowd {
                true => lane.wait_until_open(moment.patient_until()).await,
                false => lane.is_open(),
            };
            if !open {
                continue;
            }
            let slots = match crowd {
                true => lane.wait_for_slots(count, moment.patient_until()).await,
                false => lane.free_slots(count),
            };
            let more = crowd && slots.is_some();
            rooms.insert(account, LaneCapacity { lane: Arc::clone(lane), slots, more });
        }
        rooms
    }

    /// After the commit: the winners are called or go into their queues; what the others held is free again.
    pub async fn complete(&self, mut portion: Chunk, states: &HashMap<Uuid, State>) {
        let (mut begun, mut fenced, mut queued) = (Vec::new(), Vec::new(), Vec::new());
        for row in &portion.rows {
            match (states.get(&row.id), portion.places.remove(&row.id)) {
                (_, None) => {}
                (Some(State::Sending), Some(Placement::Call(ready))) => begun.push((*ready, FIRST_ATTEMPT)),
                (Some(State::Waiting), Some(Placement::Call(ready))) => fenced.push(ready.claim),
                (Some(State::Waiting), Some(Placement::Queue(permit, claim))) => {
                    queued.push((permit, *claim))
                }
                // No winner, so the lease that was written does not count it.
                (_, Some(_)) => drop(portion.lease.release_lease()),
            }
        }
        // Only now: whoever is done first must not count the lease down while losers are still on it.
        for (permit, claim) in queued {
            permit.send(claim);
        }
        if let Some(lanes) = &self.lanes {
            lanes.resolve(fenced);
            lanes.call(begun, portion.taken).await;
        }
    }

    /// The statement failed; gives its rows back. Where its answer was lost, attempts may be written down
    /// that nobody makes.
    pub fn failed(&self, portion: Chunk, error: &LedgerError) -> Vec<NewRequest> {
        if let (LedgerError::Unavailable(_), Some(lanes)) = (error, &self.lanes) {
            let begun = portion.places.into_values().filter_map(|place| match place {
                Placement::Call(ready) => Some(ready.claim),
                Placement::Queue(..) => None,
            });
            lanes.never_called(begun.collect());
        }
        portion.rows
    }
}

impl Placement {
    fn hand(&self) -> InitialDispatch {
        match self {
            Placement::Queue(..) => InitialDispatch::Leased,
            Placement::Call(_) => InitialDispatch::Started,
        }
    }
}

impl Chunk {
    fn place(
        &self,
        row: &NewRequest,
        room: &mut LaneCapacity,
        lanes: &Lanes,
        moment: &BatchClock,
    ) -> Option<Placement> {
        // A suspect's message is tried alone, after its acceptance.
        if row.suspect.is_none()
            && let Some(slot) = room.slots.as_mut().and_then(|slots| slots.split(1))
        {
            if room.lane.has_token() {
                let claim = self.claim(row, moment)?;
                let ready = lanes.compose_together(claim, &room.lane, slot);
                return Some(Placement::Call(Box::new(ready)));
            }
            // Slots are no use without tokens: the lane's own task waits for both.
            (room.slots, room.more) = (None, false);
        }
        if room.more {
            return None;
        }
        let permit = room.lane.permit()?;
        Some(Placement::Queue(permit, Box::new(self.claim(row, moment)?)))
    }

    fn claim(&self, row: &NewRequest, moment: &BatchClock) -> Option<Claim> {
        let candidate = row.decision.candidate.as_ref()?;
        self.lease.retain_lease();
        Some(Claim {
            message: MessageId(row.id),
            request: row.id,
            medium: candidate.medium,
            epoch: FIRST_EPOCH,
            attempt: 0,
            tries: 0,
            due_at: row.decision.due_at,
            first_due_at: row.decision.due_at,
            claimed_at: moment.at(self.taken),
            taken: self.taken,
            lease: Arc::clone(&self.lease),
            suspect: None,
            address: candidate.address.clone(),
            test: row.test,
            customer_name: row.job.customer.as_ref().and_then(|customer| customer.name.clone()),
            brand: row.brand.clone(),
            language: row.job.language.clone(),
            letter: None,
        })
    }
}

fn is_due(row: &NewRequest, now: DateTime<Utc>) -> bool {
    row.decision.verdict == Verdict::Send && row.decision.due_at <= now
}

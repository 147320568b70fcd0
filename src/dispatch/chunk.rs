//! A chunk: rows that one accept statement writes, with the call slots and queue places that they hold.
//!
//! Made by `FastPathBatch::reserve`. The caller writes the rows and then says `committed` or `failed`, which starts
//! calls, fills queues, and frees the places of rows that were not inserted.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    dispatch::{
        Claim, Lanes, LeaseShare, Permit, ReadyCall,
        begin::call_begun,
        capacity::{LaneCapacity, Step},
        claim::leave_to_lease,
        compose,
        fenced::resolve_in_background,
        undo::undo_accept,
    },
    must_settle::MustSettle,
};
use postrider_domain::lifecycle::State;
use postrider_ledger::{
    LedgerError,
    accept::{InitialDispatch, LeaseTerms, NewRequest},
};

/// Attempt number that the accept statement begins.
const FIRST_ATTEMPT: i16 = 1;

/// Rows that one statement writes, with the slots and places that they hold. `committed` or `failed` must follow.
pub struct Chunk {
    /// At least one.
    pub rows: Vec<NewRequest>,
    pub lease_terms: LeaseTerms,
    pub(super) lanes: Option<Arc<Lanes>>,
    /// By request; a row without one waits in the ledger.
    placements: HashMap<Uuid, Placement>,
    lease: Arc<LeaseShare>,
    /// Monotonic time just before the statement.
    pub(super) lease_start: Instant,
    must_settle: MustSettle,
}

/// The place of one message after the commit.
enum Placement {
    Call(Box<ReadyCall>),
    Queue(Permit, Box<Claim>),
}

/// The fate of a placed message, from the state that the statement wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its attempt is begun.
    Call,
    /// It is leased.
    Enqueue,
    /// The statement's fence kept it from beginning.
    ResolveFence,
    /// It was not inserted, or is suppressed: its lease does not count it.
    Release,
}

fn fate(planned: InitialDispatch, written: Option<State>) -> Fate {
    match (planned, written) {
        (InitialDispatch::Started, Some(State::Sending)) => Fate::Call,
        (InitialDispatch::Started, Some(State::Waiting)) => Fate::ResolveFence,
        (InitialDispatch::Leased, Some(State::Waiting)) => Fate::Enqueue,
        _ => Fate::Release,
    }
}

impl Chunk {
    pub(super) fn new(lanes: Option<Arc<Lanes>>, worker: Uuid, lease: Duration) -> Chunk {
        let lease_start = postrider_clock::monotonic();
        let (id, secs) = (postrider_clock::new_id(), lease.as_secs_f64());
        Chunk {
            rows: Vec::new(),
            lease_terms: LeaseTerms { id, worker, secs },
            lanes,
            placements: HashMap::new(),
            lease: LeaseShare::new(id, 0),
            lease_start,
            must_settle: MustSettle::new("chunk"),
        }
    }

    /// Gives one row its place; returns how the statement writes it. A caller holds the isolation gate: a call is
    /// rendered here.
    pub(super) fn place(
        &mut self,
        row: &NewRequest,
        step: Step,
        capacity: &mut LaneCapacity,
        claimed_at: DateTime<Utc>,
    ) -> InitialDispatch {
        if step == Step::QueueWithoutToken {
            // The lane's task waits for slot and token together.
            (capacity.slots, capacity.more_slots_soon) = (None, false);
        }
        let (Some(candidate), Some(lanes)) = (&row.decision.candidate, &self.lanes) else {
            return InitialDispatch::Deferred;
        };
        let claim = || Claim::from_new_request(row, candidate, claimed_at, self.lease_start, &self.lease);
        let slot = capacity.slots.as_mut().filter(|_| step == Step::Call).and_then(|slots| slots.split(1));
        let (planned, placement) = if let Some(slot) = slot {
            let (claim, lane) = (claim(), Arc::clone(&capacity.lane));
            let outgoing = compose::outgoing_guarded(lanes.context(), &lane, &claim);
            let call = ReadyCall { claim, lane, outgoing, slot, exclusive: None };
            (InitialDispatch::Started, Placement::Call(Box::new(call)))
        } else if let Some(permit) = capacity.lane.permit() {
            (InitialDispatch::Leased, Placement::Queue(permit, Box::new(claim())))
        } else {
            capacity.lane.backlog.set_present(true);
            return InitialDispatch::Deferred;
        };
        self.placements.insert(row.id, placement);
        planned
    }

    /// After the commit: starts the calls of begun attempts and fills queue places. `states`: of the requests that
    /// the statement inserted; slots and places of the others are free again.
    pub async fn committed(mut self, states: &HashMap<Uuid, State>) {
        let (mut begun, mut fenced, mut queued) = (Vec::new(), Vec::new(), Vec::new());
        for row in &self.rows {
            let Some(placement) = self.placements.remove(&row.id) else { continue };
            match (fate(row.initial_dispatch, states.get(&row.id).copied()), placement) {
                (Fate::Call, Placement::Call(call)) => begun.push((*call, FIRST_ATTEMPT)),
                (Fate::ResolveFence, Placement::Call(call)) => fenced.push(call.claim),
                (Fate::Enqueue, Placement::Queue(permit, claim)) => queued.push((permit, *claim)),
                (_, placement) => {
                    let _ = self.lease.release_lease();
                    leave_to_lease(vec![placement.into_claim()]);
                }
            }
        }
        // Only now: a claim that is done first must not release the lease while it counts messages that were not
        // inserted.
        for (permit, claim) in queued {
            permit.send(claim);
        }
        self.must_settle.settle();
        if begun.is_empty() && fenced.is_empty() {
            return;
        }
        let Some((lanes, finished)) =
            self.lanes.and_then(|lanes| Some((Arc::clone(&lanes), lanes.finished()?)))
        else {
            tracing::error!(
                "attempts were begun after the end of settling; they are unknown once their lease has expired"
            );
            leave_to_lease(begun.into_iter().map(|(call, _)| call.claim).chain(fenced).collect());
            return;
        };
        resolve_in_background(lanes.context(), fenced, &finished);
        call_begun(lanes.context(), begun, self.lease_start, &finished).await;
    }

    /// After a failed statement: returns the rows. If the answer of the statement was lost, its attempts are undone later.
    pub fn failed(self, error: &LedgerError) -> Vec<NewRequest> {
        let lost = matches!(error, LedgerError::Unavailable(_));
        let (mut begun, mut unwritten) = (Vec::new(), Vec::new());
        for placement in self.placements.into_values() {
            match placement {
                Placement::Call(call) if lost => begun.push(call.claim),
                placement => unwritten.push(placement.into_claim()),
            }
        }
        leave_to_lease(unwritten);
        match &self.lanes {
            Some(lanes) => undo_accept(lanes.context(), begun),
            None => leave_to_lease(begun),
        }
        self.must_settle.settle();
        self.rows
    }
}

impl Placement {
    fn into_claim(self) -> Claim {
        match self {
            Placement::Call(call) => call.claim,
            Placement::Queue(_, claim) => *claim,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_in_the_planned_state_is_called_or_queued() {
        for state in State::ALL.into_iter().map(Some).chain([None]) {
            let started = match state {
                Some(State::Sending) => Fate::Call,
                Some(State::Waiting) => Fate::ResolveFence,
                _ => Fate::Release,
            };
            let leased = if state == Some(State::Waiting) { Fate::Enqueue } else { Fate::Release };
            assert_eq!(fate(InitialDispatch::Started, state), started, "{state:?}");
            assert_eq!(fate(InitialDispatch::Leased, state), leased, "{state:?}");
            assert_eq!(fate(InitialDispatch::Deferred, state), Fate::Release, "{state:?}");
        }
    }
}

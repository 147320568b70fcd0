//! The capacity of one lane for the next chunk of the fast path, and the step of each due row by it.
//!
//! `step` is the pure choice between a call slot, the queue and the next chunk; a table tests it.

use std::{sync::Arc, time::Instant};

use tokio::sync::OwnedSemaphorePermit;

use crate::dispatch::Lane;
use postrider_ledger::accept::NewRequest;

/// The capacity of one lane for one chunk.
pub(super) struct LaneCapacity {
    pub lane: Arc<Lane>,
    pub slots: Option<OwnedSemaphorePermit>,
    /// More slots become free soon: a row without one waits for the next chunk.
    pub more_slots_soon: bool,
}

/// The step of one due row, from what its lane has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The statement begins the attempt, and the call follows its commit.
    Call,
    /// As `Queue`; the lane has slots but no rate token, so its slots are given back.
    QueueWithoutToken,
    /// Into the lane's queue, or written due where the queue has no place.
    Queue,
    /// Left for the next chunk of the batch.
    NextChunk,
}

/// A poison suspect is tried alone, after its acceptance, and gets no slot.
fn step(is_suspect: bool, has_slot: bool, more_slots_soon: bool, take_token: impl FnOnce() -> bool) -> Step {
    match (has_slot && !is_suspect, more_slots_soon) {
        (true, _) if take_token() => Step::Call,
        (true, _) => Step::QueueWithoutToken,
        (false, true) => Step::NextChunk,
        (false, false) => Step::Queue,
    }
}

impl LaneCapacity {
    /// The slots that are free now; `None`: the lane is not open.
    pub fn now(lane: &Arc<Lane>, count: usize) -> Option<LaneCapacity> {
        let slots = || lane.slots.try_acquire(count);
        lane.is_open().then(|| LaneCapacity {
            lane: Arc::clone(lane),
            slots: slots(),
            more_slots_soon: false,
        })
    }

    /// Slots for a burst, waited for until `deadline`; `None`: the lane is not open then.
    pub async fn for_burst(lane: &Arc<Lane>, count: usize, deadline: Instant) -> Option<LaneCapacity> {
        if !lane.wait_until_open(deadline).await {
            return None;
        }
        let slots = lane.slots.acquire_for_burst(count, deadline).await;
        Some(LaneCapacity { lane: Arc::clone(lane), more_slots_soon: slots.is_some(), slots })
    }

    pub fn step(&self, row: &NewRequest) -> Step {
        let has_slot = self.slots.as_ref().is_some_and(|slots| slots.num_permits() > 0);
        step(row.trial_record.is_some(), has_slot, self.more_slots_soon, || self.lane.slots.take_token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_row_takes_a_slot_with_a_token_else_waits_for_slots_that_come_soon_else_queues() {
        // suspect, slot, more slots soon, token → step
        let table = [
            (false, true, false, true, Step::Call),
            (false, true, true, true, Step::Call),
            (false, true, false, false, Step::QueueWithoutToken),
            (false, true, true, false, Step::QueueWithoutToken),
            (false, false, true, true, Step::NextChunk),
            (false, false, false, true, Step::Queue),
            (true, true, false, true, Step::Queue),
            (true, true, true, true, Step::NextChunk),
            (true, false, false, true, Step::Queue),
        ];
        for (suspect, slot, more, token, expected) in table {
            assert_eq!(step(suspect, slot, more, || token), expected, "{suspect} {slot} {more} {token}");
        }
    }

    #[test]
    fn a_token_is_taken_only_by_a_row_with_a_slot() {
        for (suspect, slot) in [(true, true), (false, false), (true, false)] {
            step(suspect, slot, false, || panic!("no token is needed"));
        }
    }
}

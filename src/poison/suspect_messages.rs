//! Suspects: messages whose claims lapsed unsent again and again are tried one at a time.
//!
//! A worker has one at most, and from the note that it is tried until it is begun it has the worker's quiet
//! for itself, so that a death in between accuses just this message (`ledger::quarantine`). The ordinary
//! claim never sees them. What a lapse counts is the sweeper's; what is held is for `postrider quarantine`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::worker::stages::stopped;
use postrider_domain::ids::AccountId;
use postrider_ledger::{LedgerError, accept::LeaseTerms};

use crate::dispatch::{Claim, DispatchContext, Lanes, LeaseShare, Permit};

/// Claims suspects until told to stop: the next when the one before is settled or given back.
pub async fn run(
    shared: Arc<DispatchContext>,
    lanes: Arc<Lanes>,
    interval: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let one = Arc::new(Semaphore::new(1));
    loop {
        let turn = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            turn = Arc::clone(&one).acquire_owned() => turn,
        };
        let Ok(turn) = turn else { return };
        match claim_one(&shared, &lanes, turn).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "suspects cannot be claimed"),
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(interval.mul_f64(0.8 + 0.4 * postrider_clock::jitter())) => {}
        }
    }
}

/// Claims the oldest suspect of the lanes that have room; gives whether there was one.
async fn claim_one(
    shared: &DispatchContext,
    lanes: &Lanes,
    turn: OwnedSemaphorePermit,
) -> Result<bool, LedgerError> {
    let lanes = lanes.all();
    let mut rooms: HashMap<AccountId, Permit> =
        lanes.values().filter_map(|lane| Some((lane.account, lane.permit_for_suspect()?))).collect();
    if rooms.is_empty() {
        return Ok(false);
    }
    let open: Vec<AccountId> = rooms.keys().copied().collect();
    let taken = postrider_clock::monotonic();
    let terms =
        LeaseTerms { id: postrider_clock::new_id(), worker: shared.worker, secs: shared.lease.as_secs_f64() };
    let Some(due) = shared.ledger.claim_suspect(&open, terms).await? else { return Ok(false) };
    let (message, room) = (due.message, rooms.remove(&due.lane));
    tracing::warn!(message = %message.0, "a message that outlived its workers is tried alone");
    match (room, Claim::from_due(due, taken, LeaseShare::new(terms.id, 1))) {
        (Some(room), Some(claim)) => drop(room.send(Claim { suspect: Some(turn), ..claim })),
        _ => tracing::error!("a claimed suspect has no address or no room; its lease will lapse"),
    }
    Ok(true)
}

//! Poison suspects among messages: claimed and tried one at a time.
//!
//! A message is a suspect after two lease expiries before any call; the ordinary claim passes it over. A worker has one
//! suspect at most, until its attempt is settled or its claim returned. The lane runs the trial (`dispatch`'s `trial`),
//! the sweeper counts lease expiries, and `postrider quarantine` shows quarantined messages.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    dispatch::{Claim, DispatchContext, Lanes, LeaseShare, Permit},
    ticker::Ticker,
};
use postrider_domain::ids::AccountId;
use postrider_ledger::{LedgerError, accept::LeaseTerms};

/// Claims suspects until the worker stops: the next one once the one before is settled or returned.
pub async fn run(shared: Arc<DispatchContext>, lanes: Arc<Lanes>, ticker: Ticker) {
    let one_at_a_time = Arc::new(Semaphore::new(1));
    let mut more = true;
    while ticker.tick(more).await {
        let turn = tokio::select! {
            biased;
            () = ticker.stop().cancelled() => return,
            turn = Arc::clone(&one_at_a_time).acquire_owned() => turn,
        };
        let Ok(turn) = turn else { return };
        more = claim_one(&shared, &lanes, turn).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "claiming a poison suspect failed, retrying after dispatch.claim_interval_ms");
            false
        });
    }
}

/// Claims the oldest suspect of the lanes with room; returns whether there was one.
async fn claim_one(
    shared: &DispatchContext,
    lanes: &Lanes,
    turn: OwnedSemaphorePermit,
) -> Result<bool, LedgerError> {
    let lanes = lanes.all();
    let mut places: HashMap<AccountId, Permit> =
        lanes.values().filter_map(|lane| Some((lane.account, lane.permit_for_suspect()?))).collect();
    if places.is_empty() {
        return Ok(false);
    }
    let open: Vec<AccountId> = places.keys().copied().collect();
    let taken = postrider_clock::monotonic();
    let terms =
        LeaseTerms { id: postrider_clock::new_id(), worker: shared.worker, secs: shared.lease.as_secs_f64() };
    let Some(due) = shared.ledger.claim_suspect(&open, terms).await? else { return Ok(false) };
    let (message, place) = (due.message, places.remove(&due.lane));
    tracing::warn!(message = %message.0, "trying a poison suspect: a message whose leases expired before any call; it is quarantined if this worker ends meanwhile");
    match (place, Claim::from_due(due, taken, LeaseShare::new(terms.id, 1))) {
        (Some(place), Some(claim)) => drop(place.send(Claim { suspect: Some(turn), ..claim })),
        _ => tracing::error!(
            "a claimed poison suspect has no address or no room and is dropped; its lease expires and it is claimed again"
        ),
    }
    Ok(true)
}

//! Direct: what intake had begun in its accepting statement, with a call slot in hand.
//!
//! The same steps as `lane` and `begin` take, without their queues: compose before the statement, call
//! after it. Read `intake::fast_path` for who gets a slot.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::dispatch::{
    Claim, DispatchContext, Lane, Lanes,
    begin::{call_begun, not_called, resolve_aside},
    claim::release_leases,
    lane::ReadyCall,
};

impl Lanes {
    /// Renders, while the caller has the quiet together with others.
    #[must_use]
    pub fn compose_together(&self, claim: Claim, lane: &Arc<Lane>, slot: OwnedSemaphorePermit) -> ReadyCall {
        let outgoing = lane.compose_quietly(self.shared(), &claim);
        ReadyCall { claim, lane: Arc::clone(lane), outgoing, slot, alone: None }
    }

    /// Makes the calls of what was begun, each with its attempt. `before`: just before the statement.
    pub async fn call(&self, begun: Vec<(ReadyCall, i16)>, before: Instant) {
        if begun.is_empty() {
            return;
        }
        match self.done() {
            Some(done) => call_begun(self.shared(), begun, before, &done).await,
            None => {
                tracing::error!("attempts were begun after the end of settling; their lease will lapse");
            }
        }
    }

    /// Ends what the fence kept from beginning.
    pub fn resolve(&self, fenced: Vec<Claim>) {
        if let Some(done) = self.done() {
            resolve_aside(self.shared(), fenced, &done);
        }
    }

    /// The accepting statement's answer was lost: attempts may be written down, now or when the database
    /// comes to it, and this worker lives to say that it made none. A statement ends within a third of a
    /// lease; until the lease has run out nobody else touches them.
    pub fn never_called(&self, claims: Vec<Claim>) {
        if claims.is_empty() {
            return;
        }
        let shared = Arc::clone(self.shared());
        tokio::spawn(async move {
            tokio::time::sleep(shared.lease / 3).await;
            take_back(&shared, &claims).await;
        });
    }
}

async fn take_back(shared: &DispatchContext, claims: &[Claim]) {
    let settlements: Vec<_> = claims.iter().map(not_called).collect();
    let until = postrider_clock::monotonic() + shared.lease / 3;
    while postrider_clock::monotonic() < until {
        match shared.ledger.settle(&settlements, &[]).await {
            Ok(_) => return release_leases(&shared.ledger, claims).await,
            Err(error) => tracing::warn!(%error, "attempts that were not made cannot be taken back yet"),
        }
        tokio::time::sleep(Duration::from_secs_f64(0.5 + postrider_clock::jitter())).await;
    }
}

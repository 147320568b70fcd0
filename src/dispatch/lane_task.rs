//! The task of a lane: takes claims in order, waits for a call slot and a rate token, renders, passes on to begin.
//!
//! Claims that waited for a third of their lease go back to the ledger unbegun, and so do all claims of a lane that is
//! closed or has an open breaker. Nothing here calls a provider. Next: `begin`.

use std::{ops::ControlFlow, sync::Arc};

use tokio::{
    sync::mpsc::{self, error::SendError},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::dispatch::{
    Claim, DispatchContext, Lane, ReadyCall,
    breaker::BreakerState,
    claim::{leave_to_lease, release_leases},
    compose,
    lane::LaneParts,
    trial,
};

/// Makes a lane and starts its task, which ends after [`Lane::close`].
pub(super) fn start(
    parts: LaneParts,
    context: Arc<DispatchContext>,
    ready: mpsc::Sender<ReadyCall>,
) -> (Arc<Lane>, JoinHandle<()>) {
    let (lane, claims) = Lane::new(parts);
    let stop = lane.closing();
    let task = LaneTask { lane: Arc::clone(&lane), context, claims, ready, stop };
    (lane, tokio::spawn(task.run()))
}

struct LaneTask {
    lane: Arc<Lane>,
    context: Arc<DispatchContext>,
    claims: mpsc::Receiver<Claim>,
    ready: mpsc::Sender<ReadyCall>,
    stop: CancellationToken,
}

impl LaneTask {
    async fn run(mut self) {
        loop {
            let claim = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                claim = self.claims.recv() => match claim { Some(claim) => claim, None => break },
            };
            if self.forward(claim).await.is_break() {
                break;
            }
        }
        self.claims.close();
        // Statements under way still hold places and send their claims. `recv` waits for them all, but not with
        // what is queued already.
        while let Some(claim) = self.claims.recv().await {
            self.return_queued(claim).await;
        }
    }

    /// Brings one claim to begin, or returns it with all that is queued behind it; `Break` when the lane ends.
    async fn forward(&mut self, claim: Claim) -> ControlFlow<()> {
        if self.lane.breaker_state() == BreakerState::Open {
            self.return_queued(claim).await;
            return ControlFlow::Continue(());
        }
        let slot = tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                self.return_claims(vec![claim]).await;
                return ControlFlow::Break(());
            }
            slot = self.lane.slots.acquire_permit() => slot,
        };
        if claim.is_stale(postrider_clock::monotonic(), self.context.lease) {
            // Slots or tokens come slower than the claimer expected; the claims behind are nearly as old.
            self.return_queued(claim).await;
            return ControlFlow::Continue(());
        }
        let exclusive = match claim.suspect {
            None => None,
            Some(_) => match trial::begin_trial(&self.context, &claim).await {
                Some(exclusive) => Some(exclusive),
                None => {
                    self.return_claims(vec![claim]).await;
                    return ControlFlow::Continue(());
                }
            },
        };
        let shared = match exclusive {
            Some(_) => None,
            None => Some(self.context.isolation_gate.shared().await),
        };
        let outgoing = compose::outgoing_guarded(&self.context, &self.lane, &claim);
        drop(shared);
        let call = ReadyCall { claim, lane: Arc::clone(&self.lane), outgoing, slot, exclusive };
        match self.ready.send(call).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(SendError(call)) => {
                self.return_claims(vec![call.claim]).await;
                ControlFlow::Break(())
            }
        }
    }

    /// Returns this claim and every claim that is queued, in one statement.
    async fn return_queued(&mut self, first: Claim) {
        let mut claims = vec![first];
        while let Ok(claim) = self.claims.try_recv() {
            claims.push(claim);
        }
        self.return_claims(claims).await;
    }

    /// Returns unbegun claims to the ledger at their old due times. Without a database their lease expires and has the
    /// same effect later.
    async fn return_claims(&self, claims: Vec<Claim>) {
        let due: Vec<_> = claims.iter().map(|claim| (claim.message, claim.epoch, claim.due_at)).collect();
        if let Err(error) = self.context.ledger.release(&due).await {
            tracing::warn!(%error, claims = due.len(), "returning claims failed; they are claimed again when their lease has expired");
            return leave_to_lease(claims);
        }
        self.lane.backlog.mark_requeued();
        release_leases(&self.context.ledger, claims).await;
    }
}

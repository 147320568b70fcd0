//! Claims that begin refused: ended for good, released for another claim, or left to their new owner.
//!
//! Begin's fence only says that something changed; here the facts are read again, and `FenceVerdict` says which. Runs
//! beside the calls and sends nothing.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    dispatch::{
        Claim, DispatchContext,
        claim::{leave_to_lease, release_leases},
        settle::FinishedAttempt,
    },
    telemetry::names,
};
use postrider_domain::lifecycle::{
    State,
    fence::{FenceVerdict, fence_verdict},
    transition,
};
use postrider_ledger::{LedgerError, conclude::Conclusion};

/// Resolves fenced claims in a task of its own. `finished` is held meanwhile: shutdown waits for its last holder.
pub(super) fn resolve_in_background(
    context: &Arc<DispatchContext>,
    claims: Vec<Claim>,
    finished: &mpsc::Sender<FinishedAttempt>,
) {
    if claims.is_empty() {
        return;
    }
    let (context, finished) = (Arc::clone(context), finished.clone());
    tokio::spawn(async move {
        match resolve(&context, &claims).await {
            Ok(()) => release_leases(&context.ledger, claims).await,
            Err(error) => {
                tracing::warn!(%error, "resolving fenced claims failed; they are claimed again when their lease has expired");
                leave_to_lease(claims);
            }
        }
        drop(finished);
    });
}

async fn resolve(context: &DispatchContext, claims: &[Claim]) -> Result<(), LedgerError> {
    let keys: Vec<_> = claims.iter().map(Claim::key).collect();
    let (mut ends, mut due) = (Vec::new(), Vec::new());
    for ((message, epoch), facts) in context.ledger.fence_facts(&keys).await? {
        match fence_verdict(&facts) {
            FenceVerdict::NotOurs => {}
            FenceVerdict::Again => due.push((message, epoch, facts.now)),
            FenceVerdict::End(signal, reason) => {
                let next = transition(State::Waiting, signal);
                metrics::counter!(names::CONCLUDED, "reason" => reason.as_str()).increment(1);
                ends.push(Conclusion { message, epoch, expected: State::Waiting, next, reason });
            }
        }
    }
    context.ledger.conclude(&ends).await?;
    context.ledger.release(&due).await
}

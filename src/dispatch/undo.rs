//! Undo: attempts that may be written in the ledger and that this worker did not call.
//!
//! The answer of a statement that begins attempts was lost: the statement may have committed, or may still run in the
//! database. This worker is alive and knows that it made no call, so it settles the attempts as `not_called` instead of
//! leaving them unknown (docs/decisions/018-lost-accept-taken-back.md).

use std::{sync::Arc, time::Duration};

use crate::dispatch::{
    Claim, DispatchContext,
    claim::{leave_to_lease, release_leases},
    outcome::not_called,
};

/// After a lost answer of the begin statement. The release comes first: its new epochs keep a late begin out, so that
/// the settlement finds whatever was begun by then. Repeats until the database answers.
pub(super) async fn undo_begin(context: &DispatchContext, claims: Vec<Claim>) {
    let settlements: Vec<_> = claims.iter().map(not_called).collect();
    let due: Vec<_> = claims.iter().map(|claim| (claim.message, claim.epoch, claim.due_at)).collect();
    loop {
        let undone = async {
            context.ledger.release(&due).await?;
            context.ledger.settle(&settlements, &[]).await
        };
        match undone.await {
            Ok(_) => break,
            Err(error) => tracing::warn!(%error, "undoing a begin failed, retrying"),
        }
        pause().await;
    }
    release_leases(&context.ledger, claims).await;
}

/// After a lost answer of the accept statement, which began these attempts. Runs in the background. A statement ends
/// within a third of a lease, and until the lease has expired no other worker touches the attempts; so the settlement
/// has the second third.
pub(super) fn undo_accept(context: &Arc<DispatchContext>, claims: Vec<Claim>) {
    if claims.is_empty() {
        return;
    }
    let context = Arc::clone(context);
    tokio::spawn(async move {
        tokio::time::sleep(context.lease / 3).await;
        let settlements: Vec<_> = claims.iter().map(not_called).collect();
        let deadline = postrider_clock::monotonic() + context.lease / 3;
        while postrider_clock::monotonic() < deadline {
            match context.ledger.settle(&settlements, &[]).await {
                Ok(_) => return release_leases(&context.ledger, claims).await,
                Err(error) => tracing::warn!(%error, "undoing attempts of a lost accept failed, retrying"),
            }
            pause().await;
        }
        leave_to_lease(claims);
    });
}

async fn pause() {
    tokio::time::sleep(Duration::from_secs_f64(0.5 + postrider_clock::jitter())).await;
}

//! Undo: attempts that may be written in the ledger and that this worker did not call.
//!
//! The answer of a statement that begins attempts was lost: the statement may have committed, or may still run in the
//! database. This worker is alive and knows that it made no call, so it settles the attempts as `not_called` instead of
//! leaving them unknown (docs/decisions/018-lost-accept-taken-back.md).

use std::{sync::Arc, time::Duration};

use crate::{
    dispatch::{
        Claim, DispatchContext,
        claim::{leave_to_lease, release_leases},
        outcome::not_called,
    },
    retry::{Backoff, retry_until},
};
use postrider_ledger::LedgerError;

const BACKOFF: Backoff = Backoff::constant(Duration::from_secs(1));

/// After a lost answer of the begin statement. The release comes first: its new epochs keep a late begin out, so that
/// the settlement finds whatever was begun by then. Repeats until the database answers.
pub(super) async fn undo_begin(context: &DispatchContext, claims: Vec<Claim>) {
    let settlements: Vec<_> = claims.iter().map(not_called).collect();
    let due: Vec<_> = claims.iter().map(|claim| (claim.message, claim.epoch, claim.due_at)).collect();
    let undo = || async {
        context.ledger.release(&due).await?;
        context.ledger.settle(&settlements, &[]).await
    };
    let undone = retry_until(BACKOFF, undo, |error: &LedgerError| {
        tracing::warn!(%error, "undoing a begin failed, retrying");
        true
    });
    // Without a limit of time this ends with a success only.
    drop(undone.await);
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
        let undo = || context.ledger.settle(&settlements, &[]);
        let undone = retry_until(BACKOFF.within(context.lease / 3), undo, |error: &LedgerError| {
            tracing::warn!(%error, "undoing attempts of a lost accept failed, retrying");
            true
        });
        match undone.await {
            Ok(_) => release_leases(&context.ledger, claims).await,
            Err(_) => leave_to_lease(claims),
        }
    });
}

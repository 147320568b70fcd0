//! Begin: attempts are written in micro-batches, each just before its call.
//!
//! Only claims with a text, a rate token and a free call slot come here. The begin statement is the last-moment fence:
//! claims that pass it are called at once, the others go to `fenced`. A call must not be made before its begin is
//! committed. Next: `call`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::{
    dispatch::{
        DispatchContext, ReadyCall, call, fenced::resolve_in_background, settle::FinishedAttempt,
        undo::undo_begin,
    },
    failpoint,
};
use postrider_domain::ids::MessageId;

const BATCH_MAX: usize = 128;
/// A begin that took longer is checked once more before its calls (docs/decisions/013-slow-begin-checked-again.md).
const SLOW_BEGIN: Duration = Duration::from_millis(100);

/// Begins ready calls until every lane is closed.
pub async fn run(
    context: Arc<DispatchContext>,
    mut ready: mpsc::Receiver<ReadyCall>,
    finished: mpsc::Sender<FinishedAttempt>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while ready.recv_many(&mut batch, BATCH_MAX).await > 0 {
        begin(&context, std::mem::take(&mut batch), &finished).await;
    }
}

async fn begin(
    context: &Arc<DispatchContext>,
    batch: Vec<ReadyCall>,
    finished: &mpsc::Sender<FinishedAttempt>,
) {
    let keys: Vec<(MessageId, i32)> = batch.iter().map(|call| call.claim.key()).collect();
    let mut leases: Vec<_> = batch.iter().map(|call| call.claim.lease.id).collect();
    leases.sort_unstable();
    leases.dedup();
    let before = postrider_clock::monotonic();
    failpoint::hit("before_begin");
    let begun = match context.ledger.begin(&keys, context.lease.as_secs_f64(), &leases).await {
        Ok(begun) => begun,
        Err(error) => {
            tracing::warn!(%error, messages = batch.len(), "begin failed; its attempts are undone");
            return undo_begin(context, batch.into_iter().map(|call| call.claim).collect()).await;
        }
    };
    failpoint::hit("after_begin");
    // By claim, not by message: while the database is away a lease can expire in the queue and its message be claimed
    // again, so that both claims are in this batch, and only one of them was begun.
    let begun: HashMap<(MessageId, i32), i16> = begun.into_iter().collect();
    let (mut calls, mut fenced) = (Vec::new(), Vec::new());
    for call in batch {
        match begun.get(&call.claim.key()) {
            Some(attempt) => calls.push((call, *attempt)),
            None => fenced.push(call.claim),
        }
    }
    call_begun(context, calls, before, finished).await;
    resolve_in_background(context, fenced, finished);
}

/// Starts the calls of begun attempts, each with its attempt number. `before`: monotonic time just before the
/// statement that began them.
pub(super) async fn call_begun(
    context: &Arc<DispatchContext>,
    begun: Vec<(ReadyCall, i16)>,
    before: Instant,
    finished: &mpsc::Sender<FinishedAttempt>,
) {
    let stopped = match postrider_clock::monotonic() - before > SLOW_BEGIN {
        true => stopped_meanwhile(context, &begun).await,
        false => HashSet::new(),
    };
    for (ready, attempt) in begun {
        match stopped.contains(&ready.claim.key()) {
            true => call::cancel(ready, finished).await,
            false => call::start(Arc::clone(context), ready, attempt, before, finished.clone()),
        }
    }
}

/// The begun attempts with an address that was blocked, or a request that was answered, while begin waited for a lock or a
/// connection. All of them where the ledger cannot be read: an attempt that is not called comes again.
async fn stopped_meanwhile(
    context: &DispatchContext,
    begun: &[(ReadyCall, i16)],
) -> HashSet<(MessageId, i32)> {
    let keys: Vec<_> = begun.iter().map(|(ready, _)| ready.claim.key()).collect();
    match context.ledger.fence_facts(&keys).await {
        Ok(facts) => facts
            .into_iter()
            .filter(|(_, facts)| facts.block_bits != 0 || facts.answered)
            .map(|(claim, _)| claim)
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "checking begun attempts again failed; they are not called and come again");
            keys.into_iter().collect()
        }
    }
}

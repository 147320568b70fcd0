//! Begin: attempts are written down in micro-batches, each just before its call.
//!
//! Only claims with a text and a free call slot come here. Who passes the fence is called at once; who
//! does not is looked at once more and ended, or left to whoever has it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::{failpoint, telemetry::names};
use postrider_domain::{
    ids::MessageId,
    lifecycle::{
        Reason, Signal, State, TransitionMap,
        fence::{FenceVerdict, standstill},
        transition,
    },
};
use postrider_ledger::{
    settle::{OutcomeCode, Settlement},
    sweep::Conclusion,
};

use crate::dispatch::{
    Claim, DispatchContext, call, claim::release_leases, lane::ReadyCall, settle::FinishedAttempt,
};

const BATCH_MAX: usize = 128;
/// A begin that took longer is checked once more before anybody is called.
const SLOW_BEGIN: Duration = Duration::from_millis(100);

/// Takes ready claims until every lane is closed.
pub async fn run(
    shared: Arc<DispatchContext>,
    mut ready: mpsc::Receiver<ReadyCall>,
    done: mpsc::Sender<FinishedAttempt>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while ready.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let batch: Vec<ReadyCall> = std::mem::take(&mut batch);
        begin(&shared, batch, &done).await;
    }
}

async fn begin(shared: &Arc<DispatchContext>, batch: Vec<ReadyCall>, done: &mpsc::Sender<FinishedAttempt>) {
    let keys: Vec<(MessageId, i32)> = batch.iter().map(|item| item.claim.key()).collect();
    let mut leases: Vec<_> = batch.iter().map(|item| item.claim.lease.id).collect();
    leases.sort_unstable();
    leases.dedup();
    let before = postrider_clock::monotonic();
    failpoint::point("before_begin");
    let begun = match shared.ledger.begin(&keys, shared.lease.as_secs_f64(), &leases).await {
        Ok(begun) => begun,
        Err(error) => {
            tracing::warn!(%error, messages = batch.len(), "begin failed; taking it back");
            take_back(shared, batch).await;
            return;
        }
    };
    failpoint::point("after_begin");
    // By claim, not by message: while the database was away a claim can have lapsed in the queue and come
    // again, so that both are in this batch, and only one of them was begun.
    let begun: HashMap<(MessageId, i32), i16> = begun.into_iter().collect();
    let (mut ready, mut fenced) = (Vec::new(), Vec::new());
    for item in batch {
        match begun.get(&item.claim.key()) {
            Some(attempt) => ready.push((item, *attempt)),
            None => fenced.push(item.claim),
        }
    }
    call_begun(shared, ready, before, done).await;
    resolve_aside(shared, fenced, done);
}

/// Calls what was begun, each with its attempt. `before`: just before the statement that began it.
pub(super) async fn call_begun(
    shared: &Arc<DispatchContext>,
    begun: Vec<(ReadyCall, i16)>,
    before: Instant,
    done: &mpsc::Sender<FinishedAttempt>,
) {
    let stopped = match postrider_clock::monotonic() - before > SLOW_BEGIN {
        true => stopped_meanwhile(shared, &begun).await,
        false => HashSet::new(),
    };
    for (item, attempt) in begun {
        match stopped.contains(&item.claim.key()) {
            true => call::stop(item, done).await,
            false => call::start(Arc::clone(shared), item, attempt, before, done.clone()),
        }
    }
}

/// Looks at what the fence refused, beside everything else.
pub(super) fn resolve_aside(
    shared: &Arc<DispatchContext>,
    fenced: Vec<Claim>,
    done: &mpsc::Sender<FinishedAttempt>,
) {
    if fenced.is_empty() {
        return;
    }
    let (shared, open) = (Arc::clone(shared), done.clone());
    tokio::spawn(async move {
        resolve(shared, fenced).await;
        // Settling, and with it the shutdown, waits for whoever could still send.
        drop(open);
    });
}

/// Begin waited for a lock, or for its turn: it judged blocks and answers by a view that is old by now.
/// Gives those that were begun and must not be called any more. Where nobody can say, none is called:
/// their attempts were not made, and come again.
async fn stopped_meanwhile(
    shared: &DispatchContext,
    begun: &[(ReadyCall, i16)],
) -> HashSet<(MessageId, i32)> {
    let keys: Vec<_> = begun.iter().map(|(item, _)| item.claim.key()).collect();
    match shared.ledger.standings(&keys).await {
        Ok(standings) => standings
            .into_iter()
            .filter(|(_, standing)| standing.block_bits != 0 || standing.answered)
            .map(|(claim, _)| claim)
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "begun attempts cannot be checked once more; they are not made");
            keys.into_iter().collect()
        }
    }
}

/// Begin's answer was lost: it may have been written, or still be under way in the database. No call was
/// made, and this worker lives to say so. Release comes first: its new epochs keep a late begin out, so
/// that whatever was begun by then is all that settle has to take back.
async fn take_back(shared: &DispatchContext, batch: Vec<ReadyCall>) {
    let settlements: Vec<Settlement> = batch.iter().map(|item| not_called(&item.claim)).collect();
    let claims: Vec<Claim> = batch.into_iter().map(|item| item.claim).collect();
    let places: Vec<_> = claims.iter().map(|claim| (claim.message, claim.epoch, claim.due_at)).collect();
    loop {
        let taken = async {
            shared.ledger.release(&places).await?;
            shared.ledger.settle(&settlements, &[]).await
        };
        match taken.await {
            Ok(_) => break,
            Err(error) => tracing::warn!(%error, "claims cannot be taken back yet"),
        }
        tokio::time::sleep(Duration::from_secs_f64(0.5 + postrider_clock::jitter())).await;
    }
    release_leases(&shared.ledger, &claims).await;
}

/// The settlement of an attempt that was written down and never called.
pub(super) fn not_called(claim: &Claim) -> Settlement {
    Settlement {
        message: claim.message,
        epoch: claim.epoch,
        attempt: claim.attempt + 1,
        map: TransitionMap::of(Signal::Retry),
        outcome: OutcomeCode::Refused,
        code: Some("not_called".to_owned()),
        reason: Some(Reason::NotCalled),
        provider_id: None,
        wait_secs: Some(0.0),
        counts: false,
        proof: false,
        block: None,
        watch_secs: None,
    }
}

/// Ends what the fence refused for good, puts back what is free again.
async fn resolve(shared: Arc<DispatchContext>, claims: Vec<Claim>) {
    let keys: Vec<_> = claims.iter().map(Claim::key).collect();
    let standings = match shared.ledger.standings(&keys).await {
        Ok(standings) => standings,
        Err(error) => {
            // The lease lapses, the claim comes again, and the fence says the same.
            tracing::warn!(%error, "fenced messages could not be looked at");
            return;
        }
    };
    let (mut ends, mut again) = (Vec::new(), Vec::new());
    for ((message, epoch), standing) in standings {
        match standstill(&standing) {
            FenceVerdict::NotOurs => {}
            FenceVerdict::Again => again.push((message, epoch, standing.now)),
            FenceVerdict::End(signal, reason) => {
                let next = transition(State::Waiting, signal);
                metrics::counter!(names::CONCLUDED, "reason" => reason.word()).increment(1);
                ends.push(Conclusion { message, epoch, was: State::Waiting, next, reason });
            }
        }
    }
    if let Err(error) = shared.ledger.conclude(&ends).await {
        tracing::warn!(%error, "fenced messages could not be ended; they come again");
        return;
    }
    if let Err(error) = shared.ledger.release(&again).await {
        tracing::warn!(%error, "claims could not be given back; their lease will lapse");
        return;
    }
    release_leases(&shared.ledger, &claims).await;
}

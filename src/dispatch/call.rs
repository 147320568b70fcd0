//! The call itself: one task per attempt, no connection of the ledger in hand.
//!
//! It starts only while its lease outlives its timeout; it ends in an outcome whatever happens, a panic
//! included.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::{failpoint, telemetry::names};
use postrider_domain::lifecycle::{Reason, Signal, TransitionMap};
use postrider_providers::{Outcome, Outgoing, Provider, Refusal, RefusalKind};

use crate::dispatch::{
    DispatchContext,
    begin::not_called,
    lane::{Lane, ReadyCall, call_deadline},
    outcome::{SettlementContext, call_health, settlement, word},
    sandbox,
    settle::FinishedAttempt,
};

/// Beyond the provider's own timeout, in case it does not keep it.
const GRACE: Duration = Duration::from_secs(2);

/// Makes the call of a begun attempt in a task of its own. `before` is the time before begin was sent.
pub fn start(
    shared: Arc<DispatchContext>,
    item: ReadyCall,
    attempt: i16,
    before: Instant,
    done: mpsc::Sender<FinishedAttempt>,
) {
    let ReadyCall { claim, lane, outgoing, slot, alone } = item;
    // Begun: a suspect's death from here on leaves an unknown, and accuses nobody.
    drop(alone);
    tokio::spawn(async move {
        lane.call_started();
        let simulated = sandbox::takes(&lane, &claim);
        let settled = match (&outgoing, &lane.provider) {
            (Err(code), _) => {
                let mut settled = not_called(&claim);
                settled.map = TransitionMap::of(Signal::RefusedForGood);
                settled.reason = Some(Reason::RenderFailed);
                settled.code = Some(code.clone());
                settled
            }
            (Ok(_), None) => not_called(&claim),
            (Ok(_), Some(provider))
                if postrider_clock::monotonic() > call_deadline(before, &shared, provider.call_timeout()) =>
            {
                not_called(&claim)
            }
            (Ok(outgoing), Some(provider)) if attempt == claim.attempt + 1 => {
                failpoint::point("during_call");
                let outcome = match simulated {
                    true => sandbox::accepted(claim.message),
                    false => send(provider.as_ref(), outgoing).await,
                };
                failpoint::point("after_answer");
                concluded(&shared, &lane, &claim, (attempt, before), outcome)
            }
            (Ok(_), Some(_)) => not_called(&claim),
        };
        lane.call_ended();
        drop(slot);
        let lease = Arc::clone(&claim.lease);
        // Tests are no part of the statistics.
        let timed = settled.proof && !claim.test;
        let sent_after = timed.then(|| claim.database_now(postrider_clock::monotonic()) - claim.due_at);
        let report = (simulated && settled.proof)
            .then(|| sandbox::report(Arc::clone(&shared), lane.account, claim.message, attempt));
        let done_item =
            FinishedAttempt { settlement: settled, lease, lane, sent_after, suspect: claim.suspect };
        if done.send(done_item).await.is_err() {
            tracing::error!("an outcome came after the end of settling; its lease will lapse");
        }
        if let Some(report) = report {
            report.await;
        }
    });
}

/// One call, ending in an outcome whatever happens.
async fn send(provider: &dyn Provider, outgoing: &Outgoing) -> Outcome {
    let limit = provider.call_timeout() + GRACE;
    match AssertUnwindSafe(tokio::time::timeout(limit, provider.send(outgoing))).catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::Unknown { code: "timeout".to_owned() },
        Err(_) => {
            metrics::counter!(names::PANICS, "place" => "call").increment(1);
            Outcome::Unknown { code: "panic".to_owned() }
        }
    }
}

/// Takes a begun attempt back without a call: its customer stopped it in the meantime.
pub async fn stop(item: ReadyCall, done: &mpsc::Sender<FinishedAttempt>) {
    let ReadyCall { claim, lane, slot, .. } = item;
    drop(slot);
    let settlement = not_called(&claim);
    let item = FinishedAttempt {
        settlement,
        lease: Arc::clone(&claim.lease),
        lane,
        sent_after: None,
        suspect: claim.suspect,
    };
    if done.send(item).await.is_err() {
        tracing::error!("an attempt was stopped after the end of settling; its lease will lapse");
    }
}

fn concluded(
    shared: &DispatchContext,
    lane: &Lane,
    claim: &super::Claim,
    (attempt, begun): (i16, Instant),
    outcome: Outcome,
) -> postrider_ledger::settle::Settlement {
    if !sandbox::takes(lane, claim) {
        lane.record(call_health(&outcome));
    }
    if !claim.test {
        metrics::counter!(names::ATTEMPTS, "lane" => lane.settings.id.clone(), "outcome" => word(&outcome))
            .increment(1);
    }
    if let Outcome::Refused(Refusal { kind: RefusalKind::Account, code, .. }) = &outcome {
        tracing::error!(lane = %lane.settings.id, code, "the provider refuses this account");
    }
    let terms = SettlementContext {
        schedule: &shared.schedule,
        unknown_poll_plan: &shared.unknown_poll_plan,
        receipt_poll_plan: &shared.receipt_poll_plan,
        class: lane.class(),
        begun,
        now: postrider_clock::monotonic(),
        jitter: postrider_clock::jitter(),
    };
    settlement(claim, attempt, outcome, terms)
}

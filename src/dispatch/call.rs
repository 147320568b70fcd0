//! The call of one begun attempt, in a task of its own, without a connection of the ledger.
//!
//! A call starts only while its lease outlives its timeout. It ends in an outcome in every case, a panic included.
//! Next: `outcome` makes a settlement of it, `settle` writes it.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::{
    dispatch::{
        Claim, DispatchContext, Lane, ReadyCall,
        outcome::{SettlementContext, call_health, metric_word, not_called, render_failed, settlement},
        sandbox,
        settle::FinishedAttempt,
    },
    failpoint,
    telemetry::names,
};
use postrider_ledger::settle::Settlement;
use postrider_providers::{Outcome, Outgoing, Provider, Refusal, RefusalKind};

/// Time beyond the provider's own timeout, in case the provider's client does not keep it.
const GRACE: Duration = Duration::from_secs(2);

/// Starts the call of a begun attempt. `before`: monotonic time just before the begin statement was sent.
pub fn start(
    context: Arc<DispatchContext>,
    ready: ReadyCall,
    attempt: i16,
    before: Instant,
    finished: mpsc::Sender<FinishedAttempt>,
) {
    let ReadyCall { claim, lane, outgoing, slot, exclusive } = ready;
    // From here on a crash leaves an unknown attempt and accuses no suspect.
    drop(exclusive);
    tokio::spawn(async move {
        lane.call_started();
        let settlement = call(&context, &lane, &claim, &outgoing, (attempt, before)).await;
        lane.call_ended();
        drop(slot);
        // Tests are no part of the statistics.
        let timed = settlement.is_acceptance && !claim.test;
        let sent_after = timed.then(|| claim.database_now(postrider_clock::monotonic()) - claim.due_at);
        let report = (settlement.is_acceptance && sandbox::takes(&lane, &claim))
            .then(|| sandbox::report(Arc::clone(&context), lane.account, claim.message, attempt));
        send(&finished, FinishedAttempt { sent_after, ..FinishedAttempt::new(claim, settlement) }).await;
        if let Some(report) = report {
            report.await;
        }
    });
}

/// Settles a begun attempt without a call: its recipient was blocked or answered since begin.
pub async fn cancel(ready: ReadyCall, finished: &mpsc::Sender<FinishedAttempt>) {
    let ReadyCall { claim, slot, .. } = ready;
    drop(slot);
    let settlement = not_called(&claim);
    send(finished, FinishedAttempt::new(claim, settlement)).await;
}

async fn send(finished: &mpsc::Sender<FinishedAttempt>, attempt: FinishedAttempt) {
    if let Err(unsent) = finished.send(attempt).await {
        tracing::error!(
            "an attempt finished after the end of settling; its lease expires and it becomes unknown"
        );
        unsent.0.must_settle.settle();
    }
}

/// Makes the call, unless something is in its way, and returns what to write.
async fn call(
    context: &DispatchContext,
    lane: &Lane,
    claim: &Claim,
    outgoing: &Result<Outgoing, String>,
    (attempt, before): (i16, Instant),
) -> Settlement {
    let (outgoing, provider) = match (outgoing, &lane.provider) {
        (Err(code), _) => return render_failed(claim, code.clone()),
        (Ok(_), None) => return not_called(claim),
        (Ok(outgoing), Some(provider)) => (outgoing, provider.as_ref()),
    };
    if postrider_clock::monotonic() > deadline(before, context, provider) {
        return not_called(claim);
    }
    if attempt != claim.attempt + 1 {
        tracing::error!(
            message = %claim.message.0,
            begun = attempt,
            expected = claim.attempt + 1,
            "begin wrote an unexpected attempt number; the attempt is not called and is unknown once its lease has expired"
        );
        return not_called(claim);
    }
    failpoint::hit("during_call");
    let in_sandbox = sandbox::takes(lane, claim);
    let outcome = match in_sandbox {
        true => sandbox::accepted(claim.message),
        false => call_provider(provider, outgoing).await,
    };
    failpoint::hit("after_answer");
    record(lane, claim, &outcome, in_sandbox);
    let terms = SettlementContext {
        schedule: &context.schedule,
        unknown_poll_plan: &context.unknown_poll_plan,
        receipt_poll_plan: &context.receipt_poll_plan,
        status_source: lane.status_source(),
        begun: before,
        now: postrider_clock::monotonic(),
        jitter: postrider_clock::jitter(),
    };
    settlement(claim, attempt, outcome, terms)
}

/// The monotonic instant from which a call may no longer start.
fn deadline(begun: Instant, context: &DispatchContext, provider: &dyn Provider) -> Instant {
    begun + context.lease.saturating_sub(provider.call_timeout()).saturating_sub(context.call_margin)
}

/// One call to the provider, ending in an outcome in every case.
async fn call_provider(provider: &dyn Provider, outgoing: &Outgoing) -> Outcome {
    let limit = provider.call_timeout() + GRACE;
    match AssertUnwindSafe(tokio::time::timeout(limit, provider.send(outgoing))).catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::unknown("timeout"),
        Err(_) => {
            metrics::counter!(names::PANICS, "place" => "call").increment(1);
            Outcome::unknown("panic")
        }
    }
}

/// Tells breaker, metrics and log of an outcome; the sandbox says nothing about its lane.
fn record(lane: &Lane, claim: &Claim, outcome: &Outcome, in_sandbox: bool) {
    if !in_sandbox {
        lane.record(call_health(outcome));
    }
    if !claim.test {
        let outcome = metric_word(outcome);
        metrics::counter!(names::ATTEMPTS, "lane" => lane.settings.id.clone(), "outcome" => outcome)
            .increment(1);
    }
    if let Outcome::Refused(Refusal { kind: RefusalKind::Account, code, .. }) = outcome {
        tracing::error!(lane = %lane.settings.id, code, "the provider refuses this account; mend its credentials");
    }
}

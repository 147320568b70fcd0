//! The sweeper: expired leases, expired waiting messages, and responses that came before their request.
//!
//! A lease expires when its worker died or lost the database. Every worker sweeps; SKIP LOCKED and compare-and-set make
//! that harmless, and no leader is needed.

use std::sync::Arc;

use crate::{telemetry::names, ticker::Ticker};
use postrider_domain::lifecycle::{State, fence::expired_end, transition};
use postrider_ledger::{
    LedgerError,
    conclude::Conclusion,
    sweep::{ExpiredMessage, FirstPolls, Swept},
};

use crate::dispatch::DispatchContext;

const LEASES_MAX: i64 = 20;
const CHECKS_MAX: i64 = 200;
const RESPONSES_MAX: i64 = 200;

/// Sweeps until the worker stops: at once while there is more, otherwise at the ticker's interval.
pub async fn run(context: Arc<DispatchContext>, ticker: Ticker) {
    let mut more = true;
    while ticker.tick(more).await {
        more = sweep_once(&context).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "sweeping expired leases failed, retrying after dispatch.sweep_interval_ms");
            false
        });
    }
}

/// One sweep; returns whether there may be more.
pub async fn sweep_once(context: &DispatchContext) -> Result<bool, LedgerError> {
    let first = FirstPolls {
        email_secs: context.unknown_poll_plan.email.first().as_secs_f64(),
        sms_secs: context.unknown_poll_plan.sms.first().as_secs_f64(),
    };
    let swept = context.ledger.sweep(LEASES_MAX, first).await?;
    if swept != Swept::default() {
        metrics::counter!(names::SWEPT, "found" => "unsent").increment(swept.unsent.unsigned_abs());
        metrics::counter!(names::SWEPT, "found" => "unknown").increment(swept.unknown.unsigned_abs());
        tracing::warn!(
            unsent = swept.unsent,
            unknown = swept.unknown,
            "leases expired: their unbegun messages are due again, their begun attempts are unknown"
        );
    }
    for message in &swept.quarantined {
        metrics::counter!(names::QUARANTINED, "kind" => "message").increment(1);
        tracing::error!(%message, "a message over which workers crashed is quarantined; see `postrider quarantine`");
    }
    let checks = context.ledger.expired(CHECKS_MAX).await?;
    let ends: Vec<Conclusion> = checks.iter().filter_map(conclusion).collect();
    let ended = context.ledger.conclude(&ends).await?;
    for end in ends.iter().filter(|end| ended.contains(&end.message)) {
        metrics::counter!(names::CONCLUDED, "reason" => end.reason.as_str()).increment(1);
    }
    let moved: Vec<_> =
        checks.iter().filter(|check| conclusion(check).is_none()).map(|check| check.message.0).collect();
    if !moved.is_empty() {
        context.ledger.drop_due(&moved).await?;
    }
    let responses = context.ledger.awaited_due(RESPONSES_MAX).await?;
    // A dead worker can leave thousands of leases, with one message each at worst.
    let more_leases = swept.unsent + swept.unknown >= LEASES_MAX;
    Ok(more_leases
        || responses as i64 >= RESPONSES_MAX
        || (!ended.is_empty() && checks.len() as i64 >= CHECKS_MAX))
}

/// The end of a message that has expired; `None`: it has moved on, or its expired_end was put off.
fn conclusion(check: &ExpiredMessage) -> Option<Conclusion> {
    if check.state != State::Waiting || check.expires_at > check.now {
        return None;
    }
    let (signal, reason) = expired_end(check.attempt, check.may_have_been_sent);
    let next = transition(check.state, signal);
    Some(Conclusion { message: check.message, epoch: check.epoch, expected: check.state, next, reason })
}

//! From what a call told us to what is written down: the retry, the end, the sign for the lane.
//!
//! No I/O: `now` and jitter come with the arguments.

use std::time::{Duration, Instant};

use postrider_domain::{
    ids::BlockKind,
    lifecycle::{NextTry, Reason, Schedule, Signal, StatusPollPlan, TransitionMap, schedule::Progress},
};
use postrider_ledger::settle::{OutcomeCode, Settlement};
use postrider_providers::{Outcome, Refusal, RefusalKind, StatusSource};

use crate::dispatch::{Claim, breaker::CallHealth};

/// What is fixed for all outcomes of a worker.
#[derive(Debug, Clone, Copy)]
pub struct SettlementContext<'a> {
    pub schedule: &'a Schedule,
    pub unknown_poll_plan: &'a StatusPollPlan,
    pub receipt_poll_plan: &'a StatusPollPlan,
    pub class: StatusSource,
    /// Just before the attempt was begun.
    pub begun: Instant,
    pub now: Instant,
    /// Uniform in `[0, 1)`.
    pub jitter: f64,
}

/// The settlement of one begun attempt.
#[must_use]
pub fn settlement(claim: &Claim, attempt: i16, outcome: Outcome, terms: SettlementContext) -> Settlement {
    let blank = Settlement {
        message: claim.message,
        epoch: claim.epoch,
        attempt,
        map: TransitionMap::keep(),
        outcome: OutcomeCode::Refused,
        code: None,
        reason: None,
        provider_id: None,
        wait_secs: None,
        counts: true,
        proof: false,
        block: None,
        watch_secs: None,
    };
    match outcome {
        Outcome::Accepted { provider_id } => Settlement {
            map: TransitionMap::of(Signal::Accepted),
            outcome: OutcomeCode::Accepted,
            provider_id,
            proof: true,
            watch_secs: match terms.class {
                StatusSource::Queryable => {
                    Some(terms.receipt_poll_plan.of(claim.medium).first().as_secs_f64())
                }
                StatusSource::ReceiptsOnly => None,
            },
            ..blank
        },
        Outcome::Unknown { code } => Settlement {
            map: TransitionMap::of(Signal::Unanswered),
            outcome: OutcomeCode::Unknown,
            code: Some(code),
            reason: Some(Reason::AwaitingProof),
            wait_secs: Some(first_look(claim, terms).as_secs_f64()),
            ..blank
        },
        Outcome::Refused(refusal) => refused(claim, refusal, terms, blank),
    }
}

/// How long from now until the unknown is first looked for.
fn first_look(claim: &Claim, terms: SettlementContext) -> Duration {
    let looks = terms.unknown_poll_plan.of(claim.medium);
    let elapsed = terms.now.saturating_duration_since(terms.begun);
    let at = match terms.class {
        StatusSource::Queryable => looks.next(elapsed).unwrap_or(looks.last()),
        StatusSource::ReceiptsOnly => looks.last(),
    };
    at.saturating_sub(elapsed)
}

fn refused(claim: &Claim, refusal: Refusal, terms: SettlementContext, blank: Settlement) -> Settlement {
    let blank = Settlement { code: Some(refusal.code), ..blank };
    let lane_trouble = |reason| Settlement {
        map: TransitionMap::of(Signal::Retry),
        reason: Some(reason),
        wait_secs: Some(terms.schedule.after_lane_trouble(refusal.retry_after, terms.jitter).as_secs_f64()),
        counts: false,
        ..blank.clone()
    };
    let for_good = |reason, block| Settlement {
        map: TransitionMap::of(Signal::RefusedForGood),
        reason: Some(reason),
        block,
        ..blank.clone()
    };
    match refusal.kind {
        RefusalKind::NotCalled => lane_trouble(Reason::NotCalled),
        RefusalKind::Account => lane_trouble(Reason::AccountMisconfigured),
        RefusalKind::Message => for_good(Reason::RefusedByProvider, None),
        RefusalKind::Recipient { block } => {
            let reason = match block {
                Some(kind @ (BlockKind::Stop | BlockKind::Unsubscribed | BlockKind::Complained)) => {
                    kind.into()
                }
                Some(BlockKind::HardBounced | BlockKind::Manual) | None => Reason::RecipientRefused,
            };
            for_good(reason, block)
        }
        RefusalKind::ForNow => match next_try(claim, refusal.retry_after, terms) {
            NextTry::After(wait) => Settlement {
                map: TransitionMap::of(Signal::Retry),
                reason: Some(Reason::RefusedForNow),
                wait_secs: Some(wait.as_secs_f64()),
                ..blank
            },
            NextTry::GiveUp => Settlement {
                map: TransitionMap::of(Signal::GaveUp),
                reason: Some(Reason::RetriesExhausted),
                ..blank
            },
        },
    }
}

fn next_try(claim: &Claim, hint: Option<Duration>, terms: SettlementContext) -> NextTry {
    let progress = Progress {
        tries: u16::try_from(claim.tries).unwrap_or_default() + 1,
        first_due_at: claim.first_due_at,
        now: claim.database_now(terms.now),
    };
    terms.schedule.after_refusal(progress, hint, terms.jitter)
}

/// What an outcome says about its lane.
#[must_use]
pub fn call_health(outcome: &Outcome) -> CallHealth {
    match outcome {
        Outcome::Accepted { .. } => CallHealth::Success,
        Outcome::Unknown { .. } => CallHealth::Failure,
        Outcome::Refused(refusal) => match refusal.kind {
            RefusalKind::NotCalled => CallHealth::Failure,
            RefusalKind::Account => CallHealth::AccountRejected,
            RefusalKind::ForNow | RefusalKind::Message | RefusalKind::Recipient { .. } => CallHealth::Success,
        },
    }
}

/// The outcome's word in metrics.
#[must_use]
pub fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted { .. } => "accepted",
        Outcome::Unknown { .. } => "unknown",
        Outcome::Refused(refusal) => match refusal.kind {
            RefusalKind::NotCalled => "not_called",
            RefusalKind::Account => "account_refused",
            RefusalKind::ForNow => "refused_for_now",
            RefusalKind::Message | RefusalKind::Recipient { .. } => "refused_for_good",
        },
    }
}

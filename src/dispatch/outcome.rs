//! From the outcome of an attempt to its settlement: the next state, the retry, the end, the health of the lane.
//!
//! PURE but for its types: `now` and jitter come with the arguments. `settle` writes settlements.

use std::time::{Duration, Instant};

use postrider_domain::{
    ids::BlockKind,
    lifecycle::{NextTry, Reason, RetrySchedule, Signal, StatusPollPlan, TransitionMap, schedule::Progress},
};
use postrider_ledger::settle::{OutcomeCode, Settlement};
use postrider_providers::{Outcome, Refusal, RefusalKind, StatusSource};

use crate::dispatch::{Claim, breaker::CallHealth};

/// The plans, the lane and the time under which one outcome is settled.
#[derive(Debug, Clone, Copy)]
pub struct SettlementContext<'a> {
    pub schedule: &'a RetrySchedule,
    pub unknown_poll_plan: &'a StatusPollPlan,
    pub receipt_poll_plan: &'a StatusPollPlan,
    pub status_source: StatusSource,
    /// Monotonic time just before the attempt was begun.
    pub begun: Instant,
    pub now: Instant,
    /// Uniform in `[0, 1)`.
    pub jitter: f64,
}

/// The settlement of an attempt that was begun and never called: due again at once, and no try was used.
#[must_use]
pub fn not_called(claim: &Claim) -> Settlement {
    Settlement {
        map: TransitionMap::new(Signal::Retry),
        code: Some("not_called".to_owned()),
        reason: Some(Reason::NotCalled),
        wait_secs: Some(0.0),
        counts_as_try: false,
        ..blank(claim, claim.attempt + 1)
    }
}

/// The settlement of an attempt whose text could not be made; `code`: of `compose`.
#[must_use]
pub fn render_failed(claim: &Claim, code: String) -> Settlement {
    Settlement {
        map: TransitionMap::new(Signal::RefusedForGood),
        code: Some(code),
        reason: Some(Reason::RenderFailed),
        ..not_called(claim)
    }
}

/// A refusal that changes nothing; the fields that every settlement sets itself.
fn blank(claim: &Claim, attempt: i16) -> Settlement {
    Settlement {
        message: claim.message,
        epoch: claim.epoch,
        attempt,
        map: TransitionMap::unchanged(),
        outcome: OutcomeCode::Refused,
        code: None,
        reason: None,
        provider_id: None,
        wait_secs: None,
        counts_as_try: true,
        is_acceptance: false,
        block: None,
        receipt_wait_secs: None,
    }
}

/// The settlement of one begun attempt.
#[must_use]
pub fn settlement(claim: &Claim, attempt: i16, outcome: Outcome, terms: SettlementContext) -> Settlement {
    let blank = blank(claim, attempt);
    match outcome {
        Outcome::Accepted { provider_id } => Settlement {
            map: TransitionMap::new(Signal::Accepted),
            outcome: OutcomeCode::Accepted,
            provider_id,
            is_acceptance: true,
            receipt_wait_secs: match terms.status_source {
                StatusSource::Queryable => {
                    Some(terms.receipt_poll_plan.for_medium(claim.medium).first().as_secs_f64())
                }
                StatusSource::ReceiptsOnly => None,
            },
            ..blank
        },
        Outcome::Unknown { code } => Settlement {
            map: TransitionMap::new(Signal::Unanswered),
            outcome: OutcomeCode::Unknown,
            code: Some(code),
            reason: Some(Reason::AwaitingProof),
            wait_secs: Some(first_poll(claim, terms).as_secs_f64()),
            ..blank
        },
        Outcome::Refused(refusal) => refused(claim, refusal, terms, blank),
    }
}

/// From now until the provider is first asked about an unknown attempt.
fn first_poll(claim: &Claim, terms: SettlementContext) -> Duration {
    let polls = terms.unknown_poll_plan.for_medium(claim.medium);
    let elapsed = terms.now.saturating_duration_since(terms.begun);
    let at = match terms.status_source {
        StatusSource::Queryable => polls.next(elapsed).unwrap_or(polls.last()),
        StatusSource::ReceiptsOnly => polls.last(),
    };
    at.saturating_sub(elapsed)
}

fn refused(claim: &Claim, refusal: Refusal, terms: SettlementContext, blank: Settlement) -> Settlement {
    let blank = Settlement { code: Some(refusal.code), ..blank };
    let lane_trouble = |reason| Settlement {
        map: TransitionMap::new(Signal::Retry),
        reason: Some(reason),
        wait_secs: Some(terms.schedule.after_lane_trouble(refusal.retry_after, terms.jitter).as_secs_f64()),
        counts_as_try: false,
        ..blank.clone()
    };
    let for_good = |reason, block| Settlement {
        map: TransitionMap::new(Signal::RefusedForGood),
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
                map: TransitionMap::new(Signal::Retry),
                reason: Some(Reason::RefusedForNow),
                wait_secs: Some(wait.as_secs_f64()),
                ..blank
            },
            NextTry::GiveUp => Settlement {
                map: TransitionMap::new(Signal::GaveUp),
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

/// The health of the lane that an outcome shows.
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

/// The outcome's label in metrics.
#[must_use]
pub fn metric_word(outcome: &Outcome) -> &'static str {
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

//! From the outcome of an attempt to its settlement: the next state, the retry, the end, the health of the lane.
//!
//! No I/O: `now` and jitter are arguments. `settle` writes settlements.

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

/// The settlement of an attempt after a failed rendering of its text; `code`: of `compose`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::claim::tests::claim;
    use postrider_domain::lifecycle::status_poll::PollTimes;

    const SECOND: Duration = Duration::from_secs(1);

    fn settled(claim: &Claim, outcome: Outcome, status_source: StatusSource) -> Settlement {
        let plan = |times: &[u32]| PollTimes(times.iter().map(|time| *time * SECOND).collect());
        let poll_plan = StatusPollPlan { email: plan(&[60, 300]), sms: plan(&[15, 60]) };
        let begun = postrider_clock::monotonic();
        let context = SettlementContext {
            schedule: &RetrySchedule::default(),
            unknown_poll_plan: &poll_plan,
            receipt_poll_plan: &poll_plan,
            status_source,
            begun,
            now: begun + 5 * SECOND,
            jitter: 0.5,
        };
        settlement(claim, claim.attempt + 1, outcome, context)
    }

    fn refusal(kind: RefusalKind) -> Outcome {
        Outcome::Refused(Refusal { kind, code: "c".to_owned(), retry_after: None })
    }

    #[test]
    fn every_outcome_has_its_state_its_reason_its_count_and_its_block() {
        use BlockKind::{Complained, HardBounced, Manual, Stop, Unsubscribed};
        use RefusalKind::{Account, ForNow, Message, NotCalled, Recipient};
        let to = |block| refusal(Recipient { block });
        let unknown = Outcome::unknown("timeout");
        let accepted = Outcome::Accepted { provider_id: Some("id".to_owned()) };
        let (retry, for_good) = (Signal::Retry, Signal::RefusedForGood);
        // outcome → signal, reason, counts as a try, block, is due again
        let table = [
            (accepted, Signal::Accepted, None, true, None, false),
            (unknown, Signal::Unanswered, Some(Reason::AwaitingProof), true, None, true),
            (refusal(NotCalled), retry, Some(Reason::NotCalled), false, None, true),
            (refusal(Account), retry, Some(Reason::AccountMisconfigured), false, None, true),
            (refusal(ForNow), retry, Some(Reason::RefusedForNow), true, None, true),
            (refusal(Message), for_good, Some(Reason::RefusedByProvider), true, None, false),
            (to(None), for_good, Some(Reason::RecipientRefused), true, None, false),
            (to(Some(HardBounced)), for_good, Some(Reason::RecipientRefused), true, Some(HardBounced), false),
            (to(Some(Manual)), for_good, Some(Reason::RecipientRefused), true, Some(Manual), false),
            (to(Some(Stop)), for_good, Some(Stop.into()), true, Some(Stop), false),
            (to(Some(Unsubscribed)), for_good, Some(Unsubscribed.into()), true, Some(Unsubscribed), false),
            (to(Some(Complained)), for_good, Some(Complained.into()), true, Some(Complained), false),
        ];
        for (outcome, signal, reason, counts, block, is_due) in table {
            let is_acceptance = matches!(outcome, Outcome::Accepted { .. });
            let settled = settled(&claim(), outcome.clone(), StatusSource::Queryable);
            assert_eq!(settled.map, TransitionMap::new(signal), "{outcome:?}");
            assert_eq!((settled.reason, settled.counts_as_try), (reason, counts), "{outcome:?}");
            assert_eq!((settled.block, settled.is_acceptance), (block, is_acceptance), "{outcome:?}");
            assert_eq!(settled.wait_secs.is_some(), is_due, "{outcome:?}");
            assert_eq!((settled.epoch, settled.attempt), (claim().epoch, claim().attempt + 1));
        }
    }

    #[test]
    fn a_refusal_for_now_gives_up_after_the_last_try() {
        let last = Claim { tries: 100, ..claim() };
        let settled = settled(&last, refusal(RefusalKind::ForNow), StatusSource::Queryable);
        assert_eq!(settled.map, TransitionMap::new(Signal::GaveUp));
        assert_eq!((settled.reason, settled.wait_secs), (Some(Reason::RetriesExhausted), None));
    }

    #[test]
    fn a_provider_that_cannot_be_asked_is_waited_for_until_the_last_time_of_the_plan() {
        let unknown = || Outcome::Unknown { code: "reset".to_owned() };
        let accepted = || Outcome::Accepted { provider_id: None };
        for (source, wait, watch) in
            [(StatusSource::Queryable, 10.0, Some(15.0)), (StatusSource::ReceiptsOnly, 55.0, None)]
        {
            assert_eq!(settled(&claim(), unknown(), source).wait_secs, Some(wait), "{source:?}");
            assert_eq!(settled(&claim(), accepted(), source).receipt_wait_secs, watch, "{source:?}");
        }
    }

    #[test]
    fn an_attempt_without_a_call_is_due_at_once_and_costs_no_try() {
        let settled = not_called(&claim());
        assert_eq!((settled.map, settled.wait_secs), (TransitionMap::new(Signal::Retry), Some(0.0)));
        assert!(!settled.counts_as_try && !settled.is_acceptance);
        let unrendered = render_failed(&claim(), "no_email_from".to_owned());
        assert_eq!(unrendered.map, TransitionMap::new(Signal::RefusedForGood));
        assert_eq!(unrendered.code.as_deref(), Some("no_email_from"));
    }

    #[test]
    fn only_trouble_of_the_provider_or_the_account_is_held_against_the_lane() {
        let unknown = Outcome::unknown("timeout");
        let table = [
            (Outcome::Accepted { provider_id: None }, CallHealth::Success, "accepted"),
            (unknown, CallHealth::Failure, "unknown"),
            (refusal(RefusalKind::NotCalled), CallHealth::Failure, "not_called"),
            (refusal(RefusalKind::Account), CallHealth::AccountRejected, "account_refused"),
            (refusal(RefusalKind::ForNow), CallHealth::Success, "refused_for_now"),
            (refusal(RefusalKind::Message), CallHealth::Success, "refused_for_good"),
            (refusal(RefusalKind::Recipient { block: None }), CallHealth::Success, "refused_for_good"),
        ];
        for (outcome, health, word) in table {
            assert_eq!((call_health(&outcome), metric_word(&outcome)), (health, word), "{outcome:?}");
        }
    }
}

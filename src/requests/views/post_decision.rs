//! The events of a request after its decision, and the time at which it, or a new job, could pass.
//!
//! No I/O: sentences over the stored facts of the message. `explain` combines them with the findings of the rules.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use postrider_domain::{
    lifecycle::{Reason, State},
    rules::Decision,
};
use postrider_ledger::requests::RequestDetail;

use crate::requests::views::{
    format_time::{moment, time},
    reasons::sentence,
    status_text::StatusText,
};

/// The time at which the request is sent, or at which a new job for the same customer could pass.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NextStep {
    pub at: Option<DateTime<Utc>>,
    pub text: String,
}

/// The reason of a suppression after the rules had let the request pass.
#[must_use]
pub fn later_suppression(detail: &RequestDetail, decision: &Decision) -> Option<Reason> {
    let stored = Reason::parse(detail.reason.as_deref()?)?;
    (detail.state == State::Suppressed && decision.reason() != Some(stored)).then_some(stored)
}

/// The events after the decision, as a sentence; `None` if there were none.
#[must_use]
pub fn after_decision(detail: &RequestDetail, decision: &Decision) -> Option<String> {
    let when = |at: Option<DateTime<Utc>>| at.map(|at| format!(" at {}", time(at))).unwrap_or_default();
    let code = detail.code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
    let reason = detail.reason.as_deref().map(|word| match Reason::parse(word) {
        Some(reason) => format!("{word}: {}", sentence(reason)),
        None => word.to_owned(),
    });
    let because = reason.map(|reason| format!(", {reason}")).unwrap_or_default();
    let attempt = detail.attempt;
    let text = match detail.state {
        State::Waiting if attempt == 0 => String::new(),
        // The reason is the quarantine, which `paused` below names.
        State::Waiting if StatusText::new(detail).is_quarantined() => {
            format!("attempt {attempt}{} was not sent{code}", when(detail.begun_at))
        }
        State::Waiting => format!("attempt {attempt}{} was not sent{because}{code}", when(detail.begun_at)),
        State::Sending => format!("attempt {attempt} is in flight, begun{}", when(detail.begun_at)),
        State::Unknown => format!("attempt {attempt} was made{}{because}{code}", when(detail.begun_at)),
        State::Sent => format!("attempt {attempt} was handed over{}", when(detail.begun_at)),
        State::Delivered => format!("delivered{}, by attempt {attempt}", when(detail.delivered_at)),
        State::PresumedFailed | State::Failed => format!("failed{}{because}{code}", when(detail.ended_at)),
        State::Suppressed => match later_suppression(detail, decision) {
            Some(_) => format!("suppressed{}{because}", when(detail.ended_at)),
            None => String::new(),
        },
        State::Canceled => format!("canceled{}{because}", when(detail.ended_at)),
    };
    let held = StatusText::new(detail).is_quarantined();
    let paused = detail.paused_at.map(|at| match held {
        true => format!("quarantined at {}: {}", time(at), sentence(Reason::Quarantined)),
        false => format!("paused by a person at {}", time(at)),
    });
    // The score only: the comment of the customer is part of the request's details.
    let score = detail.answer.as_ref().and_then(|answer| answer.score);
    let score = score.map(|score| format!(", score {score}")).unwrap_or_default();
    let answered = detail.answered_at.map(|at| format!("the customer answered at {}{score}", time(at)));
    let parts: Vec<String> =
        [paused, Some(text).filter(|text| !text.is_empty()), answered].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The next step of the request, or the time for a new job; `again` is the decision of today, if it was evaluated.
#[must_use]
pub fn next_step(detail: &RequestDetail, decision: &Decision, again: Option<&Decision>) -> NextStep {
    let never = |text: &str| NextStep { at: None, text: text.to_owned() };
    let at = |at: DateTime<Utc>, what: &str| NextStep {
        at: Some(at),
        text: format!("{what} {}", moment(at, detail.now)),
    };
    match detail.state {
        State::Waiting if StatusText::new(detail).is_quarantined() => never(
            "it waits for `postrider quarantine replay`: the rules are then evaluated again, and it is tried alone",
        ),
        State::Waiting if detail.paused_at.is_some() => {
            never("it waits until it is resumed: the rules are then evaluated again")
        }
        State::Waiting => at(detail.due_at.unwrap_or(detail.first_due_at).max(detail.now), "it is sent at"),
        State::Sending => never("the attempt in flight decides"),
        State::Unknown => {
            never("a receipt, or the end of the time for one, decides; no further attempt is made until then")
        }
        State::Sent | State::Delivered => never("none: it was sent"),
        State::PresumedFailed | State::Failed => {
            never("it has ended; a person may retry it, or a new job may ask this customer")
        }
        State::Canceled => never("it has ended; only a new job can ask this customer"),
        State::Suppressed => {
            let could = match later_suppression(detail, decision) {
                None => decision.could_pass_at(),
                Some(Reason::SuppressionPeriod | Reason::Overtaken) => match again {
                    Some(again) => again.could_pass_at(),
                    None => {
                        return never(
                            "a new job could pass after the suppression period of the request that was sent instead",
                        );
                    }
                },
                Some(Reason::Expired) => Some(detail.now),
                Some(_) => None,
            };
            match could {
                Some(could) => at(could.max(detail.now), "a new job for this customer could pass at"),
                None => never("a new job for this customer never passes by itself"),
            }
        }
    }
}

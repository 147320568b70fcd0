//! What happened to a request, in order.
//!
//! Made of columns: accepted, each message's attempts begun and settled, receipts, its end, and who had it
//! retried. For the rules' account of it read `why`.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ledger::requests::{MessageDetail, PastAttempt, RequestDetail, RetryNote},
    lifecycle::State,
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RequestEvent)]
pub struct Event {
    pub at: DateTime<Utc>,
    pub event: &'static str,
    /// Of which message: 0 is the first ask.
    pub message: i16,
    pub attempt: Option<i16>,
    /// The outcome of an attempt, the kind of a receipt, the status of an end, who had it retried.
    pub what: Option<String>,
    /// The provider's code, the reason of an end, a person's note.
    pub why: Option<String>,
}

/// What happened, in order.
#[must_use]
pub fn timeline(detail: &RequestDetail) -> Vec<Event> {
    let mut events = vec![event(detail.created_at, "accepted", 0)];
    for message in detail.messages() {
        events.extend(of_message(&message));
    }
    events.extend(detail.answered_at.map(|at| event(at, "answered", 0)));
    // Stable: what happened at one instant stays in the order above.
    events.sort_by_key(|event| event.at);
    events
}

fn event(at: DateTime<Utc>, word: &'static str, message: i16) -> Event {
    Event { at, event: word, message, attempt: None, what: None, why: None }
}

fn of_message(message: &MessageDetail) -> Vec<Event> {
    let event = |at, word| event(at, word, message.seq);
    let mut events: Vec<Event> = message.retry.iter().map(|retry| retried(retry, message.seq)).collect();
    let current = (message.attempt > 0).then(|| PastAttempt {
        message: message.id.0,
        attempt: message.attempt,
        begun_at: message.begun_at,
        settled_at: message.settled_at,
        outcome: message.outcome,
        // A failure that a provider reported later left its own code there.
        code: message.code.clone().filter(|_| message.reason.as_deref() != Some("failed_at_provider")),
    });
    for attempt in message.past.iter().chain(&current) {
        let of = |at, word| Event { attempt: Some(attempt.attempt), ..event(at, word) };
        events.extend(attempt.begun_at.map(|at| of(at, "attempt_begun")));
        events.extend(attempt.settled_at.map(|at| Event {
            what: attempt.outcome.map(outcome),
            why: attempt.code.clone(),
            ..of(at, "attempt_settled")
        }));
    }
    events.extend(message.receipts.iter().map(|receipt| Event {
        attempt: receipt.attempt,
        what: Some(receipt.kind.clone()),
        why: receipt.code.clone(),
        ..event(receipt.at, if receipt.looked_up { "found_by_asking" } else { "receipt" })
    }));
    events.extend(message.paused_at.map(|at| event(at, "paused")));
    let delivered_at = message.delivered_at.filter(|_| message.state == State::Delivered);
    events.extend(delivered_at.or(message.ended_at).map(|at| Event {
        what: Some(message.state.status().word().to_owned()),
        why: message.reason.clone(),
        ..event(at, "ended")
    }));
    events
}

fn retried(retry: &RetryNote, message: i16) -> Event {
    let knew = if retry.acknowledged { ", who knew that it may go out twice" } else { "" };
    Event {
        what: Some(format!("by {} through {}{knew}", retry.requested_by, retry.door)),
        why: retry.note.clone(),
        ..event(retry.at, "retried", message)
    }
}

/// The word of a stored outcome.
fn outcome(code: i16) -> String {
    match code {
        0 => "accepted".to_owned(),
        1 => "refused".to_owned(),
        2 => "unknown".to_owned(),
        other => format!("outcome {other}"),
    }
}

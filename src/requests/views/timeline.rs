//! The events of a request in order: accepted, attempts, receipts, actions of people, end.
//!
//! The events are derived from stored columns. `explain` describes the decision of the rules.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use postrider_domain::lifecycle::State;
use postrider_ledger::requests::{
    ActionKind, ActionRecord, MessageDetail, PastAttempt, RequestDetail, RetryRecord,
};

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RequestEvent)]
pub struct TimelineEvent {
    pub at: DateTime<Utc>,
    pub event: &'static str,
    /// Number of the message; 0 is the first one.
    pub message: i16,
    pub attempt: Option<i16>,
    /// The outcome of an attempt, the kind of a receipt, the status of an end, or the person and the entry point of
    /// an action.
    pub what: Option<String>,
    /// The code of the provider, the reason of an end, or the note of a person.
    pub why: Option<String>,
    /// Id of the API key of an action.
    pub key_id: Option<Uuid>,
}

/// The events in order.
#[must_use]
pub fn timeline(detail: &RequestDetail) -> Vec<TimelineEvent> {
    let mut events = vec![event(detail.created_at, "accepted", 0)];
    let messages = detail.messages();
    for act in &detail.actions {
        let of = messages.iter().find(|message| message.id == act.message);
        events.push(action_event(act, of.map_or(0, |message| message.seq)));
    }
    for message in &messages {
        events.extend(message_events(message, &detail.actions));
    }
    if !detail.actions.iter().any(|act| act.action == ActionKind::Answered) {
        events.extend(detail.answered_at.map(|at| event(at, "answered", 0)));
    }
    // A stable sort: events of the same instant keep the order above.
    events.sort_by_key(|event| event.at);
    events
}

fn event(at: DateTime<Utc>, word: &'static str, message: i16) -> TimelineEvent {
    TimelineEvent { at, event: word, message, attempt: None, what: None, why: None, key_id: None }
}

fn message_events(message: &MessageDetail, acts: &[ActionRecord]) -> Vec<TimelineEvent> {
    let event = |at, word| event(at, word, message.seq);
    let mut events: Vec<TimelineEvent> =
        message.retry.iter().map(|retry| retry_event(retry, message.seq)).collect();
    let current = (message.attempt > 0).then(|| PastAttempt {
        message: message.id.0,
        attempt: message.attempt,
        begun_at: message.begun_at,
        settled_at: message.settled_at,
        outcome: message.outcome,
        // A failure that the provider reported later has replaced the code of the attempt.
        code: message.code.clone().filter(|_| message.reason.as_deref() != Some("failed_at_provider")),
    });
    for attempt in message.past.iter().chain(&current) {
        let of = |at, word| TimelineEvent { attempt: Some(attempt.attempt), ..event(at, word) };
        events.extend(attempt.begun_at.map(|at| of(at, "attempt_begun")));
        events.extend(attempt.settled_at.map(|at| TimelineEvent {
            what: attempt.outcome.map(outcome),
            why: attempt.code.clone(),
            ..of(at, "attempt_settled")
        }));
    }
    events.extend(message.receipts.iter().map(|receipt| TimelineEvent {
        attempt: receipt.attempt,
        what: Some(receipt.kind.clone()),
        why: receipt.code.clone(),
        ..event(receipt.at, if receipt.looked_up { "found_by_asking" } else { "receipt" })
    }));
    // A pause without an action of a person is a quarantine.
    let by_person = |at: &DateTime<Utc>| {
        acts.iter().any(|act| act.action == ActionKind::Paused && act.message == message.id && act.at == *at)
    };
    events.extend(message.paused_at.filter(|at| !by_person(at)).map(|at| event(at, "paused")));
    let delivered_at = message.delivered_at.filter(|_| message.state == State::Delivered);
    events.extend(delivered_at.or(message.ended_at).map(|at| TimelineEvent {
        what: Some(message.state.status().as_str().to_owned()),
        why: message.reason.clone(),
        ..event(at, "ended")
    }));
    events
}

fn retry_event(retry: &RetryRecord, message: i16) -> TimelineEvent {
    let acknowledged = if retry.acknowledged { ", acknowledging a possible duplicate" } else { "" };
    TimelineEvent {
        what: Some(format!("by {} through {}{acknowledged}", retry.requested_by, retry.entry_point)),
        why: retry.note.clone(),
        key_id: retry.key,
        ..event(retry.at, "retried", message)
    }
}

fn action_event(act: &ActionRecord, message: i16) -> TimelineEvent {
    let person = act.person.as_ref().map(|person| format!("by {person} ")).unwrap_or_default();
    TimelineEvent {
        what: Some(format!("{person}through {}", act.entry_point)),
        why: act.note.clone(),
        key_id: act.key,
        ..event(act.at, act.action.as_str(), message)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::views::fixtures::{at, detail};
    use postrider_domain::ids::MessageId;

    fn act(deed: ActionKind, secs: i64, person: Option<&str>) -> ActionRecord {
        let (door, key, note) = ("crm".to_owned(), Some(Uuid::from_u128(9)), None);
        ActionRecord {
            message: MessageId(detail().id),
            action: deed,
            at: at(secs),
            entry_point: door,
            key,
            person: person.map(str::to_owned),
            note,
        }
    }

    fn events_of(detail: &RequestDetail) -> Vec<(&'static str, Option<String>)> {
        timeline(detail).into_iter().map(|event| (event.event, event.what)).collect()
    }

    #[test]
    fn who_paused_resumed_and_canceled_is_told_once_each() {
        let by = |text: &str| Some(text.to_owned());
        let acts = vec![
            act(ActionKind::Paused, 5, None),
            act(ActionKind::Resumed, 6, Some("Ann")),
            act(ActionKind::Paused, 7, None),
        ];
        let paused = RequestDetail { paused_at: Some(at(7)), actions: acts, ..detail() };
        let expected = [
            ("accepted", None),
            ("paused", by("through crm")),
            ("resumed", by("by Ann through crm")),
            ("paused", by("through crm")),
        ];
        assert_eq!(events_of(&paused), expected);
        assert_eq!(timeline(&paused)[1].key_id, Some(Uuid::from_u128(9)));
        let quarantined = RequestDetail { paused_at: Some(at(7)), ..detail() };
        assert_eq!(events_of(&quarantined), [("accepted", None), ("paused", None)]);
    }

    #[test]
    fn an_act_comes_before_the_end_that_it_brought() {
        let canceled = RequestDetail {
            state: State::Canceled,
            ended_at: Some(at(8)),
            actions: vec![act(ActionKind::Canceled, 8, Some("Ann"))],
            ..detail()
        };
        let words: Vec<&str> = timeline(&canceled).into_iter().map(|event| event.event).collect();
        assert_eq!(words, ["accepted", "canceled", "ended"]);
    }

    #[test]
    fn an_answer_that_a_person_noted_is_told_with_the_person() {
        let answered = RequestDetail {
            answered_at: Some(at(8)),
            actions: vec![act(ActionKind::Answered, 8, Some("Ann"))],
            ..detail()
        };
        let expected = [("accepted", None), ("answered", Some("by Ann through crm".to_owned()))];
        assert_eq!(events_of(&answered), expected);
    }
}

//! The events of a request after its decision: its attempts, and its end if it was not sent.
//!
//! Refusals, cancels and other events that the rules do not decide are taken as recorded. Read `replay_state` next.

use chrono::{DateTime, Utc};

use crate::{lifecycle::Reason, rules::Decision};

use super::{
    RecordedRequest,
    report::{BacktestOutcome, ExclusionReason, Standing},
};

/// One event of a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimelineEvent {
    /// An attempt begins; `last`: the attempt that was sent.
    Begin { last: bool },
    /// The request ended unsent, for this reason.
    End(String),
    /// A manual retry: the request reserves again.
    Again,
}

/// The events in order, and the outcome if no event changes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    pub events: Vec<(DateTime<Utc>, TimelineEvent)>,
    pub outcome: BacktestOutcome,
}

/// The recorded events.
#[must_use]
pub fn recorded(stored: &RecordedRequest) -> Vec<(DateTime<Utc>, TimelineEvent)> {
    let end = stored.end().map(|(at, reason)| (at, reason.to_owned()));
    let mut events = events(&stored.begins, end);
    if let Some(again) = stored.manual_retry {
        events.push((again.at, TimelineEvent::Again));
        // A request with a first message that was sent counts as asked, whatever the result of the retry.
        let ended_at = again.ended_at.filter(|_| !stored.may_have_been_sent);
        events.extend(ended_at.map(|at| (at, TimelineEvent::End(String::new()))));
    }
    events
}

/// The events under a decision to send, possibly at another time than the recorded one.
pub fn planned(
    stored: &RecordedRequest,
    old: &Decision,
    new: &Decision,
    until: DateTime<Utc>,
) -> Result<Timeline, ExclusionReason> {
    let due = new.due_at.max(stored.accepted_at);
    let old_due = old.due_at.max(stored.accepted_at);
    let outcome_of = |standing| BacktestOutcome {
        standing,
        reason: None,
        medium: new.candidate.as_ref().map(|candidate| candidate.medium),
        due_at: Some(due),
    };
    let (mut begins, mut end, mut waits) = (Vec::new(), None, false);
    let shift = due - old_due;
    let unchanged = shift.is_zero() && new.expires_at == old.expires_at;
    if stored.was_planned() {
        waits = stored.outcome().standing == Standing::Waiting;
        begins.extend(stored.begins.iter().map(|at| *at + shift));
        end = stored.end().map(|(at, reason)| (at, reason.to_owned()));
        let longer = new.expires_at - due > old.expires_at - old_due;
        match end.as_ref().and_then(|(_, reason)| Reason::parse(reason)) {
            // The fence decided this at the begin; the replay decides it again.
            Some(Reason::Overtaken) => begins.extend(end.take().map(|(at, _)| at + shift)),
            Some(Reason::Expired) if longer => return Err(ExclusionReason::ExpiryExtended),
            Some(Reason::Expired) if !unchanged => {
                end = Some((new.expires_at, Reason::Expired.as_str().into()))
            }
            Some(reason) if ends_an_attempt(reason) => end = end.map(|(at, word)| (at + shift, word)),
            _ => {}
        }
        let early = shift < chrono::Duration::zero() && begins.is_empty();
        let stopped_first = end.as_ref().is_some_and(|(at, _)| *at <= due);
        if early && !stopped_first && due <= until {
            (begins, end, waits) = (vec![due], None, false);
        }
    } else {
        begins.push(due);
    }
    let too_late = begins.first().map_or(new.expires_at <= until, |first| *first >= new.expires_at);
    if !unchanged && end.is_none() && too_late && new.expires_at <= until {
        begins.clear();
        end = Some((new.expires_at, Reason::Expired.as_str().to_owned()));
    }
    begins.retain(|at| *at <= until && end.as_ref().is_none_or(|(end, _)| at <= end));
    end = end.filter(|(at, _)| *at <= until);
    waits |= begins.is_empty();
    let outcome = outcome_of(if waits { Standing::Waiting } else { Standing::Sent });
    Ok(Timeline { events: events(&begins, end), outcome })
}

/// Ends that follow from an attempt itself, whenever it is made.
fn ends_an_attempt(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::RetriesExhausted
            | Reason::RefusedByProvider
            | Reason::RecipientRefused
            | Reason::RenderFailed
    )
}

fn events(
    begins: &[DateTime<Utc>],
    end: Option<(DateTime<Utc>, String)>,
) -> Vec<(DateTime<Utc>, TimelineEvent)> {
    let is_sent = end.is_none();
    let begun = begins.iter().enumerate().map(|(index, at)| {
        let last = is_sent && index + 1 == begins.len();
        (*at, TimelineEvent::Begin { last })
    });
    begun.chain(end.map(|(at, reason)| (at, TimelineEvent::End(reason)))).collect()
}

//! What happens to a request after its decision: when its attempts begin, and how it ends unsent.
//!
//! What nobody decided (refusals, cancels) is taken as it was. Read `world` next.

use chrono::{DateTime, Utc};

use crate::{lifecycle::Reason, rules::Decision};

use super::{
    RecordedRequest,
    report::{ExclusionReason, Outcome, Standing},
};

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimelineEvent {
    /// An attempt; the last one known of a request is the one that reached its customer.
    Begin { last: bool },
    /// It ended without having gone out, for this reason.
    End(String),
    /// A person has it sent once more: it reserves its person again.
    Again,
}

/// What is to come, in order, and what it comes to where nothing stops it.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    pub events: Vec<(DateTime<Utc>, TimelineEvent)>,
    pub settled: Outcome,
}

/// As the ledger has it.
#[must_use]
pub fn recorded(stored: &RecordedRequest) -> Vec<(DateTime<Utc>, TimelineEvent)> {
    let end = stored.end().map(|(at, reason)| (at, reason.to_owned()));
    let mut events = events(&stored.begins, end);
    if let Some(again) = stored.manual_retry {
        events.push((again.at, TimelineEvent::Again));
        // Whose first message went out counts as asked, whatever becomes of the second.
        let ended_at = again.ended_at.filter(|_| !stored.reached);
        events.extend(ended_at.map(|at| (at, TimelineEvent::End(String::new()))));
    }
    events
}

/// Under a decision that lets it pass, which may plan it for another time than the one written down did.
pub fn planned(
    stored: &RecordedRequest,
    old: &Decision,
    new: &Decision,
    until: DateTime<Utc>,
) -> Result<Timeline, ExclusionReason> {
    let due = new.due_at.max(stored.accepted_at);
    let old_due = old.due_at.max(stored.accepted_at);
    let outcome = |standing| Outcome {
        standing,
        reason: None,
        medium: new.candidate.as_ref().map(|candidate| candidate.medium),
        due_at: Some(due),
    };
    let (mut begins, mut end, mut waits) = (Vec::new(), None, false);
    let shift = due - old_due;
    let as_before = shift.is_zero() && new.expires_at == old.expires_at;
    if stored.was_planned() {
        waits = stored.outcome().standing == Standing::Waiting;
        begins.extend(stored.begins.iter().map(|at| *at + shift));
        end = stored.end().map(|(at, reason)| (at, reason.to_owned()));
        let longer = new.expires_at - due > old.expires_at - old_due;
        match end.as_ref().and_then(|(_, reason)| Reason::parse(reason)) {
            // The fence said so when it was to be begun: whether it says so again is seen then.
            Some(Reason::Overtaken) => begins.extend(end.take().map(|(at, _)| at + shift)),
            Some(Reason::Expired) if longer => return Err(ExclusionReason::ExpiryExtended),
            Some(Reason::Expired) if !as_before => {
                end = Some((new.expires_at, Reason::Expired.as_str().into()))
            }
            Some(reason) if is_of_an_attempt(reason) => end = end.map(|(at, word)| (at + shift, word)),
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
    if !as_before && end.is_none() && too_late && new.expires_at <= until {
        begins.clear();
        end = Some((new.expires_at, Reason::Expired.as_str().to_owned()));
    }
    begins.retain(|at| *at <= until && end.as_ref().is_none_or(|(end, _)| at <= end));
    end = end.filter(|(at, _)| *at <= until);
    waits |= begins.is_empty();
    let settled = outcome(if waits { Standing::Waiting } else { Standing::Sent });
    Ok(Timeline { events: events(&begins, end), settled })
}

/// Ends that follow from what a provider or our text said to an attempt, whenever that is made.
fn is_of_an_attempt(reason: Reason) -> bool {
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
    let reaches = end.is_none();
    let begun = begins.iter().enumerate().map(|(place, at)| {
        let last = reaches && place + 1 == begins.len();
        (*at, TimelineEvent::Begin { last })
    });
    begun.chain(end.map(|(at, reason)| (at, TimelineEvent::End(reason)))).collect()
}

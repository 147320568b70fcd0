//! Retry: a person has a failed request sent once more, on record.
//!
//! The rules are asked again (`redecide`), with the medium that was chosen before. The retry is a new message; the old
//! ones stay as they are. Where an earlier attempt may have been sent, the person must acknowledge that the customer may
//! get the message twice. Two retries at once make one.

use anyhow::Context;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::requests::{
    actions::{
        action::{ActionContext, ActionRequest},
        compare_and_set::compare_and_set,
        outcome::{ActionOutcome, describe_end, join_messages, status_word},
        redecide::{Redecision, redecide},
    },
    views::{format_time::time, reasons::sentence},
};
use postrider_domain::{
    document::Problem,
    hash_keys::SecretKeys,
    ids::MessageId,
    lifecycle::{Reason, State, Status},
    rules::Verdict,
};
use postrider_ledger::{
    requests::{MessageDetail, RequestDetail},
    retry::{NewRetry, RetryResult},
};

/// Messages of one request, the first one included.
pub const MESSAGES_MAX: usize = 10;
/// Characters of the person's name, and of the note.
pub const REQUESTED_BY_MAX: usize = 200;
pub const NOTE_MAX: usize = 2_000;

#[derive(Debug)]
pub enum Retried {
    /// A new message waits to be sent.
    Going(MessageId),
    /// It was retried before, by this message.
    Already(Box<MessageDetail>),
    /// It did not fail, or another message is the one that failed.
    NotFailed(Box<RequestDetail>),
    /// An attempt may have been sent, and the person does not acknowledge that.
    MayDouble,
    /// The rules, or an answer that came meanwhile, suppress it; the time when it could pass, where that is known.
    Withheld(Reason, Option<DateTime<Utc>>),
    /// Its job would be rejected today.
    Refused(Vec<Problem>),
    TooMany,
    /// There is no such request.
    Unknown,
}

/// Has a failed request sent once more.
///
/// # Errors
/// Of the database; a company that is not known; a request that kept changing.
pub async fn retry(
    context: ActionContext<'_>,
    id: Uuid,
    request: ActionRequest<'_>,
) -> anyhow::Result<Retried> {
    compare_and_set(id, || async {
        let Some(detail) = context.ledger.request(id).await? else { return Ok(Some(Retried::Unknown)) };
        let messages = detail.messages();
        if let Some(refused) = refused(&detail, &messages, request) {
            return Ok(Some(refused));
        }
        let redecision = match redecide(context, &detail).await? {
            Ok(redecision) => redecision,
            Err(problems) => return Ok(Some(Retried::Refused(problems))),
        };
        if let Verdict::Suppress(reason) = redecision.decision.verdict {
            let could_pass_at = redecision.decision.could_pass_at();
            return Ok(Some(Retried::Withheld(reason, could_pass_at)));
        }
        let new = new_retry(context.keys, &detail, &messages, redecision, request)?;
        Ok(match context.ledger.retry(&new).await? {
            RetryResult::Done => Some(Retried::Going(new.message)),
            RetryResult::Held(_) => Some(Retried::Withheld(Reason::SuppressionPeriod, None)),
            RetryResult::Moved => None,
        })
    })
    .await
}

/// Whether an attempt of these failed messages may have reached the customer all the same.
#[must_use]
pub fn may_double(messages: &[MessageDetail]) -> bool {
    let unknown = |outcome: Option<i16>| outcome == Some(2);
    messages.iter().any(|message| {
        (message.state == State::PresumedFailed && message.may_have_been_sent)
            || unknown(message.outcome)
            || message.past.iter().any(|attempt| unknown(attempt.outcome))
    })
}

/// The reason against this retry, before the rules are asked.
fn refused(
    detail: &RequestDetail,
    messages: &[MessageDetail],
    request: ActionRequest<'_>,
) -> Option<Retried> {
    let earlier = messages.iter().find(|message| match (&message.retry, request.of) {
        (Some(retry), Some(of)) => retry.previous_message == of,
        (Some(_), None) => message.state.status() == Status::Queued,
        (None, _) => false,
    });
    if let Some(earlier) = earlier {
        return Some(Retried::Already(Box::new(earlier.clone())));
    }
    let queued = messages.iter().any(|message| message.state.status() == Status::Queued);
    let is_another = request.of.is_some_and(|of| of != detail.message);
    if queued || is_another || detail.state.status() != Status::Failed {
        return Some(Retried::NotFailed(Box::new(detail.clone())));
    }
    if messages.len() >= MESSAGES_MAX {
        return Some(Retried::TooMany);
    }
    if detail.answered_at.is_some() {
        return Some(Retried::Withheld(Reason::Answered, None));
    }
    (may_double(messages) && !request.acknowledged).then_some(Retried::MayDouble)
}

fn new_retry<'a>(
    keys: &SecretKeys,
    detail: &RequestDetail,
    messages: &[MessageDetail],
    redecision: Redecision,
    request: ActionRequest<'a>,
) -> anyhow::Result<NewRetry<'a>> {
    let Redecision { decision, reservation_keys, window_secs } = redecision;
    let candidate = decision.candidate.context("the rules let it pass without naming an address")?;
    Ok(NewRetry {
        message: MessageId(postrider_clock::new_id()),
        request: detail.id,
        previous_message: detail.message,
        known: messages.iter().map(|message| (message.id, message.state)).collect(),
        seq: messages.iter().map(|message| message.seq).max().unwrap_or(0) + 1,
        company: detail.company,
        account: candidate.account,
        medium: candidate.medium,
        address_hash: keys.identity.address_hash(detail.company, candidate.medium, &candidate.address),
        reservation_keys,
        window_secs,
        expires_after_secs: (decision.expires_at - decision.due_at).as_seconds_f64(),
        entry_point: request.door,
        key: request.key,
        requested_by: request.requested_by,
        note: request.note,
        acknowledged: request.acknowledged,
    })
}

impl From<Retried> for ActionOutcome {
    fn from(retried: Retried) -> ActionOutcome {
        match retried {
            Retried::Going(message) => {
                let text = "it is sent once more, as a new message";
                ActionOutcome { message: Some(message), ..ActionOutcome::done("retried", text) }
            }
            Retried::Already(message) => {
                let by = message.retry.as_ref().map_or("a person", |retry| retry.requested_by.as_str());
                let status = status_word(message.state);
                let text = format!("it was retried already, by {by}; that message is {status}");
                ActionOutcome { message: Some(message.id), ..ActionOutcome::already("retried", text) }
            }
            Retried::NotFailed(detail) => {
                let end = describe_end(&detail);
                let text =
                    format!("only a failed request is retried, and this message is not what failed: {end}");
                ActionOutcome::refused("not_failed", text)
            }
            Retried::MayDouble => {
                let text = "nobody knows whether an earlier attempt went out: the customer may get it twice; \
                            say acknowledge_possible_duplicate to send it all the same";
                ActionOutcome::refused(Reason::OutcomeUnknown.as_str(), text)
            }
            Retried::Withheld(reason, could_pass_at) => {
                let when =
                    could_pass_at.map(|at| format!("; it could pass at {}", time(at))).unwrap_or_default();
                let text = format!("not retried, {reason}: {}{when}", sentence(reason));
                ActionOutcome::refused(reason.as_str(), text)
            }
            Retried::Refused(problems) => {
                let messages = join_messages(&problems);
                let text = format!("not retried: {messages}; mend the company's settings first");
                ActionOutcome { problems, ..ActionOutcome::refused("rejected", text) }
            }
            Retried::TooMany => {
                let text =
                    format!("a request has {MESSAGES_MAX} messages at most, and this one has had them");
                ActionOutcome::refused("too_many", text)
            }
            Retried::Unknown => ActionOutcome::unknown(),
        }
    }
}

//! Retry: a person has a failed request sent once more, on record.
//!
//! The rules are asked again, as for a job that came now with the medium that was chosen before. The retry
//! is a new message; the old ones stay as they are. Where an earlier attempt may have gone out, the person
//! must say that they know. Two at once make one.

use anyhow::Context;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::company_cache::CompanyCache;
use postrider_domain::{
    document::Problem,
    hash_keys::SecretKeys,
    ids::MessageId,
    lifecycle::{Reason, State, Status},
    rules::Verdict,
};
use postrider_ledger::{
    Ledger,
    requests::{By, MessageDetail, RequestDetail},
    retry::{NewRetry, RetryResult},
};

use crate::requests::actions::resume::{self, Again};

/// Somebody else moved the request each time: more often than any person does.
const TRIES_MAX: usize = 5;
/// Messages of one request, the first one included.
pub const MESSAGES_MAX: usize = 10;
/// Characters of who asks, and of why.
pub const REQUESTED_BY_MAX: usize = 200;
pub const NOTE_MAX: usize = 2_000;

/// Who wants something done to a request; of a retry also what they know.
#[derive(Debug, Clone, Copy)]
pub struct ActionRequest<'a> {
    /// An API key's name, or `cli`.
    pub door: &'a str,
    /// The API key.
    pub key: Option<Uuid>,
    /// Empty where no person is named; a retry names one.
    pub requested_by: &'a str,
    pub note: Option<&'a str>,
    /// They know that the customer may get it twice.
    pub acknowledged: bool,
    /// Only of this message: so a repeated call makes no second retry.
    pub of: Option<MessageId>,
}

impl<'a> ActionRequest<'a> {
    /// For the record of any other act.
    #[must_use]
    pub fn by(self) -> By<'a> {
        By {
            entry_point: self.door,
            key: self.key,
            person: Some(self.requested_by).filter(|person| !person.is_empty()),
            note: self.note,
        }
    }
}

/// What became of the wish.
#[derive(Debug)]
pub enum Retried {
    /// A new message waits to be sent.
    Going(MessageId),
    /// It was retried before: by this message.
    Already(Box<MessageDetail>),
    /// It did not fail, or another message is the one that failed.
    NotFailed(Box<RequestDetail>),
    /// An attempt may have gone out, and the person does not say that they know.
    MayDouble,
    /// The rules, or who asked meanwhile, keep it back; when it could pass, where that is known.
    Withheld(Reason, Option<DateTime<Utc>>),
    /// As things are, its job would be rejected.
    Refused(Vec<Problem>),
    TooMany,
    /// There is no such request.
    Unknown,
}

/// Has a failed request sent once more.
pub async fn retry(
    ledger: &Ledger,
    company_cache: &CompanyCache,
    keys: &SecretKeys,
    id: Uuid,
    wish: ActionRequest<'_>,
) -> anyhow::Result<Retried> {
    for _ in 0..TRIES_MAX {
        let Some(detail) = ledger.request(id).await? else { return Ok(Retried::Unknown) };
        let messages = detail.messages();
        if let Some(refused) = refused(&detail, &messages, wish) {
            return Ok(refused);
        }
        let again = match resume::ask_again(ledger, company_cache, keys, &detail).await? {
            Ok(again) => again,
            Err(problems) => return Ok(Retried::Refused(problems)),
        };
        if let Verdict::Suppress(reason) = again.decision.verdict {
            return Ok(Retried::Withheld(reason, again.decision.could_pass_at()));
        }
        let new = planned(keys, &detail, &messages, again, wish)?;
        match ledger.retry(&new).await? {
            RetryResult::Done => return Ok(Retried::Going(new.message)),
            RetryResult::Held(_) => return Ok(Retried::Withheld(Reason::SuppressionPeriod, None)),
            RetryResult::Moved => {}
        }
    }
    anyhow::bail!("request {id} kept moving meanwhile; try again")
}

/// Whether some attempt of these failed messages may have reached the customer all the same.
#[must_use]
pub fn may_double(messages: &[MessageDetail]) -> bool {
    let unknown = |outcome: Option<i16>| outcome == Some(2);
    messages.iter().any(|message| {
        (message.state == State::PresumedFailed && message.may_have_been_sent)
            || unknown(message.outcome)
            || message.past.iter().any(|attempt| unknown(attempt.outcome))
    })
}

/// Why this wish cannot be followed, before the rules are asked.
fn refused(detail: &RequestDetail, messages: &[MessageDetail], wish: ActionRequest<'_>) -> Option<Retried> {
    let before = messages.iter().find(|message| match (&message.retry, wish.of) {
        (Some(retry), Some(of)) => retry.previous_message == of,
        (Some(_), None) => message.state.status() == Status::Queued,
        (None, _) => false,
    });
    if let Some(before) = before {
        return Some(Retried::Already(Box::new(before.clone())));
    }
    let queued = messages.iter().any(|message| message.state.status() == Status::Queued);
    if queued || detail.state.status() != Status::Failed || wish.of.is_some_and(|of| of != detail.message) {
        return Some(Retried::NotFailed(Box::new(detail.clone())));
    }
    if messages.len() >= MESSAGES_MAX {
        return Some(Retried::TooMany);
    }
    if detail.answered_at.is_some() {
        return Some(Retried::Withheld(Reason::Answered, None));
    }
    (may_double(messages) && !wish.acknowledged).then_some(Retried::MayDouble)
}

fn planned<'a>(
    keys: &SecretKeys,
    detail: &RequestDetail,
    messages: &[MessageDetail],
    again: Again,
    wish: ActionRequest<'a>,
) -> anyhow::Result<NewRetry<'a>> {
    let Again { decision, slots, window_secs } = again;
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
        reservation_keys: slots,
        window_secs,
        expires_after_secs: (decision.expires_at - decision.due_at).as_seconds_f64(),
        entry_point: wish.door,
        key: wish.key,
        requested_by: wish.requested_by,
        note: wish.note,
        acknowledged: wish.acknowledged,
    })
}

//! The shape of one request with all its messages, attempts, receipts and acts.
//!
//! Only data: `show` selects it, `requests` chooses the message by which the request stands. Invariant: the
//! shape does not restrict its reader; the API checks the company first.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::acts::ActNote;
use postrider_domain::{
    ids::{CompanyId, Medium, MessageId},
    job::Job,
    lifecycle::State,
};

/// Everything about one request. What is a message's is that of the message by which it stands.
#[derive(Debug, Clone)]
pub struct RequestDetail {
    pub id: Uuid,
    pub company: CompanyId,
    pub slug: String,
    /// As accepted, with what it inherited.
    pub job: Job,
    pub brand: String,
    pub channel: String,
    /// As stored: see `requests::line`.
    pub source: i16,
    pub test: bool,
    pub root: Option<Uuid>,
    /// The stored decision (JSON).
    pub decision: String,
    pub created_at: DateTime<Utc>,
    pub message: MessageId,
    pub seq: i16,
    pub medium: Option<Medium>,
    pub account: Option<String>,
    pub slots: Vec<Uuid>,
    pub state: State,
    pub epoch: i32,
    pub attempt: i16,
    /// Some attempt went out, or may have.
    pub reached: bool,
    pub first_due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub paused_at: Option<DateTime<Utc>>,
    pub begun_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// When the customer answered.
    pub answered_at: Option<DateTime<Utc>>,
    pub answer: Option<AnswerNote>,
    pub outcome: Option<i16>,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub provider_id: Option<String>,
    /// When it is next looked at, where it waits.
    pub due_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
    pub retry: Option<RetryNote>,
    pub past: Vec<PastAttempt>,
    pub receipts: Vec<ReceiptLine>,
    /// Its other messages, in their order.
    pub others: Vec<MessageDetail>,
    /// What people did to it but for retries, oldest first.
    pub acts: Vec<ActNote>,
}

/// What is known of a customer's answer: their own words, for nobody's log.
#[derive(Clone, Default, PartialEq)]
pub struct AnswerNote {
    /// The door through which it came; `cli`: a person knew of it.
    pub source: String,
    /// Of the response that said so, where one did.
    pub response_id: Option<String>,
    pub received_at: Option<DateTime<Utc>>,
    pub score: Option<u32>,
    pub comment: Option<String>,
    pub custom_properties: BTreeMap<String, String>,
}

impl fmt::Debug for AnswerNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AnswerNote").field("source", &self.source).finish_non_exhaustive()
    }
}

/// One message of a request.
#[derive(Debug, Clone)]
pub struct MessageDetail {
    pub id: MessageId,
    pub seq: i16,
    pub medium: Option<Medium>,
    pub account: Option<String>,
    pub state: State,
    pub attempt: i16,
    pub reached: bool,
    pub first_due_at: DateTime<Utc>,
    pub paused_at: Option<DateTime<Utc>>,
    pub begun_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub outcome: Option<i16>,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub provider_id: Option<String>,
    /// Where a person asked for it.
    pub retry: Option<RetryNote>,
    pub past: Vec<PastAttempt>,
    pub receipts: Vec<ReceiptLine>,
}

/// Who asked for a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryNote {
    /// The failed message before it.
    pub of: MessageId,
    pub at: DateTime<Utc>,
    /// An API key's name, or `cli`.
    pub door: String,
    /// The API key.
    pub key: Option<Uuid>,
    pub requested_by: String,
    pub note: Option<String>,
    /// They knew that the customer may get it twice.
    pub acknowledged: bool,
}

/// An attempt before the current one.
#[derive(Debug, Clone)]
pub struct PastAttempt {
    pub message: Uuid,
    pub attempt: i16,
    pub begun_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
    pub outcome: Option<i16>,
    pub code: Option<String>,
}

/// One receipt of a message.
#[derive(Debug, Clone)]
pub struct ReceiptLine {
    pub message: Uuid,
    pub at: DateTime<Utc>,
    pub kind: String,
    pub code: Option<String>,
    pub attempt: Option<i16>,
    /// Found by asking the provider, who never told us.
    pub looked_up: bool,
}

impl RequestDetail {
    /// All its messages, in their order.
    #[must_use]
    pub fn messages(&self) -> Vec<MessageDetail> {
        let mut messages = self.others.clone();
        messages.push(MessageDetail {
            id: self.message,
            seq: self.seq,
            medium: self.medium,
            account: self.account.clone(),
            state: self.state,
            attempt: self.attempt,
            reached: self.reached,
            first_due_at: self.first_due_at,
            paused_at: self.paused_at,
            begun_at: self.begun_at,
            settled_at: self.settled_at,
            delivered_at: self.delivered_at,
            ended_at: self.ended_at,
            outcome: self.outcome,
            code: self.code.clone(),
            reason: self.reason.clone(),
            provider_id: self.provider_id.clone(),
            retry: self.retry.clone(),
            past: self.past.clone(),
            receipts: self.receipts.clone(),
        });
        messages.sort_by_key(|message| message.seq);
        messages
    }
}

//! The types of one request in full: its messages, attempts, receipts, answer and recorded actions.
//!
//! Only data; `row` fills it from the database, `requests` queries it.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::actions::ActionRecord;
use postrider_domain::{
    ids::{CompanyId, Medium, MessageId},
    job::Job,
    lifecycle::State,
};

/// Everything about one request. Fields of a message are those of its decisive message.
#[derive(Debug, Clone)]
pub struct RequestDetail {
    pub id: Uuid,
    pub company: CompanyId,
    pub slug: String,
    /// As accepted, with everything that it inherited.
    pub job: Job,
    pub brand: String,
    pub channel: String,
    /// Stored number; `requests::views::summary` has the words.
    pub source: i16,
    pub test: bool,
    /// For a service recovery: the first request of the chain.
    pub original_request: Option<Uuid>,
    /// The stored decision (JSON).
    pub decision: String,
    pub created_at: DateTime<Utc>,
    pub message: MessageId,
    pub seq: i16,
    pub medium: Option<Medium>,
    pub account: Option<String>,
    pub reservation_keys: Vec<Uuid>,
    pub state: State,
    pub epoch: i32,
    pub attempt: i16,
    /// Some attempt was accepted by the provider, or may have been.
    pub may_have_been_sent: bool,
    pub first_due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub paused_at: Option<DateTime<Utc>>,
    pub begun_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Time of the customer's answer.
    pub answered_at: Option<DateTime<Utc>>,
    pub answer: Option<AnswerRecord>,
    pub outcome: Option<i16>,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub provider_id: Option<String>,
    /// Time of its due row, while it waits.
    pub due_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
    pub retry: Option<RetryRecord>,
    pub past: Vec<PastAttempt>,
    pub receipts: Vec<ReceiptLine>,
    /// Its other messages, in their order.
    pub others: Vec<MessageDetail>,
    /// Recorded actions of people except retries, oldest first.
    pub actions: Vec<ActionRecord>,
}

/// A customer's answer. `Debug` omits the customer's words, which must not reach a log.
#[derive(Clone, Default, PartialEq)]
pub struct AnswerRecord {
    /// Word of the entry point; `cli` or an API key's name where a person recorded the answer.
    pub source: String,
    /// Id of the response, if the answer came by one.
    pub response_id: Option<String>,
    pub received_at: Option<DateTime<Utc>>,
    pub score: Option<u32>,
    pub comment: Option<String>,
    pub custom_properties: BTreeMap<String, String>,
}

impl fmt::Debug for AnswerRecord {
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
    pub may_have_been_sent: bool,
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
    /// Present if a person's retry created this message.
    pub retry: Option<RetryRecord>,
    pub past: Vec<PastAttempt>,
    pub receipts: Vec<ReceiptLine>,
}

/// The record of a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRecord {
    /// The failed message before it.
    pub previous_message: MessageId,
    pub at: DateTime<Utc>,
    /// Name of the API key, or `cli`.
    pub entry_point: String,
    /// `api_key.id`
    pub key: Option<Uuid>,
    pub requested_by: String,
    pub note: Option<String>,
    /// The person accepted that the customer may receive the message twice.
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
    /// Found by a status poll, not sent by a webhook.
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
            may_have_been_sent: self.may_have_been_sent,
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

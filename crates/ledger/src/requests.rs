//! One request as people see it, with all its messages; and what a person may do to one.
//!
//! Reading is here and in `show`, doing in `acts`. For the list read `list`, for a person's retry `retry`.
//! Invariant: nothing here tells whose request it is; who shows it to a stranger asks first.

mod acts;

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use acts::{ActNote, ActionKind, By};

use super::{Ledger, LedgerError, show::Row};
use postrider_domain::{
    ids::{CompanyId, Medium, MessageId},
    job::Job,
    lifecycle::{State, Status},
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

impl Ledger {
    /// A request as it stands: by its furthest message.
    pub async fn show(&self, id: Uuid) -> Result<Option<RequestDetail>, LedgerError> {
        self.shown(id, |message| (message.state.status().rank(), message.seq)).await
    }

    /// A request for a person who acts on it: by its message that is still on its way, else as it stands.
    pub async fn show_open(&self, id: Uuid) -> Result<Option<RequestDetail>, LedgerError> {
        let rank = |message: &MessageDetail| {
            let status = message.state.status();
            if status == Status::Queued { u8::MAX } else { status.rank() }
        };
        self.shown(id, |message| (rank(message), message.seq)).await
    }

    async fn shown(
        &self,
        id: Uuid,
        rank: impl Fn(&MessageDetail) -> (u8, i16),
    ) -> Result<Option<RequestDetail>, LedgerError> {
        let mut rows =
            sqlx::query_file_as!(Row, "src/sql/request_show.sql", id).fetch_all(&self.pool).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.message).collect();
        let mut past = sqlx::query_as!(
            PastAttempt,
            "select message, attempt, begun_at, settled_at, outcome, code from attempt_past
                where message = any($1) order by message, attempt",
            &ids
        )
        .fetch_all(&self.pool)
        .await?;
        let mut receipts = sqlx::query_as!(
            ReceiptLine,
            r#"select message as "message!", at, kind, code, attempt, looked_up from receipt
                where message = any($1) order by at"#,
            &ids
        )
        .fetch_all(&self.pool)
        .await?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in &rows {
            messages.push(MessageDetail {
                past: past.extract_if(.., |attempt| attempt.message == row.message).collect(),
                receipts: receipts.extract_if(.., |receipt| receipt.message == row.message).collect(),
                ..row.message()?
            });
        }
        let furthest = (0..messages.len()).max_by_key(|place| rank(&messages[*place]));
        let Some(furthest) = furthest else { return Ok(None) };
        let message = messages.remove(furthest);
        let mut detail = rows.swap_remove(furthest).request(message, messages);
        detail.acts = self.acts(id).await?;
        if detail.answered_at.is_some() {
            detail.answer = self.answer_of(id).await?;
        }
        Ok(Some(detail))
    }

    async fn answer_of(&self, request: Uuid) -> Result<Option<AnswerNote>, LedgerError> {
        let row = sqlx::query!(
            r#"select a.source, r.response_id as "response_id?", r.received_at as "received_at?",
                    r.details as "details?"
                from answer a left join response r on r.id = a.response where a.request = $1"#,
            request
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| {
            let said = row.details.unwrap_or_default();
            AnswerNote {
                source: row.source,
                response_id: row.response_id,
                received_at: row.received_at,
                score: said["score"].as_u64().and_then(|score| u32::try_from(score).ok()),
                comment: said["comment"].as_str().map(str::to_owned),
                custom_properties: serde_json::from_value(said["custom_properties"].clone())
                    .unwrap_or_default(),
            }
        }))
    }
}

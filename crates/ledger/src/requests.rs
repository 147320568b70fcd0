//! One request in full, with all its messages; and people's actions on it.
//!
//! `detail` has the types, `row` reads them, `actions` pauses, resumes and records. For the list read `list`, for a
//! person's retry `retry`. Invariant: nothing here checks the company; a caller that shows a request to a key's holder
//! compares `RequestDetail::company` first.

mod actions;
mod detail;
mod row;

use uuid::Uuid;

pub use actions::{ActionKind, ActionOrigin, ActionRecord};
pub use detail::{AnswerRecord, MessageDetail, PastAttempt, ReceiptLine, RequestDetail, RetryRecord};

use super::{Ledger, LedgerError};
use postrider_domain::lifecycle::Status;
use row::Row;

impl Ledger {
    /// A request in full. Its decisive message is the one with the furthest status.
    pub async fn request(&self, id: Uuid) -> Result<Option<RequestDetail>, LedgerError> {
        self.detail_by(id, |message| (message.state.status().rank(), message.seq)).await
    }

    /// A request in full, for an action on it: its decisive message is a queued one, if there is any.
    pub async fn open_request(&self, id: Uuid) -> Result<Option<RequestDetail>, LedgerError> {
        let rank = |message: &MessageDetail| {
            let status = message.state.status();
            if status == Status::Queued { u8::MAX } else { status.rank() }
        };
        self.detail_by(id, |message| (rank(message), message.seq)).await
    }

    async fn detail_by(
        &self,
        id: Uuid,
        rank: impl Fn(&MessageDetail) -> (u8, i16),
    ) -> Result<Option<RequestDetail>, LedgerError> {
        let mut rows =
            sqlx::query_file_as!(Row, "src/sql/request_detail.sql", id).fetch_all(&self.pool).await?;
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
                ..row.message_detail()?
            });
        }
        let decisive = (0..messages.len()).max_by_key(|place| rank(&messages[*place]));
        let Some(decisive) = decisive else { return Ok(None) };
        let message = messages.remove(decisive);
        let mut detail = rows.swap_remove(decisive).into_detail(message, messages);
        detail.actions = self.actions(id).await?;
        if detail.answered_at.is_some() {
            detail.answer = self.answer_of(id).await?;
        }
        Ok(Some(detail))
    }

    async fn answer_of(&self, request: Uuid) -> Result<Option<AnswerRecord>, LedgerError> {
        let row = sqlx::query!(
            r#"select a.source, r.response_id as "response_id?", r.received_at as "received_at?",
                    r.details as "details?"
                from answer a left join response r on r.id = a.response where a.request = $1"#,
            request
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| {
            let details = row.details.unwrap_or_default();
            AnswerRecord {
                source: row.source,
                response_id: row.response_id,
                received_at: row.received_at,
                score: details["score"].as_u64().and_then(|score| u32::try_from(score).ok()),
                comment: details["comment"].as_str().map(str::to_owned),
                custom_properties: serde_json::from_value(details["custom_properties"].clone())
                    .unwrap_or_default(),
            }
        }))
    }
}

//! One request as people see it, with all its messages; and what a person may do to one.
//!
//! Reading is here and in `show`, the shapes in `detail`, doing in `acts`. For the list read `list`, for a person's retry `retry`.
//! Invariant: nothing here tells whose request it is; who shows it to a stranger asks first.

mod acts;
mod detail;

use uuid::Uuid;

pub use acts::{ActNote, ActionKind, By};
pub use detail::{AnswerNote, MessageDetail, PastAttempt, ReceiptLine, RequestDetail, RetryNote};

use super::{Ledger, LedgerError, show::Row};
use postrider_domain::lifecycle::Status;

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

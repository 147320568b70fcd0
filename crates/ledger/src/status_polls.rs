//! Status polls: unknown attempts, and accepted messages without their last receipt.
//!
//! Taking postpones and never deletes: a worker that crashes during a poll delays it, and two concurrent
//! polls are harmless. `receive` stores findings, `conclude` stores ends.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, retrying, stored_state};
use postrider_domain::{
    ids::{AccountId, Medium, MessageId},
    lifecycle::State,
};

/// A message for a status poll at its provider.
#[derive(Debug, Clone)]
pub struct PollTarget {
    pub message: MessageId,
    pub request: Uuid,
    pub account: AccountId,
    pub medium: Medium,
    pub state: State,
    pub epoch: i32,
    pub attempt: i16,
    pub provider_id: Option<String>,
    /// Sent once more already.
    pub resent: bool,
    pub expires_at: DateTime<Utc>,
    pub begun_at: DateTime<Utc>,
    /// Complete and empty polls among the last two.
    pub empty_polls: i16,
    pub now: DateTime<Utc>,
    /// The customer's address; a test was sent to the company's test address instead.
    pub address: Option<String>,
    pub test: bool,
}

/// A batch of messages with an overdue receipt.
#[derive(Debug, Clone)]
pub struct ReceiptPoll {
    pub id: Uuid,
    pub polls: i16,
    pub messages: Vec<Uuid>,
}

/// Next poll of a batch; `wait_secs` `None`: none.
#[derive(Debug, Clone, Copy)]
pub struct NextReceiptPoll {
    pub id: Uuid,
    pub wait_secs: Option<f64>,
    pub polls: i16,
}

/// A row of take_status_polls.sql and awaiting_receipt.sql.
struct Row {
    id: Uuid,
    request: Uuid,
    account: i32,
    medium: i16,
    state: i16,
    epoch: i32,
    attempt: i16,
    provider_id: Option<String>,
    resent: bool,
    expires_at: DateTime<Utc>,
    begun_at: DateTime<Utc>,
    empty_polls: i16,
    now: DateTime<Utc>,
    customer_email: Option<String>,
    customer_phone: Option<String>,
    test: bool,
}

impl TryFrom<Row> for PollTarget {
    type Error = LedgerError;

    fn try_from(row: Row) -> Result<PollTarget, LedgerError> {
        let medium = Medium::from_code(row.medium)
            .ok_or_else(|| LedgerError::Broken(format!("medium {} is not known", row.medium)))?;
        Ok(PollTarget {
            message: MessageId(row.id),
            request: row.request,
            account: AccountId(row.account),
            medium,
            state: stored_state(row.state)?,
            epoch: row.epoch,
            attempt: row.attempt,
            provider_id: row.provider_id,
            resent: row.resent,
            expires_at: row.expires_at,
            begun_at: row.begun_at,
            empty_polls: row.empty_polls,
            now: row.now,
            address: match medium {
                Medium::Email => row.customer_email,
                Medium::Sms => row.customer_phone,
            },
            test: row.test,
        })
    }
}

impl Ledger {
    /// Takes due status polls of unknown attempts; each is due again after `hold_secs` unless it is settled
    /// before.
    pub async fn take_status_polls(&self, max: i64, hold_secs: f64) -> Result<Vec<PollTarget>, LedgerError> {
        let rows = retrying(|| async {
            sqlx::query_file_as!(Row, "src/sql/take_status_polls.sql", max, hold_secs)
                .fetch_all(&self.pool)
                .await
        })
        .await?;
        rows.into_iter().map(PollTarget::try_from).collect()
    }

    /// Postpones status polls: message, time, and complete and empty polls among the last two.
    pub async fn postpone_status_polls(
        &self,
        again: &[(MessageId, DateTime<Utc>, i16)],
    ) -> Result<(), LedgerError> {
        let messages: Vec<Uuid> = again.iter().map(|(message, ..)| message.0).collect();
        let times: Vec<DateTime<Utc>> = again.iter().map(|(_, at, _)| *at).collect();
        let empty_polls: Vec<i16> = again.iter().map(|(.., empty_polls)| *empty_polls).collect();
        sqlx::query_file!("src/sql/postpone_status_polls.sql", &messages, &times, &empty_polls)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Frees unknown messages to be sent once more; returns those that this call freed.
    pub async fn resend(&self, unknown: &[(MessageId, i32)]) -> Result<Vec<MessageId>, LedgerError> {
        let (ids, epochs): (Vec<Uuid>, Vec<i32>) =
            unknown.iter().map(|(message, epoch)| (message.0, *epoch)).unzip();
        retrying(|| async {
            sqlx::query_file!("src/sql/resend.sql", &ids, &epochs)
                .map(|row| MessageId(row.id))
                .fetch_all(&self.pool)
                .await
        })
        .await
    }

    /// Takes batches with overdue receipts; each is due again after `hold_secs`.
    pub async fn take_receipt_polls(
        &self,
        max: i64,
        hold_secs: f64,
    ) -> Result<Vec<ReceiptPoll>, LedgerError> {
        let rows = retrying(|| async {
            sqlx::query_file!("src/sql/take_receipt_polls.sql", max, hold_secs)
                .map(|row| ReceiptPoll { id: row.id, polls: row.polls, messages: row.messages })
                .fetch_all(&self.pool)
                .await
        })
        .await?;
        Ok(rows)
    }

    /// Which of these messages still await their last receipt.
    pub async fn awaiting_receipt(&self, messages: &[Uuid]) -> Result<Vec<PollTarget>, LedgerError> {
        let rows =
            sqlx::query_file_as!(Row, "src/sql/awaiting_receipt.sql", messages).fetch_all(&self.pool).await?;
        rows.into_iter().map(PollTarget::try_from).collect()
    }

    /// Reduces batches to the messages `left` and sets their next poll, or deletes them.
    pub async fn postpone_receipt_polls(
        &self,
        next: &[NextReceiptPoll],
        left: &[Uuid],
    ) -> Result<(), LedgerError> {
        let ids: Vec<Uuid> = next.iter().map(|poll| poll.id).collect();
        let waits: Vec<Option<f64>> = next.iter().map(|poll| poll.wait_secs).collect();
        let polls: Vec<i16> = next.iter().map(|poll| poll.polls).collect();
        sqlx::query_file!("src/sql/postpone_receipt_polls.sql", &ids, &waits as &[Option<f64>], &polls, left)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

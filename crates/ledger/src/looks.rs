//! Looks: unknown attempts and messages without their last receipt, as whoever asks their providers
//! needs them.
//!
//! What is taken here is put off, not taken away: a worker that dies over a look only delays it, and two
//! that look at the same harm nobody. Proofs are written by `receive`, ends by `conclude`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, gather::stored_state, retrying};
use postrider_domain::{
    ids::{AccountId, Medium, MessageId},
    lifecycle::State,
};

/// A message about which its provider is to be asked.
#[derive(Debug, Clone)]
pub struct Missing {
    pub message: MessageId,
    pub request: Uuid,
    pub account: AccountId,
    pub medium: Medium,
    pub state: State,
    pub epoch: i32,
    pub attempt: i16,
    pub provider_id: Option<String>,
    /// It was sent once more already.
    pub resent: bool,
    pub expires_at: DateTime<Utc>,
    pub begun_at: DateTime<Utc>,
    /// Complete and empty looks among the last two.
    pub absent: i16,
    pub now: DateTime<Utc>,
    /// The customer's; a test went to the company's test address instead.
    pub address: Option<String>,
    pub test: bool,
}

/// A batch of messages whose receipts should have come by now.
#[derive(Debug, Clone)]
pub struct Watch {
    pub id: Uuid,
    pub looks: i16,
    pub members: Vec<Uuid>,
}

/// When a watched batch is looked at next; `None`: no more.
#[derive(Debug, Clone, Copy)]
pub struct NextWatch {
    pub id: Uuid,
    pub wait_secs: Option<f64>,
    pub looks: i16,
}

/// A row of what looks.sql and still_sent.sql give.
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

impl TryFrom<Row> for Missing {
    type Error = LedgerError;

    fn try_from(row: Row) -> Result<Missing, LedgerError> {
        let medium = Medium::from_code(row.medium)
            .ok_or_else(|| LedgerError::Broken(format!("medium {} is not known", row.medium)))?;
        Ok(Missing {
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
            absent: row.empty_polls,
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
    /// Unknown attempts that are to be looked for now; each comes again after `hold_secs` unless it is
    /// settled before.
    pub async fn looks(&self, max: i64, hold_secs: f64) -> Result<Vec<Missing>, LedgerError> {
        let rows = retrying(|| async {
            sqlx::query_file_as!(Row, "src/sql/looks.sql", max, hold_secs).fetch_all(&self.pool).await
        })
        .await?;
        rows.into_iter().map(Missing::try_from).collect()
    }

    /// Looks again at these times; the number is of complete and empty looks among the last two.
    pub async fn look_again(&self, again: &[(MessageId, DateTime<Utc>, i16)]) -> Result<(), LedgerError> {
        let messages: Vec<Uuid> = again.iter().map(|(message, ..)| message.0).collect();
        let times: Vec<DateTime<Utc>> = again.iter().map(|(_, at, _)| *at).collect();
        let absent: Vec<i16> = again.iter().map(|(.., absent)| *absent).collect();
        sqlx::query_file!("src/sql/look_again.sql", &messages, &times, &absent).execute(&self.pool).await?;
        Ok(())
    }

    /// Frees unknown messages to be sent once more; gives those that really are.
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

    /// Batches whose receipts should have come; each comes again after `hold_secs`.
    pub async fn watches(&self, max: i64, hold_secs: f64) -> Result<Vec<Watch>, LedgerError> {
        let rows = retrying(|| async {
            sqlx::query_file!("src/sql/watches.sql", max, hold_secs)
                .map(|row| Watch { id: row.id, looks: row.polls, members: row.messages })
                .fetch_all(&self.pool)
                .await
        })
        .await?;
        Ok(rows)
    }

    /// Those of these messages that still lack their last receipt.
    pub async fn still_sent(&self, members: &[Uuid]) -> Result<Vec<Missing>, LedgerError> {
        let rows = sqlx::query_file_as!(Row, "src/sql/still_sent.sql", members).fetch_all(&self.pool).await?;
        rows.into_iter().map(Missing::try_from).collect()
    }

    /// Goes on watching what is left of batches, or ends it.
    pub async fn watch_again(&self, watches: &[NextWatch], left: &[Uuid]) -> Result<(), LedgerError> {
        let ids: Vec<Uuid> = watches.iter().map(|watch| watch.id).collect();
        let waits: Vec<Option<f64>> = watches.iter().map(|watch| watch.wait_secs).collect();
        let looks: Vec<i16> = watches.iter().map(|watch| watch.looks).collect();
        sqlx::query_file!("src/sql/watch_again.sql", &ids, &waits as &[Option<f64>], &looks, left)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

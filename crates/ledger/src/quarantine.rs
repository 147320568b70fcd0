//! Quarantine: messages with expired leases before each begin of an attempt, and messages held for it.
//!
//! `sweep` counts expiries and quarantines, `begin` resets the count, `resume` returns a held message as a
//! poison suspect. `trials` does the same for jobs, which are suspected before they are requests.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, retrying, stored_state};
use postrider_domain::{
    ids::{CompanyId, Medium, MessageId},
    lifecycle::State,
};

/// Lease expiries in a row from which a message is a poison suspect.
pub const EXPIRIES_SUSPECT: i16 = 2;
/// Value of `message.lease_expiries` during an exclusive trial; an expiry then quarantines the message.
pub const EXPIRIES_TRIAL: i16 = 3;

/// A message that is or was quarantined.
#[derive(Debug, Clone)]
pub struct Quarantined {
    pub message: MessageId,
    pub request: Uuid,
    pub company: String,
    pub account: Option<String>,
    pub medium: Option<Medium>,
    pub at: DateTime<Utc>,
    /// Crashes of its workers.
    pub crashes: i32,
    /// Attempts made before.
    pub attempts: i16,
    /// Workers of the expired leases, latest first, ten at most.
    pub workers: Vec<Uuid>,
    pub released_at: Option<DateTime<Utc>>,
    pub state: State,
    pub expires_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

/// A row of quarantine_list.sql and quarantine_detail.sql.
struct Row {
    message: Uuid,
    request: Uuid,
    slug: String,
    account: Option<String>,
    medium: Option<i16>,
    at: DateTime<Utc>,
    crashes: i32,
    attempt: i16,
    workers: Vec<Uuid>,
    released_at: Option<DateTime<Utc>>,
    state: i16,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl TryFrom<Row> for Quarantined {
    type Error = LedgerError;

    fn try_from(row: Row) -> Result<Quarantined, LedgerError> {
        Ok(Quarantined {
            message: MessageId(row.message),
            request: row.request,
            company: row.slug,
            account: row.account,
            medium: row.medium.and_then(Medium::from_code),
            at: row.at,
            crashes: row.crashes,
            attempts: row.attempt,
            workers: row.workers,
            released_at: row.released_at,
            state: stored_state(row.state)?,
            expires_at: row.expires_at,
            now: row.now,
        })
    }
}

impl Ledger {
    /// Marks the start of an exclusive trial; `false`: the claim is not valid any more.
    pub async fn start_message_trial(&self, message: MessageId, epoch: i32) -> Result<bool, LedgerError> {
        let done = retrying(|| async {
            sqlx::query_file!("src/sql/start_message_trial.sql", message.0, epoch, EXPIRIES_TRIAL)
                .execute(&self.pool)
                .await
        })
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Quarantined messages, latest first.
    pub async fn quarantined_messages(
        &self,
        company: Option<CompanyId>,
        max: i64,
    ) -> Result<Vec<Quarantined>, LedgerError> {
        let company = company.map(|company| company.0);
        let rows = sqlx::query_file_as!(Row, "src/sql/quarantine_list.sql", company as Option<i32>, max)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(Quarantined::try_from).collect()
    }

    /// One message that is or was quarantined.
    pub async fn quarantined_message(&self, message: MessageId) -> Result<Option<Quarantined>, LedgerError> {
        let row = sqlx::query_file_as!(Row, "src/sql/quarantine_detail.sql", message.0)
            .fetch_optional(&self.pool)
            .await?;
        row.map(Quarantined::try_from).transpose()
    }

    /// Number of rejected jobs that were quarantined and not replayed.
    pub async fn quarantined_job_count(&self, company: Option<CompanyId>) -> Result<i64, LedgerError> {
        let company = company.map(|company| company.0);
        let count = sqlx::query_file_scalar!("src/sql/quarantined_job_count.sql", company as Option<i32>)
            .fetch_one(&self.pool)
            .await?;
        Ok(count)
    }
}

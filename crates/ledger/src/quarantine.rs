//! Quarantine: messages whose claims lapse unsent again and again, and those that are held for it.
//!
//! `sweep` counts lapses and quarantines, `begin` forgets them, `requests::resume` lets a held message go
//! back as a suspect. Here is what a worker writes before it tries one alone, and what people look at. Of
//! jobs, which are accused before they are requests, read `suspects`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, gather::stored_state, retrying};
use postrider_domain::{
    ids::{CompanyId, Medium, MessageId},
    lifecycle::State,
};

/// Lapses in a row after which a message is tried alone.
pub const LAPSES_SUSPECT: i16 = 2;
/// It is being tried alone: a lapse now accuses just this message.
pub const LAPSES_MAX: i16 = 3;

/// A message that is or was quarantined.
#[derive(Debug, Clone)]
pub struct Quarantined {
    pub message: MessageId,
    pub request: Uuid,
    pub company: String,
    pub account: Option<String>,
    pub medium: Option<Medium>,
    pub at: DateTime<Utc>,
    /// How often its worker died over it.
    pub lapses: i32,
    /// Attempts made before.
    pub attempts: i16,
    /// Workers whose leases ran out, as far as is known, the latest first.
    pub workers: Vec<Uuid>,
    pub released_at: Option<DateTime<Utc>>,
    pub state: State,
    pub expires_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

/// As selected, field for column.
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
            lapses: row.crashes,
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
    /// Writes down that a claimed suspect is tried alone from now on; gives false where the claim is
    /// nobody's any more.
    pub async fn try_message(&self, message: MessageId, epoch: i32) -> Result<bool, LedgerError> {
        let done = retrying(|| async {
            sqlx::query_file!("src/sql/try_message.sql", message.0, epoch, LAPSES_MAX)
                .execute(&self.pool)
                .await
        })
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Messages that are held, the latest first.
    pub async fn quarantine_list(
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

    /// One message that is or was held.
    pub async fn quarantine_show(&self, message: MessageId) -> Result<Option<Quarantined>, LedgerError> {
        let row = sqlx::query_file_as!(Row, "src/sql/quarantine_show.sql", message.0)
            .fetch_optional(&self.pool)
            .await?;
        row.map(Quarantined::try_from).transpose()
    }

    /// How many quarantined jobs there are among those that were refused.
    pub async fn quarantined_jobs(&self, company: Option<CompanyId>) -> Result<i64, LedgerError> {
        let company = company.map(|company| company.0);
        let count = sqlx::query_file_scalar!("src/sql/quarantined_jobs.sql", company as Option<i32>)
            .fetch_one(&self.pool)
            .await?;
        Ok(count)
    }
}

//! Suspects: jobs that are tried alone, written down before and taken back after.
//!
//! A row that another worker left behind says that the job killed it. Rows hold no personal data: the job
//! is a keyed hash. `accept` takes a row back in the statement that writes the request; here are the rest.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, retrying};

/// What was written down before a job was tried alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// With its boot nonce: a worker that was started again is another one.
    pub worker: Uuid,
    /// How often the broker had delivered the job before.
    pub deliveries: i64,
    pub recorded_at: DateTime<Utc>,
}

impl Ledger {
    /// Writes down that `worker` tries a job alone from now on; gives what stands there, which is another
    /// worker's note where that one did not live to take it back.
    pub async fn try_job(&self, key: Uuid, worker: Uuid, deliveries: i64) -> Result<Note, LedgerError> {
        retrying(|| async {
            sqlx::query_file_as!(Note, "src/sql/try_job.sql", key, worker, deliveries)
                .fetch_one(&self.pool)
                .await
        })
        .await
    }

    /// What stands there of a job.
    pub async fn job_note(&self, key: Uuid) -> Result<Option<Note>, LedgerError> {
        let note = sqlx::query_as!(
            Note,
            "select worker, deliveries, recorded_at from trial_record where key = $1",
            key
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(note)
    }

    /// Takes a job's note back: it did not kill its worker, or it is quarantined.
    pub async fn clear_job(&self, key: Uuid) -> Result<(), LedgerError> {
        sqlx::query!("delete from trial_record where key = $1", key).execute(&self.pool).await?;
        Ok(())
    }

    /// Takes everything back that this worker wrote down: it lives, and tries nothing now.
    pub async fn clear_jobs_of(&self, worker: Uuid) -> Result<(), LedgerError> {
        sqlx::query!("delete from trial_record where worker = $1", worker).execute(&self.pool).await?;
        Ok(())
    }
}

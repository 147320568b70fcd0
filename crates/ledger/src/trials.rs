//! Trial records of jobs: written before an exclusive trial, deleted after it.
//!
//! A record that another worker left behind says that the job crashed it. Records contain no personal data:
//! the job is a keyed hash. `accept` deletes the record in the statement that writes the request.
//! `quarantine` does the same for messages.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, retrying};

/// The record of an exclusive trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialRecord {
    /// Random id of one process: a restarted worker has another.
    pub worker: Uuid,
    /// Deliveries by the broker before this one.
    pub deliveries: i64,
    pub recorded_at: DateTime<Utc>,
}

impl Ledger {
    /// Writes the record of `worker` unless one exists. Returns the existing one, which another worker may
    /// have left when it crashed.
    pub async fn start_job_trial(
        &self,
        key: Uuid,
        worker: Uuid,
        deliveries: i64,
    ) -> Result<TrialRecord, LedgerError> {
        retrying(|| async {
            sqlx::query_file_as!(TrialRecord, "src/sql/start_job_trial.sql", key, worker, deliveries)
                .fetch_one(&self.pool)
                .await
        })
        .await
    }

    /// The record of a job.
    pub async fn trial_record(&self, key: Uuid) -> Result<Option<TrialRecord>, LedgerError> {
        let note = sqlx::query_as!(
            TrialRecord,
            "select worker, deliveries, recorded_at from trial_record where key = $1",
            key
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(note)
    }

    /// Deletes the record of a job: it did not crash the worker, or it is quarantined.
    pub async fn clear_trial(&self, key: Uuid) -> Result<(), LedgerError> {
        sqlx::query!("delete from trial_record where key = $1", key).execute(&self.pool).await?;
        Ok(())
    }

    /// Deletes all records of this worker, which is alive and tries nothing now.
    pub async fn clear_trials_of(&self, worker: Uuid) -> Result<(), LedgerError> {
        sqlx::query!("delete from trial_record where worker = $1", worker).execute(&self.pool).await?;
        Ok(())
    }
}

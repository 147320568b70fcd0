//! Sweep: expired leases of crashed workers, and waiting messages that expired.
//!
//! Any worker may sweep at any time: SKIP LOCKED and compare-and-set make two concurrent sweeps harmless.

use super::{
    Ledger, LedgerError,
    quarantine::{EXPIRIES_SUSPECT, EXPIRIES_TRIAL},
    retrying, stored_state,
};
use chrono::{DateTime, Utc};
use postrider_domain::{ids::MessageId, lifecycle::State};
use uuid::Uuid;

/// Messages found in expired leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Not begun: due again.
    pub unsent: i64,
    /// Begun without an outcome.
    pub unknown: i64,
    /// Not begun, and under an exclusive trial: quarantined.
    pub quarantined: Vec<Uuid>,
}

/// Seconds from the begin of an unknown attempt to its first status poll, by medium.
#[derive(Debug, Clone, Copy)]
pub struct FirstPolls {
    pub email_secs: f64,
    pub sms_secs: f64,
}

/// A waiting message that expired.
#[derive(Debug, Clone)]
pub struct ExpiredMessage {
    pub message: MessageId,
    pub state: State,
    pub epoch: i32,
    pub attempt: i16,
    pub may_have_been_sent: bool,
    pub expires_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

impl Ledger {
    /// Takes expired leases, `leases_max` at most.
    pub async fn sweep(&self, leases_max: i64, first: FirstPolls) -> Result<Swept, LedgerError> {
        retrying(|| async {
            sqlx::query_file!(
                "src/sql/sweep.sql",
                leases_max,
                first.email_secs,
                first.sms_secs,
                EXPIRIES_SUSPECT,
                EXPIRIES_TRIAL
            )
            .map(|row| Swept { unsent: row.unsent, unknown: row.unknown, quarantined: row.quarantined })
            .fetch_one(&self.pool)
            .await
        })
        .await
    }

    /// Waiting messages that expired, paused ones too.
    pub async fn expired(&self, max: i64) -> Result<Vec<ExpiredMessage>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/expired.sql", max).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                Ok(ExpiredMessage {
                    message: MessageId(row.id),
                    state: stored_state(row.state)?,
                    epoch: row.epoch,
                    attempt: row.attempt,
                    may_have_been_sent: row.may_have_been_sent,
                    expires_at: row.expires_at,
                    now: row.now,
                })
            })
            .collect()
    }

    /// Deletes due rows of messages that are neither waiting nor unknown.
    pub async fn drop_due(&self, messages: &[Uuid]) -> Result<(), LedgerError> {
        sqlx::query_file!("src/sql/drop_due.sql", messages).execute(&self.pool).await?;
        Ok(())
    }
}

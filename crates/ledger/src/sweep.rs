//! Sweep: what dead workers left behind, and what expired while it waited.
//!
//! Any worker may sweep at any time; SKIP LOCKED and compare-and-set make two sweepers harmless.

use super::{
    Ledger, LedgerError,
    gather::stored_state,
    quarantine::{LAPSES_MAX, LAPSES_SUSPECT},
    retrying,
};
use chrono::{DateTime, Utc};
use postrider_domain::{
    ids::MessageId,
    lifecycle::{Reason, State},
};
use uuid::Uuid;

/// What a sweep found in leases that ran out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Never begun: due again.
    pub unsent: i64,
    /// Begun without an outcome.
    pub unknown: i64,
    /// Unsent, and tried alone when their workers died: held for a person.
    pub quarantined: Vec<Uuid>,
}

/// How long after its begin an unknown is first looked for, by medium.
#[derive(Debug, Clone, Copy)]
pub struct FirstLooks {
    pub email_secs: f64,
    pub sms_secs: f64,
}

/// A waiting message that expired.
#[derive(Debug, Clone)]
pub struct Check {
    pub message: MessageId,
    pub state: State,
    pub epoch: i32,
    pub attempt: i16,
    pub reached: bool,
    pub expires_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

/// An end to write, under the state and epoch that were read.
#[derive(Debug, Clone, Copy)]
pub struct Conclusion {
    pub message: MessageId,
    pub epoch: i32,
    pub was: State,
    pub next: State,
    pub reason: Reason,
}

impl Ledger {
    /// Takes leases that ran out, `leases_max` at most.
    pub async fn sweep(&self, leases_max: i64, first: FirstLooks) -> Result<Swept, LedgerError> {
        retrying(|| async {
            sqlx::query_file!(
                "src/sql/sweep.sql",
                leases_max,
                first.email_secs,
                first.sms_secs,
                LAPSES_SUSPECT,
                LAPSES_MAX
            )
            .map(|row| Swept { unsent: row.unsent, unknown: row.unknown, quarantined: row.quarantined })
            .fetch_one(&self.pool)
            .await
        })
        .await
    }

    /// Waiting messages that expired.
    pub async fn checks(&self, max: i64) -> Result<Vec<Check>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/checks.sql", max).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                Ok(Check {
                    message: MessageId(row.id),
                    state: stored_state(row.state)?,
                    epoch: row.epoch,
                    attempt: row.attempt,
                    reached: row.may_have_been_sent,
                    expires_at: row.expires_at,
                    now: row.now,
                })
            })
            .collect()
    }

    /// Drops due rows whose message has moved on.
    pub async fn drop_due(&self, messages: &[Uuid]) -> Result<(), LedgerError> {
        sqlx::query_file!("src/sql/drop_due.sql", messages).execute(&self.pool).await?;
        Ok(())
    }
}

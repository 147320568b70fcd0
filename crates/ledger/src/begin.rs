//! Begin: writes an attempt just before its call, unless the fence refuses it.
//!
//! The fence is the WHERE clause of `sql/begin.sql`. `fence_facts` reads the same facts for refused claims.

use uuid::Uuid;

use super::{Ledger, LedgerError, retrying, stored_state};
use postrider_domain::{ids::MessageId, lifecycle::fence::FenceFacts};

impl Ledger {
    /// Begins attempts. Returns the attempt number of each claim that passed the fence. Renews `leases` to
    /// `lease_secs` seconds from now.
    pub async fn begin(
        &self,
        claims: &[(MessageId, i32)],
        lease_secs: f64,
        leases: &[Uuid],
    ) -> Result<Vec<((MessageId, i32), i16)>, LedgerError> {
        let (ids, epochs) = sorted(claims);
        retrying(|| async {
            sqlx::query_file!("src/sql/begin.sql", &ids, &epochs, lease_secs, leases)
                .map(|row| ((MessageId(row.id), row.epoch), row.attempt))
                .fetch_all(&self.pool)
                .await
        })
        .await
    }

    /// The facts that the fence compares, for claims that `begin` did not return.
    pub async fn fence_facts(
        &self,
        claims: &[(MessageId, i32)],
    ) -> Result<Vec<((MessageId, i32), FenceFacts)>, LedgerError> {
        let (ids, epochs) = sorted(claims);
        let rows = sqlx::query_file!("src/sql/fence_facts.sql", &ids, &epochs).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                let facts = FenceFacts {
                    state: stored_state(row.state)?,
                    epoch_is_ours: row.epoch_is_ours,
                    paused: row.paused,
                    block_bits: row.block_bits,
                    answered: row.answered,
                    superseded: row.superseded,
                    holds_reservations: row.holds_reservations,
                    expires_at: row.expires_at,
                    attempt: row.attempt,
                    may_have_been_sent: row.may_have_been_sent,
                    now: row.now,
                };
                Ok(((MessageId(row.id), row.asked_epoch), facts))
            })
            .collect()
    }
}

/// Ids and epochs in key order, the order in which every statement locks.
fn sorted(claims: &[(MessageId, i32)]) -> (Vec<Uuid>, Vec<i32>) {
    let mut claims: Vec<(MessageId, i32)> = claims.to_vec();
    claims.sort_unstable();
    claims.into_iter().map(|(message, epoch)| (message.0, epoch)).unzip()
}

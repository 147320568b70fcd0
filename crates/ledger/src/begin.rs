//! Begin: an attempt is written down just before its call, through the last-moment fence.
//!
//! Who does not come back was refused by the fence; `standings` tells what stood in the way.

use uuid::Uuid;

use super::{Ledger, LedgerError, gather::stored_state, retrying};
use postrider_domain::{ids::MessageId, lifecycle::fence::FenceFacts};

impl Ledger {
    /// Begins attempts; gives each begun claim with its attempt number. The leases named are renewed
    /// to `lease_secs` from now.
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

    /// What stood in the way of claims that were not begun.
    pub async fn standings(
        &self,
        claims: &[(MessageId, i32)],
    ) -> Result<Vec<((MessageId, i32), FenceFacts)>, LedgerError> {
        let (ids, epochs) = sorted(claims);
        let rows = sqlx::query_file!("src/sql/standing.sql", &ids, &epochs).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                let standing = FenceFacts {
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
                Ok(((MessageId(row.id), row.asked_epoch), standing))
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

//! Settle: outcomes of calls are written down, in batches.
//!
//! What to do with each state comes along as a `TransitionMap`; the statement repeats no rule.

use uuid::Uuid;

use super::{Ledger, LedgerError, column, gather::stored_state, retrying};
use postrider_domain::{
    ids::{BlockKind, MessageId},
    lifecycle::{Reason, State, TransitionMap},
};

/// What the call told us, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum OutcomeCode {
    Accepted = 0,
    Refused = 1,
    Unknown = 2,
}

/// One outcome to write down.
#[derive(Debug, Clone)]
pub struct Settlement {
    pub message: MessageId,
    pub epoch: i32,
    pub attempt: i16,
    pub map: TransitionMap,
    pub outcome: OutcomeCode,
    pub code: Option<String>,
    pub reason: Option<Reason>,
    pub provider_id: Option<String>,
    /// Until the next try, or until an unknown is looked for.
    pub wait_secs: Option<f64>,
    /// Counts against the retry schedule.
    pub counts: bool,
    /// Proof of acceptance, written whatever the epoch.
    pub proof: bool,
    /// Blocks the message's address.
    pub block: Option<BlockKind>,
    /// Of what was accepted: until its last receipt is missed; absent where none will come.
    pub watch_secs: Option<f64>,
}

/// What became of a settled message.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    pub message: MessageId,
    pub was: State,
    pub state: State,
}

impl Ledger {
    /// Writes outcomes down and drops the leases that are done.
    pub async fn settle(&self, batch: &[Settlement], done: &[Uuid]) -> Result<Vec<Settled>, LedgerError> {
        let mut batch: Vec<&Settlement> = batch.iter().collect();
        batch.sort_by_key(|row| row.message);
        let rows = retrying(|| self.settle_once(&batch, done)).await?;
        rows.into_iter()
            .map(|(id, was, state)| {
                Ok(Settled { message: MessageId(id), was: stored_state(was)?, state: stored_state(state)? })
            })
            .collect()
    }

    async fn settle_once(
        &self,
        batch: &[&Settlement],
        done: &[Uuid],
    ) -> Result<Vec<(Uuid, i16, i16)>, sqlx::Error> {
        let blocked: Vec<(Uuid, i32)> =
            batch.iter().filter_map(|row| Some((row.message.0, row.block?.bit()))).collect();
        let (blocked, bits): (Vec<Uuid>, Vec<i32>) = blocked.into_iter().unzip();
        sqlx::query_file!(
            "src/sql/settle.sql",
            &column(batch, |row| row.message.0),
            &column(batch, |row| row.epoch),
            &column(batch, |row| row.attempt),
            &column(batch, |row| &row.map.0[..]) as &[&[u8]],
            &column(batch, |row| row.outcome as i16),
            &column(batch, |row| row.code.as_deref()) as &[Option<&str>],
            &column(batch, |row| row.reason.map(Reason::as_str)) as &[Option<&str>],
            &column(batch, |row| row.provider_id.as_deref()) as &[Option<&str>],
            &column(batch, |row| row.wait_secs) as &[Option<f64>],
            &column(batch, |row| row.counts),
            &column(batch, |row| row.proof),
            &blocked,
            &bits,
            done,
            &column(batch, |row| row.watch_secs) as &[Option<f64>],
        )
        .map(|row| (row.id, row.previous_state, row.state))
        .fetch_all(&self.pool)
        .await
    }

    /// Drops leases of which every member is settled.
    pub async fn drop_leases(&self, done: &[Uuid]) -> Result<(), LedgerError> {
        sqlx::query_file!("src/sql/drop_leases.sql", done).execute(&self.pool).await?;
        Ok(())
    }
}

//! Settle: stores the outcomes of calls, in batches.
//!
//! A `TransitionMap` brings the new state for each stored state; the statement contains no rule.

use uuid::Uuid;

use super::{Ledger, LedgerError, column, retrying, stored_state};
use postrider_domain::{
    ids::{BlockKind, MessageId},
    lifecycle::{Reason, State, TransitionMap},
};

/// Stored number of a call's outcome (`message.outcome`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum OutcomeCode {
    Accepted = 0,
    Refused = 1,
    Unknown = 2,
}

/// One outcome to store.
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
    /// Seconds until the next attempt, or until the first status poll of an unknown.
    pub wait_secs: Option<f64>,
    /// Counts against the retry schedule.
    pub counts_as_try: bool,
    /// Proof of acceptance: stored under any epoch.
    pub is_acceptance: bool,
    /// Also blocks the message's address.
    pub block: Option<BlockKind>,
    /// For an accepted message: seconds until its last receipt is overdue; `None` if none will come.
    pub receipt_wait_secs: Option<f64>,
}

/// States of a settled message.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    pub message: MessageId,
    pub previous_state: State,
    pub state: State,
}

impl Ledger {
    /// Stores outcomes and deletes the leases `done`.
    pub async fn settle(&self, batch: &[Settlement], done: &[Uuid]) -> Result<Vec<Settled>, LedgerError> {
        let mut batch: Vec<&Settlement> = batch.iter().collect();
        batch.sort_by_key(|row| row.message);
        let rows = retrying(|| self.settle_once(&batch, done)).await?;
        rows.into_iter()
            .map(|(id, previous_state, state)| {
                Ok(Settled {
                    message: MessageId(id),
                    previous_state: stored_state(previous_state)?,
                    state: stored_state(state)?,
                })
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
            &column(batch, |row| row.counts_as_try),
            &column(batch, |row| row.is_acceptance),
            &blocked,
            &bits,
            done,
            &column(batch, |row| row.receipt_wait_secs) as &[Option<f64>],
        )
        .map(|row| (row.id, row.previous_state, row.state))
        .fetch_all(&self.pool)
        .await
    }

    /// Deletes leases; all messages of each are settled.
    pub async fn drop_leases(&self, done: &[Uuid]) -> Result<(), LedgerError> {
        sqlx::query_file!("src/sql/drop_leases.sql", done).execute(&self.pool).await?;
        Ok(())
    }
}

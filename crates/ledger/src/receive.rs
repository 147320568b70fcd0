//! Receive: stores verified receipts in batches, each once.
//!
//! A receipt of any attempt moves its message; late, repeated and reordered receipts are normal.

use uuid::Uuid;

use super::{Ledger, LedgerError, column, retrying, stored_state};
use postrider_domain::{
    ids::{AccountId, BlockKind, MessageId},
    lifecycle::{State, TransitionMap},
};

/// A verified receipt to store.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    /// Keyed hash of (account, the unique part of the receipt).
    pub key: Uuid,
    pub content: [u8; 32],
    pub account: AccountId,
    pub message: Option<MessageId>,
    pub attempt: Option<i16>,
    pub kind: &'static str,
    pub code: Option<String>,
    pub provider_id: Option<String>,
    /// Transition for each stored state; `None`: the receipt moves no message.
    pub map: Option<TransitionMap>,
    pub block: Option<BlockKind>,
    /// Found by a status poll, not sent by a webhook.
    pub looked_up: bool,
    /// Seconds until the next receipt is overdue; `None` if none will come.
    pub receipt_wait_secs: Option<f64>,
}

/// Effect of a receipt.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    pub key: Uuid,
    pub fresh: bool,
    /// A receipt with this key but other content came before: a replay attack.
    pub other_content: bool,
    /// The change of the message's state, if any.
    pub moved: Option<(State, State)>,
}

impl Ledger {
    /// Stores receipts and moves their messages. Keys must be distinct.
    pub async fn receive(&self, batch: &[NewReceipt]) -> Result<Vec<Received>, LedgerError> {
        let mut batch: Vec<&NewReceipt> = batch.iter().collect();
        batch.sort_by_key(|receipt| receipt.key);
        let rows = retrying(|| self.receive_once(&batch)).await?;
        rows.into_iter()
            .map(|(key, fresh, other_content, previous_state, state)| {
                let moved = match (previous_state, state) {
                    (Some(previous_state), Some(state)) => {
                        Some((stored_state(previous_state)?, stored_state(state)?))
                    }
                    _ => None,
                };
                Ok(Received { key, fresh, other_content, moved })
            })
            .collect()
    }

    async fn receive_once(
        &self,
        batch: &[&NewReceipt],
    ) -> Result<Vec<(Uuid, bool, bool, Option<i16>, Option<i16>)>, sqlx::Error> {
        sqlx::query_file!(
            "src/sql/receive.sql",
            &column(batch, |row| row.key),
            &column(batch, |row| &row.content[..]) as &[&[u8]],
            &column(batch, |row| row.account.0),
            &column(batch, |row| row.message.map(|message| message.0)) as &[Option<Uuid>],
            &column(batch, |row| row.attempt) as &[Option<i16>],
            &column(batch, |row| row.kind) as &[&str],
            &column(batch, |row| row.code.as_deref()) as &[Option<&str>],
            &column(batch, |row| row.provider_id.as_deref()) as &[Option<&str>],
            &column(batch, |row| row.map.as_ref().map(|map| &map.0[..])) as &[Option<&[u8]>],
            &column(batch, |row| row.block.map_or(0, BlockKind::bit)),
            &column(batch, |row| row.looked_up),
            &column(batch, |row| row.receipt_wait_secs) as &[Option<f64>],
        )
        .map(|row| (row.key, row.fresh, row.other_content, row.previous_state, row.state))
        .fetch_all(&self.pool)
        .await
    }
}

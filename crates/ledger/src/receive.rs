//! Receive: verified receipts, in batches; each counts once.
//!
//! A receipt of any attempt moves its message; late, doubled and disordered ones are normal results.

use uuid::Uuid;

use super::{Ledger, LedgerError, column, gather::stored_state, retrying};
use postrider_domain::{
    ids::{AccountId, BlockKind, MessageId},
    lifecycle::{State, TransitionMap},
};

/// A verified receipt as stored.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    /// hash(account, what makes it unique)
    pub key: Uuid,
    pub content: [u8; 32],
    pub account: AccountId,
    pub message: Option<MessageId>,
    pub attempt: Option<i16>,
    pub kind: &'static str,
    pub code: Option<String>,
    pub provider_id: Option<String>,
    /// Absent where it moves nothing.
    pub map: Option<TransitionMap>,
    pub block: Option<BlockKind>,
    /// Nobody told us: it was found by looking.
    pub looked_up: bool,
    /// Until the receipt after this one is missed; absent where none will come.
    pub watch_secs: Option<f64>,
}

/// What a receipt did.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    pub key: Uuid,
    pub fresh: bool,
    /// The same notice came before with other content: a forgery by replay.
    pub other_content: bool,
    /// The change that it made, if any.
    pub moved: Option<(State, State)>,
}

impl Ledger {
    /// Stores receipts and moves their messages. Keys must be distinct.
    pub async fn receive(&self, batch: &[NewReceipt]) -> Result<Vec<Received>, LedgerError> {
        let mut batch: Vec<&NewReceipt> = batch.iter().collect();
        batch.sort_by_key(|receipt| receipt.key);
        let rows = retrying(|| self.receive_once(&batch)).await?;
        rows.into_iter()
            .map(|(key, fresh, other_content, was, state)| {
                let moved = match (was, state) {
                    (Some(was), Some(state)) => Some((stored_state(was)?, stored_state(state)?)),
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
            &column(batch, |row| row.watch_secs) as &[Option<f64>],
        )
        .map(|row| (row.key, row.fresh, row.other_content, row.previous_state, row.state))
        .fetch_all(&self.pool)
        .await
    }
}

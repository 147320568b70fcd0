//! Blocks by customers' actions and providers: addresses that must not receive messages, per company and
//! medium.
//!
//! Kinds add up; START lifts only STOP. A block has the keyed hash of the address, not the address itself.
//! Blocks by a person of the company are in `manual_blocks`.

use uuid::Uuid;

use super::{Ledger, LedgerError};
use postrider_domain::ids::{AccountId, BlockKind, CompanyId, Medium, MessageId};

impl Ledger {
    /// Blocks an address. `source` is a word: `inbound`, `unsubscribe_link`, `cli`.
    pub async fn block_address(
        &self,
        address_hash: Uuid,
        company: CompanyId,
        medium: Medium,
        kind: BlockKind,
        source: &str,
    ) -> Result<(), LedgerError> {
        let note: Option<String> = None;
        sqlx::query_file!(
            "src/sql/block_address.sql",
            address_hash,
            company.0,
            medium.code(),
            kind.bit(),
            source,
            note
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Lifts one kind; `false`: it was not in force.
    pub async fn lift_block(
        &self,
        address_hash: Uuid,
        kind: BlockKind,
        source: &str,
    ) -> Result<bool, LedgerError> {
        let done = sqlx::query_file!("src/sql/lift_block.sql", address_hash, kind.bit(), source)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

/// A customer's text that asks to stop or to start again.
#[derive(Debug, Clone)]
pub struct OptOutChange {
    /// Keyed hash of (account, the text's id at the provider).
    pub key: Uuid,
    pub content: [u8; 32],
    pub account: AccountId,
    pub company: CompanyId,
    /// Keyed hash of the sender's address.
    pub address_hash: Uuid,
    pub stop: bool,
}

impl Ledger {
    /// Applies such a text once; `false`: it is a repeat.
    pub async fn apply_opt_out(&self, change: &OptOutChange) -> Result<bool, LedgerError> {
        let fresh = sqlx::query_file_scalar!(
            "src/sql/opt_out.sql",
            change.key,
            &change.content,
            change.account.0,
            if change.stop { "stop" } else { "start" },
            change.address_hash,
            change.company.0,
            BlockKind::Stop.bit()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(fresh > 0)
    }

    /// Blocks the address that a message was sent to (its unsubscribe link was used).
    pub async fn block_message(
        &self,
        message: MessageId,
        kind: BlockKind,
        source: &str,
    ) -> Result<(), LedgerError> {
        sqlx::query_file!("src/sql/block_message.sql", message.0, kind.bit(), source)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

//! Blocks: addresses that may not be written to, per company and medium.
//!
//! Kinds add up; START lifts only what STOP made. The address itself is not stored, only its keyed hash.

use uuid::Uuid;

use super::{Ledger, LedgerError};
use postrider_domain::ids::{AccountId, BlockKind, CompanyId, Medium, MessageId};

impl Ledger {
    /// Blocks an address. `source` says who asked: `inbound`, `unsubscribe_link`, `cli`.
    pub async fn block_address(
        &self,
        addr: Uuid,
        company: CompanyId,
        medium: Medium,
        kind: BlockKind,
        source: &str,
    ) -> Result<(), LedgerError> {
        let note: Option<String> = None;
        sqlx::query_file!(
            "src/sql/block_address.sql",
            addr,
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

    /// Lifts one kind; gives whether it was there.
    pub async fn lift_block(&self, addr: Uuid, kind: BlockKind, source: &str) -> Result<bool, LedgerError> {
        let done =
            sqlx::query_file!("src/sql/lift_block.sql", addr, kind.bit(), source).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }
}

/// A text that asks to stop or to start again.
#[derive(Debug, Clone)]
pub struct OptOutChange {
    /// hash(account, the text's id)
    pub key: Uuid,
    pub content: [u8; 32],
    pub account: AccountId,
    pub company: CompanyId,
    /// Hash of who wrote.
    pub addr: Uuid,
    pub stop: bool,
}

impl Ledger {
    /// Takes such a text once; gives whether it was new.
    pub async fn inbound(&self, wish: &OptOutChange) -> Result<bool, LedgerError> {
        let fresh = sqlx::query_file_scalar!(
            "src/sql/inbound.sql",
            wish.key,
            &wish.content,
            wish.account.0,
            if wish.stop { "stop" } else { "start" },
            wish.addr,
            wish.company.0,
            BlockKind::Stop.bit()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(fresh > 0)
    }

    /// Blocks the address that a message went to (its unsubscribe link was used).
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

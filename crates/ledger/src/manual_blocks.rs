//! Blocks by a person of the company: list, block and lift, each change with its audit.
//!
//! A block by a customer (STOP, unsubscribe, complaint) has only the keyed hash of the address, which is the
//! block's id. A manual block keeps its address until it is lifted, so that its author can read it back. The
//! fence compares the hash alone. Customers' own blocks are in `blocks`.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::Connection;
use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    audit::{self, Actor},
    retrying,
};
use postrider_domain::ids::{BlockKind, CompanyId, Medium};

/// First number of the two-number advisory lock that serialises manual blocks within a company.
const LOCK_MANUAL_BLOCKS: i32 = 1;

/// A blocked address.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockRow {
    /// Keyed hash of (company, medium, address).
    pub id: Uuid,
    pub medium: i16,
    /// Bits of `BlockKind`.
    pub kinds: i32,
    /// First block; `changed_at` is the last change.
    pub since: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub source: String,
    pub note: Option<String>,
    /// Only of a manual block.
    pub address: Option<String>,
}

/// Which blocks to list.
#[derive(Debug, Clone, Default)]
pub struct BlockFilter {
    /// The block of one address.
    pub id: Option<Uuid>,
    pub medium: Option<Medium>,
    /// Any of these bits; 0: every kind.
    pub kinds: i32,
    /// Cursor: only blocks before it.
    pub before: Option<(DateTime<Utc>, Uuid)>,
    pub max: i64,
}

/// An address that a person blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct ManualBlock {
    pub id: Uuid,
    pub medium: Medium,
    pub address: String,
    pub reason: String,
}

/// Kinds that a person lifts from a block.
#[derive(Debug, Clone, Copy)]
pub struct Lift<'a> {
    pub id: Uuid,
    /// Bits of `BlockKind`.
    pub kinds: i32,
    pub reason: &'a str,
    /// The person knows that the customer asked for the block.
    pub acknowledged: bool,
}

/// Result of a lift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifted {
    /// Bits lifted, and bits still in force.
    Done { lifted: i32, left: i32 },
    /// There is no such block.
    Unknown,
    /// The customer's own wish is among the kinds and was not acknowledged; nothing was lifted.
    Unacknowledged { opt_outs: i32 },
}

/// Bits that the customer asked for.
#[must_use]
pub fn opt_outs(kinds: i32) -> i32 {
    let own = [BlockKind::Stop, BlockKind::Unsubscribed, BlockKind::Complained];
    own.iter().map(|kind| kind.bit() & kinds).sum()
}

/// The words of a set of kinds.
#[must_use]
pub fn kind_words(kinds: i32) -> Vec<&'static str> {
    BlockKind::ALL.iter().filter(|kind| kinds & kind.bit() != 0).map(|kind| kind.as_str()).collect()
}

impl Ledger {
    /// A page of blocks, newest first.
    pub async fn blocks_page(
        &self,
        company: CompanyId,
        filter: &BlockFilter,
    ) -> Result<Vec<BlockRow>, LedgerError> {
        let rows = sqlx::query_file_as!(
            BlockRow,
            "src/sql/block_list.sql",
            company.0,
            filter.id as Option<Uuid>,
            filter.medium.map(Medium::code) as Option<i16>,
            filter.kinds,
            filter.before.map(|(since, _)| since) as Option<DateTime<Utc>>,
            filter.before.map(|(_, id)| id) as Option<Uuid>,
            filter.max
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Blocks addresses, all or none; returns the number of new manual blocks. Ids must be distinct. A single
    /// block that is in force with the same reason and source changes nothing and has no audit.
    pub async fn block_manually(
        &self,
        company: CompanyId,
        blocks: &[ManualBlock],
        source: &str,
        actor: &Actor,
    ) -> Result<i64, LedgerError> {
        let mut sorted: Vec<&ManualBlock> = blocks.iter().collect();
        // Receipts lock blocks in this order too.
        sorted.sort_unstable_by_key(|block| block.id);
        retrying(|| self.block_once(company, &sorted, source, actor)).await
    }

    async fn block_once(
        &self,
        company: CompanyId,
        blocks: &[&ManualBlock],
        source: &str,
        actor: &Actor,
    ) -> Result<i64, sqlx::Error> {
        let mut connection = self.pool.detached().await?;
        let mut transaction = connection.begin().await?;
        // A statement of its own, so that the next one sees the previous writer's commit: two concurrent
        // calls must not both count an address as new.
        sqlx::query_scalar!(
            r#"select 1 as "locked!" from pg_advisory_xact_lock($1, $2)"#,
            LOCK_MANUAL_BLOCKS,
            company.0
        )
        .fetch_one(&mut *transaction)
        .await?;
        let manual = BlockKind::Manual.bit();
        let ids: Vec<Uuid> = blocks.iter().map(|block| block.id).collect();
        let held =
            sqlx::query_file!("src/sql/lock_blocks.sql", &ids, manual).fetch_one(&mut *transaction).await?;
        if let [only] = blocks
            && held.manual > 0
            && held.note.as_deref() == Some(only.reason.as_str())
            && held.source.as_deref() == Some(source)
        {
            transaction.rollback().await?;
            return Ok(0);
        }
        let kinds = sqlx::query_file_scalar!(
            "src/sql/block_manually.sql",
            company.0,
            manual,
            source,
            &ids,
            &blocks.iter().map(|block| block.medium.code()).collect::<Vec<_>>(),
            &blocks.iter().map(|block| block.address.clone()).collect::<Vec<_>>(),
            &blocks.iter().map(|block| block.reason.clone()).collect::<Vec<_>>()
        )
        .fetch_one(&mut *transaction)
        .await?;
        let (action, object, reason) = match blocks {
            [only] => ("block.add", Some(object(only.id)), Some(only.reason.as_str())),
            _ => ("block.import", None, None),
        };
        let added = i64::try_from(blocks.len()).unwrap_or(i64::MAX) - held.manual;
        let changes = match blocks {
            // Only this kind was added here; a customer may have added another between the two statements.
            [_] => changed((kinds & !manual) | (held.kinds & manual), kinds),
            _ => {
                Map::from_iter([("rows".to_owned(), json!(blocks.len())), ("added".to_owned(), json!(added))])
            }
        };
        let entry = audit::Entry { company, actor, action, object, changes, reason };
        audit::write(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(added)
    }

    /// Lifts kinds of a block; a block without any kind is deleted together with its address.
    pub async fn lift_manually(
        &self,
        company: CompanyId,
        lift: &Lift<'_>,
        actor: &Actor,
    ) -> Result<Lifted, LedgerError> {
        retrying(|| self.lift_once(company, lift, actor)).await
    }

    async fn lift_once(
        &self,
        company: CompanyId,
        lift: &Lift<'_>,
        actor: &Actor,
    ) -> Result<Lifted, sqlx::Error> {
        let mut connection = self.pool.detached().await?;
        let mut transaction = connection.begin().await?;
        let held = sqlx::query_scalar!(
            "select kinds from block where address_hash = $1 and company = $2 for update",
            lift.id,
            company.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(kinds) = held.filter(|kinds| kinds & lift.kinds != 0) else { return Ok(Lifted::Unknown) };
        let (lifted, left) = (kinds & lift.kinds, kinds & !lift.kinds);
        if opt_outs(lifted) != 0 && !lift.acknowledged {
            return Ok(Lifted::Unacknowledged { opt_outs: opt_outs(lifted) });
        }
        let manual = left & BlockKind::Manual.bit() != 0;
        sqlx::query_file!("src/sql/lift_manually.sql", lift.id, left, manual, actor.as_str())
            .execute(&mut *transaction)
            .await?;
        let entry = audit::Entry {
            company,
            actor,
            action: "block.lift",
            object: Some(object(lift.id)),
            changes: changed(kinds, left),
            reason: Some(lift.reason),
        };
        audit::write(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(Lifted::Done { lifted, left })
    }
}

fn object(id: Uuid) -> String {
    format!("block {id}")
}

fn changed(before: i32, after: i32) -> Map<String, Value> {
    let entry = json!({ "before": kind_words(before), "after": kind_words(after) });
    Map::from_iter([("kinds".to_owned(), entry)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_customers_asked_for_is_told_from_what_others_found() {
        let bits = |kinds: &[BlockKind]| kinds.iter().map(|kind| kind.bit()).sum::<i32>();
        let own = bits(&[BlockKind::Stop, BlockKind::Unsubscribed, BlockKind::Complained]);
        assert_eq!(opt_outs(bits(&BlockKind::ALL)), own);
        assert_eq!(opt_outs(bits(&[BlockKind::HardBounced, BlockKind::Manual])), 0);
        assert_eq!(kind_words(bits(&[BlockKind::Manual, BlockKind::Stop])), ["stop", "blocked_by_hand"]);
    }
}

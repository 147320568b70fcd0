//! Blocks as people see and set them: list, one by its address, block, lift; each change with its audit.
//!
//! What a customer did (STOP, unsubscribe, complaint) is known by a keyed hash only, which is the block's
//! id. What a person of the company blocks keeps its address until it is lifted: who wrote it must be able
//! to read it back and take it out again. The fence asks for the hash alone and knows no difference.
//! Customers' own blocks are in `blocks`.

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

/// What a company's advisory lock of two numbers is for; other locks of ours are of one number.
const LOCK_BY_HAND: i32 = 1;

/// A blocked address.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockRow {
    /// hash(company, medium, address)
    pub id: Uuid,
    pub medium: i16,
    /// Bits of `BlockKind`.
    pub kinds: i32,
    /// When it was first blocked, and last changed.
    pub since: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub source: String,
    pub note: Option<String>,
    /// Only of what was blocked by hand.
    pub address: Option<String>,
}

/// Which blocks to list.
#[derive(Debug, Clone, Default)]
pub struct BlockFilter {
    /// The block of one address.
    pub id: Option<Uuid>,
    pub medium: Option<Medium>,
    /// Any of these; 0: whatever kind.
    pub kinds: i32,
    /// Go on before this one.
    pub before: Option<(DateTime<Utc>, Uuid)>,
    pub max: i64,
}

/// An address that a person blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct HandBlock {
    pub id: Uuid,
    pub medium: Medium,
    pub address: String,
    pub reason: String,
}

/// What a person wants lifted.
#[derive(Debug, Clone, Copy)]
pub struct Lift<'a> {
    pub id: Uuid,
    /// Bits of `BlockKind`.
    pub kinds: i32,
    pub reason: &'a str,
    /// The person knows that the customer asked for the block.
    pub acknowledged: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifted {
    /// The kinds that were lifted and those that still hold.
    Done { lifted: i32, left: i32 },
    /// No such block.
    Unknown,
    /// The customer's own wish is among them and was not acknowledged; nothing was lifted.
    Unacknowledged { opt_outs: i32 },
}

/// What customers asked for themselves.
#[must_use]
pub fn opt_outs(kinds: i32) -> i32 {
    let own = [BlockKind::Stop, BlockKind::Unsubscribed, BlockKind::Complained];
    own.iter().map(|kind| kind.bit() & kinds).sum()
}

/// The words of a set of kinds.
#[must_use]
pub fn words(kinds: i32) -> Vec<&'static str> {
    BlockKind::ALL.iter().filter(|kind| kinds & kind.bit() != 0).map(|kind| kind.as_str()).collect()
}

impl Ledger {
    /// A page of what is blocked, the latest first.
    pub async fn blocks_page(
        &self,
        company: CompanyId,
        wish: &BlockFilter,
    ) -> Result<Vec<BlockRow>, LedgerError> {
        let rows = sqlx::query_file_as!(
            BlockRow,
            "src/sql/block_list.sql",
            company.0,
            wish.id as Option<Uuid>,
            wish.medium.map(Medium::code) as Option<i16>,
            wish.kinds,
            wish.before.map(|(since, _)| since) as Option<DateTime<Utc>>,
            wish.before.map(|(_, id)| id) as Option<Uuid>,
            wish.max
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Blocks addresses by hand, all or none; gives how many were not blocked by hand before. Ids must be
    /// distinct. A single one that stands just so changes nothing and is not on record again.
    pub async fn block_by_hand(
        &self,
        company: CompanyId,
        blocks: &[HandBlock],
        source: &str,
        actor: &Actor,
    ) -> Result<i64, LedgerError> {
        let mut sorted: Vec<&HandBlock> = blocks.iter().collect();
        // Receipts take blocks in this order too.
        sorted.sort_unstable_by_key(|block| block.id);
        retrying(|| self.block_once(company, &sorted, source, actor)).await
    }

    async fn block_once(
        &self,
        company: CompanyId,
        blocks: &[&HandBlock],
        source: &str,
        actor: &Actor,
    ) -> Result<i64, sqlx::Error> {
        let mut connection = self.pool.alone().await?;
        let mut transaction = connection.begin().await?;
        // One after the other within a company, from a statement of its own: the next one sees what the last
        // wrote, and nobody counts or records as new what another blocked meanwhile.
        sqlx::query_scalar!(
            r#"select 1 as "locked!" from pg_advisory_xact_lock($1, $2)"#,
            LOCK_BY_HAND,
            company.0
        )
        .fetch_one(&mut *transaction)
        .await?;
        let manual = BlockKind::Manual.bit();
        let ids: Vec<Uuid> = blocks.iter().map(|block| block.id).collect();
        let held =
            sqlx::query_file!("src/sql/blocks_held.sql", &ids, manual).fetch_one(&mut *transaction).await?;
        if let [only] = blocks
            && held.by_hand > 0
            && held.note.as_deref() == Some(only.reason.as_str())
            && held.source.as_deref() == Some(source)
        {
            transaction.rollback().await?;
            return Ok(0);
        }
        let kinds = sqlx::query_file_scalar!(
            "src/sql/block_by_hand.sql",
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
        let added = i64::try_from(blocks.len()).unwrap_or(i64::MAX) - held.by_hand;
        let changes = match blocks {
            // This kind is added here alone; a customer may have added another between the statements.
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

    /// Lifts kinds of a block; what is lifted whole is forgotten, its address too.
    pub async fn lift_by_hand(
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
        let mut connection = self.pool.alone().await?;
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
        let by_hand = left & BlockKind::Manual.bit() != 0;
        sqlx::query_file!("src/sql/lift_by_hand.sql", lift.id, left, by_hand, actor.as_str())
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
    let entry = json!({ "before": words(before), "after": words(after) });
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
        assert_eq!(words(bits(&[BlockKind::Manual, BlockKind::Stop])), ["stop", "blocked_by_hand"]);
    }
}

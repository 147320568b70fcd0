//! A block as programs read it, in answers of the API and with `--json`.
//!
//! Only a block by hand contains an address; of a block that the customer asked for, only the hash is stored.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use postrider_domain::ids::Medium;
use postrider_ledger::manual_blocks::{BlockRow, kind_words, opt_outs};

/// A blocked address.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Block)]
pub struct BlockView {
    pub id: Uuid,
    /// `email` or `sms`.
    pub medium: &'static str,
    /// Kinds of the block, the strongest first.
    pub kinds: Vec<&'static str>,
    /// Whether the customer asked for the block.
    pub opt_out: bool,
    pub blocked_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    /// Source of the last change.
    pub source: String,
    /// Present for a block by hand only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<BlockRow> for BlockView {
    fn from(row: BlockRow) -> BlockView {
        BlockView {
            id: row.id,
            medium: Medium::from_code(row.medium).map_or("unknown", Medium::as_str),
            kinds: kind_words(row.kinds),
            opt_out: opt_outs(row.kinds) != 0,
            blocked_at: row.since,
            changed_at: row.changed_at,
            source: row.source,
            address: row.address,
            reason: row.note,
        }
    }
}

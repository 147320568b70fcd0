//! One block as programs read it: in the API's answers and behind `--json`.
//!
//! It holds an address only where a person wrote it; of what customers asked for there is the hash alone.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use postrider_domain::ids::Medium;
use postrider_ledger::manual_blocks::{BlockRow, kind_words, opt_outs};

/// A blocked address.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BlockView {
    pub id: Uuid,
    /// `email` or `sms`.
    pub medium: &'static str,
    /// Why, the strongest first.
    pub kinds: Vec<&'static str>,
    /// Whether the customer asked for it.
    pub opt_out: bool,
    pub blocked_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    /// Through what it was changed last.
    pub source: String,
    /// Only of what was blocked by hand.
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

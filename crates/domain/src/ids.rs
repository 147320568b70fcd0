//! Newtypes for the ledger's ids, and the small closed sets that every stage shares.
//!
//! The stored numbers (`Medium::code`, `BlockKind::bit`) are part of the database's contents: never
//! renumber them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The lowest time-ordered id that can have been made at this time: where to begin in an index of ids.
/// Ids are made by the workers' clocks, so leave a margin.
#[must_use]
pub fn lowest_id_at(at: DateTime<Utc>) -> Uuid {
    let millis = u128::from(at.timestamp_millis().max(0).unsigned_abs());
    Uuid::from_u128(millis.min((1 << 48) - 1) << 80)
}

/// A company's number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CompanyId(pub i32);

/// An account's number in the ledger; it also names the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub i32);

/// A request's id (UUID v7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

/// A message's id; the first message of a request shares the request's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub Uuid);

/// The way a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// By email.
    Email,
    /// By text message.
    Sms,
}

impl Medium {
    /// Every medium, in the order of the stored numbers.
    pub const ALL: [Medium; 2] = [Medium::Email, Medium::Sms];

    /// The stored number.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Medium::Email => 0,
            Medium::Sms => 1,
        }
    }

    /// The medium with this stored number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Medium> {
        Medium::ALL.into_iter().find(|medium| medium.code() == code)
    }

    /// The stored and public word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Medium::Email => "email",
            Medium::Sms => "sms",
        }
    }
}

/// The reason for which an address is blocked; several may hold at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// The customer answered STOP; the only kind that START lifts.
    Stop,
    /// The customer used the unsubscribe link.
    Unsubscribed,
    /// The customer reported a message as spam.
    Complained,
    /// The provider reported that the address does not exist.
    HardBounced,
    /// Blocked by a person of the company.
    Manual,
}

impl BlockKind {
    /// Every kind, the strongest wish of the customer first.
    pub const ALL: [BlockKind; 5] = [
        BlockKind::Stop,
        BlockKind::Unsubscribed,
        BlockKind::Complained,
        BlockKind::HardBounced,
        BlockKind::Manual,
    ];

    /// The stored bit.
    #[must_use]
    pub fn bit(self) -> i32 {
        match self {
            BlockKind::Stop => 1,
            BlockKind::Unsubscribed => 2,
            BlockKind::Complained => 4,
            BlockKind::HardBounced => 8,
            BlockKind::Manual => 16,
        }
    }

    /// The kind that is shown for a set of stored bits: the first one of `ALL`.
    #[must_use]
    pub fn strongest(bits: i32) -> Option<BlockKind> {
        BlockKind::ALL.into_iter().find(|kind| bits & kind.bit() != 0)
    }

    /// The stored and public word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BlockKind::Stop => "stop",
            BlockKind::Unsubscribed => "unsubscribed",
            BlockKind::Complained => "complained",
            BlockKind::HardBounced => "hard_bounced",
            BlockKind::Manual => "blocked_by_hand",
        }
    }
}

//! What is asked of a provider about attempts whose truth is not known, and what it may answer.
//!
//! PURE. A look-up never sends anything. Absence is said only where the provider was asked completely;
//! whatever hindered the question is `Unclear`.

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::message::MessageId;

use super::ReceiptKind;

/// An attempt whose truth is sought at its provider.
#[derive(Clone)]
pub struct Sought {
    pub message: MessageId,
    pub attempt: i16,
    /// The request's id, which every text carries in its survey link.
    pub request: Uuid,
    /// Where it went: an email address or an E.164 number.
    pub to: String,
    /// Where the call's answer told it.
    pub provider_id: Option<String>,
    /// When the attempt was begun, by the database's clock.
    pub begun_at: DateTime<Utc>,
}

/// What a provider says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// The provider has it; the furthest that it tells.
    Found(Proof),
    /// Asked completely: the provider has no such message (yet).
    Absent,
    /// Could not be asked, or not to the end: says nothing. A code for logs and metrics.
    Unclear { code: String },
}

/// A provider's word that it has a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// `Accepted`, `Delivered` or `Failed`.
    pub kind: ReceiptKind,
    pub code: Option<String>,
    pub provider_id: Option<String>,
}

impl fmt::Debug for Sought {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Sought");
        // Not the address: this may come into a log.
        shown.field("message", &self.message).field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

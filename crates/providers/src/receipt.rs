//! What a provider tells us after the call, in the one form that the ledger takes.
//!
//! PURE. Every `wire.rs` parses its webhooks into these; `webhooks` checks the token and hands them to
//! the ledger in batches.

use postrider_domain::{ids::BlockKind, lifecycle::Signal};

use super::Correlation;

/// One authentic webhook, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What makes this notice unique at this account: signature token, or message SID and status.
    pub dedupe: String,
    /// SHA-256 of the content: the same `dedupe` with another hash is a forgery by replay.
    pub content: [u8; 32],
    /// Absent where the provider tells of an address only (inbound STOP).
    pub correlation: Option<Correlation>,
    pub kind: ReceiptKind,
    /// The provider's code, for timelines: `30003`, `5.1.1`.
    pub code: Option<String>,
    pub provider_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptKind {
    /// Proof that the provider has the message (queued, sending, sent, a temporary failure).
    Accepted,
    Delivered,
    /// Failed for good; the address is blocked where the failure proves it dead or unwilling.
    Failed {
        block: Option<BlockKind>,
    },
    /// The customer does not want more: blocks the message's address, leaves its state.
    Unwanted {
        block: BlockKind,
    },
    /// A text from `address` (E.164) that asks to stop; blocks it for the account's company.
    Stop {
        address: String,
    },
    /// A text that asks to start again; lifts only what STOP made.
    Start {
        address: String,
    },
    /// Authentic and of no consequence (opened, clicked, an ordinary text).
    Ignored,
}

impl ReceiptKind {
    /// What is written of a receipt about a message: its word, the signal it is if it moves the message, and
    /// how it blocks the recipient. The same whether the provider told it or was asked.
    #[must_use]
    pub fn written(&self) -> Option<(&'static str, Option<Signal>, Option<BlockKind>)> {
        match self {
            ReceiptKind::Accepted => Some(("accepted", Some(Signal::Accepted), None)),
            ReceiptKind::Delivered => Some(("delivered", Some(Signal::DeliveredReceipt), None)),
            ReceiptKind::Failed { block } => Some(("failed", Some(Signal::FailedReceipt), *block)),
            ReceiptKind::Unwanted { block } => Some((unwanted(*block), None, Some(*block))),
            ReceiptKind::Stop { .. } | ReceiptKind::Start { .. } | ReceiptKind::Ignored => None,
        }
    }
}

fn unwanted(block: BlockKind) -> &'static str {
    match block {
        BlockKind::Complained => "complained",
        BlockKind::Stop | BlockKind::Unsubscribed | BlockKind::HardBounced | BlockKind::Manual => {
            "unsubscribed"
        }
    }
}

/// Why a webhook changes nothing; the HTTP answer follows from it by provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookRefusal {
    /// The signature is missing, malformed or wrong.
    BadSignature,
    /// The timestamp is too old or in the future.
    OutOfTime,
    /// Authentic, but not what this provider's webhooks look like.
    Unreadable,
}

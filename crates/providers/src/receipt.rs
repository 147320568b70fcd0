//! A receipt: later news from a provider about a message or an address, in the form that the ledger stores.
//!
//! PURE. The `webhook.rs` of each provider parses its webhooks into receipts; the worker's `webhooks::verify`
//! checks the token of the attempt and writes them in batches.

use postrider_domain::{ids::BlockKind, lifecycle::Signal};
use sha2::{Digest, Sha256};

use super::Correlation;

/// One authentic webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Unique per webhook at one account: Mailgun's signature token, or Twilio's message SID with the status.
    pub dedupe_key: String,
    /// `content_hash` of every field that decides anything. The same `dedupe_key` with another hash is a replayed signature on a forged event.
    pub content_hash: [u8; 32],
    /// The attempt that the receipt is about; `None` for an inbound text, which names an address only.
    pub correlation: Option<Correlation>,
    /// The news.
    pub kind: ReceiptKind,
    /// The provider's code, for timelines: `30003`, `5.1.1`.
    pub code: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
}

/// The news of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptKind {
    /// The provider has the message (queued, sending, sent, a temporary failure).
    Accepted,
    /// The message reached the recipient's server or handset.
    Delivered,
    /// Failed for good.
    Failed {
        /// The block of the address, if the failure proves that it is dead or opted out.
        block: Option<BlockKind>,
    },
    /// The customer complained or unsubscribed: blocks the address, leaves the message's state.
    Unwanted {
        /// The block of the address.
        block: BlockKind,
    },
    /// An inbound text that asks to stop: blocks the address for the account's company.
    Stop {
        /// E.164 number of the sender.
        address: String,
    },
    /// An inbound text that asks to start again: lifts a block made by `Stop`, and no other.
    Start {
        /// E.164 number of the sender.
        address: String,
    },
    /// Authentic and without effect (opened, clicked, an ordinary text).
    Ignored,
}

/// The columns that one kind of receipt fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredReceipt {
    /// The stored word: `accepted`, `delivered`, `failed`, `complained` or `unsubscribed`.
    pub kind: &'static str,
    /// The signal to the message's lifecycle; `None` leaves the state.
    pub signal: Option<Signal>,
    /// The block of the message's address.
    pub block: Option<BlockKind>,
}

impl ReceiptKind {
    /// The stored form of a receipt about a message, from a webhook and from a look-up alike. `None` for a kind
    /// that is about no message.
    #[must_use]
    pub fn stored_form(&self) -> Option<StoredReceipt> {
        let (kind, signal, block) = match self {
            ReceiptKind::Accepted => ("accepted", Some(Signal::Accepted), None),
            ReceiptKind::Delivered => ("delivered", Some(Signal::DeliveredReceipt), None),
            ReceiptKind::Failed { block } => ("failed", Some(Signal::FailedReceipt), *block),
            ReceiptKind::Unwanted { block: block @ BlockKind::Complained } => {
                ("complained", None, Some(*block))
            }
            ReceiptKind::Unwanted { block } => ("unsubscribed", None, Some(*block)),
            ReceiptKind::Stop { .. } | ReceiptKind::Start { .. } | ReceiptKind::Ignored => return None,
        };
        Some(StoredReceipt { kind, signal, block })
    }
}

/// The reason why a webhook changes nothing. `webhooks::routes` of the worker maps it to an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookRefusal {
    /// The signature is missing, malformed or wrong.
    BadSignature,
    /// The signed timestamp is too old, or in the future.
    OutOfTime,
    /// Authentic, but not of the shape of this provider's webhooks.
    Unreadable,
}

/// SHA-256 over the parts, each preceded by its length, so that two different lists have different inputs.
#[must_use]
pub fn content_hash(parts: &[&str]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_moves_between_parts_changes_the_hash() {
        assert_ne!(content_hash(&["ab", "c"]), content_hash(&["a", "bc"]));
        assert_ne!(content_hash(&["ab"]), content_hash(&["ab", ""]));
    }
}

//! The outcome of one call to a provider, as the call itself showed it.
//!
//! PURE. Later news of the same message are a `Receipt` or a `LookupResult`. The worker's `dispatch::outcome`
//! turns an `Outcome` into the next state of the message.

use std::time::Duration;

use postrider_domain::ids::BlockKind;

/// Result of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took the message.
    Accepted {
        /// The provider's id of the message, if the response was readable.
        provider_id: Option<String>,
    },
    /// Provably not sent.
    Refused(Refusal),
    /// The call was made, and its response is missing or proves nothing: the message may have been sent.
    Unknown {
        /// Shown in timelines: `timeout`, `reset`, `http_503`, `20500`.
        code: String,
    },
}

impl Outcome {
    /// `Unknown` with this code.
    #[must_use]
    pub fn unknown(code: impl Into<String>) -> Outcome {
        Outcome::Unknown { code: code.into() }
    }

    /// A refusal without a `retry_after`.
    #[must_use]
    pub fn refused(kind: RefusalKind, code: impl Into<String>) -> Outcome {
        Outcome::Refused(Refusal { kind, code: code.into(), retry_after: None })
    }
}

/// The proof that a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The part at fault, which decides about another try.
    pub kind: RefusalKind,
    /// The provider's code or ours, as shown in timelines: `21610`, `5.1.1`, `http_429`, `connect`.
    pub code: String,
    /// The wait that the provider asks for. It lengthens the wait of the retry schedule, and never shortens it.
    pub retry_after: Option<Duration>,
}

/// The reason of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// No byte of the message was written (no connection, no login). Not a try; the lane's breaker counts it.
    NotCalled,
    /// Temporary (rate limit, greylisting, full queue): the next try follows the retry schedule.
    ForNow,
    /// The account is misconfigured or suspended. Not a try; opens the lane's breaker.
    Account,
    /// This content is refused for good.
    Message,
    /// This recipient is refused for good.
    Recipient {
        /// The block of the address, if the refusal proves that it is dead or opted out.
        block: Option<BlockKind>,
    },
}

//! The words that every hold, drop, failure and retry carries.
//!
//! One word in database, log, metric, API and page. A reason is never renamed once released.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::BlockKind;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// Why a message is held, ended or tried again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason { $($(#[$doc])* #[serde(rename = $word)] $variant,)+ }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The stored and public word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $word,)+ }
            }

            /// The reason with this stored word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Reason> {
                match word { $($word => Some(Reason::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// The job said so.
    DoNotSend = "do_not_send",
    /// No address that an allowed medium can use.
    NoMedium = "no_medium",
    /// The customer answered STOP.
    Stop = "stop",
    /// The customer used the unsubscribe link.
    Unsubscribed = "unsubscribed",
    /// The customer reported a message as spam.
    Complained = "complained",
    /// The address does not exist.
    HardBounced = "hard_bounced",
    /// Blocked by a person of the company.
    BlockedByHand = "blocked_by_hand",
    /// The person was asked less than the suppression period ago.
    SuppressionPeriod = "suppression_period",
    /// Waited past its own suppression period, and a later request reserved the person.
    Overtaken = "overtaken",
    /// The customer answered before it was sent.
    Answered = "answered",
    /// A retry by hand, and the message before it was proved to have gone out.
    AlreadySent = "already_sent",
    /// Not sent within its time.
    Expired = "expired",
    /// Canceled by a person.
    CanceledByPerson = "canceled_by_person",
    /// Every attempt allowed was refused for now.
    RetriesExhausted = "retries_exhausted",
    /// The provider's answer was lost and no proof came in time.
    OutcomeUnknown = "outcome_unknown",
    /// The provider refused the message for good.
    RefusedByProvider = "refused_by_provider",
    /// The provider refused the recipient for good.
    RecipientRefused = "recipient_refused",
    /// The provider took it and reported its failure later.
    FailedAtProvider = "failed_at_provider",
    /// The text could not be rendered.
    RenderFailed = "render_failed",
    /// Holds: the provider asked to wait.
    RefusedForNow = "refused_for_now",
    /// Holds: the account cannot send (credentials, suspension).
    AccountMisconfigured = "account_misconfigured",
    /// Holds: no connection could be made.
    NotCalled = "not_called",
    /// Holds: no proof yet whether it went out.
    AwaitingProof = "awaiting_proof",
    /// Holds: workers crashed while they had it, the last one while it ran exclusively.
    Quarantined = "quarantined",
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<BlockKind> for Reason {
    fn from(kind: BlockKind) -> Reason {
        match kind {
            BlockKind::Stop => Reason::Stop,
            BlockKind::Unsubscribed => Reason::Unsubscribed,
            BlockKind::Complained => Reason::Complained,
            BlockKind::HardBounced => Reason::HardBounced,
            BlockKind::Manual => Reason::BlockedByHand,
        }
    }
}

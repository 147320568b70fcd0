//! The stored state of a message, and the six status words that users see.
//!
//! The stored number is `State as i16`; never renumber. The words are a promise to users.

use serde::Serialize;

/// Where a message stands, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum State {
    /// Due now or later; moved on by begin, its fence, a cancel, or expiry.
    Waiting = 0,
    /// An attempt is written down and its call may be in flight; moved on by settle or the sweeper.
    Sending = 1,
    /// A call was made and its answer never came; moved on by a receipt or the end of its window.
    Unknown = 2,
    /// The provider has it; moved on by receipts.
    Sent = 3,
    /// An end: the provider says the customer has it.
    Delivered = 4,
    /// Failed as far as we can tell; yields to a provider's proof.
    PresumedFailed = 5,
    /// An end: a provider refused it or reported its failure.
    Failed = 6,
    /// An end: the rules or the fence suppressed it.
    Suppressed = 7,
    /// An end: a person canceled it before it was begun.
    Canceled = 8,
}

/// The status word that users see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waiting, sending, or sent with an unknown outcome.
    Queued,
    /// The provider has it.
    Sent,
    /// The provider reports the delivery.
    Delivered,
    /// Refused for good, or presumed failed.
    Failed,
    /// Ended by a rule or the fence, never sent.
    Suppressed,
    /// Ended by a person, never sent.
    Canceled,
}

impl State {
    /// Every state, by its stored number.
    pub const ALL: [State; 9] = [
        State::Waiting,
        State::Sending,
        State::Unknown,
        State::Sent,
        State::Delivered,
        State::PresumedFailed,
        State::Failed,
        State::Suppressed,
        State::Canceled,
    ];

    /// `Status::rank` of every stored state, by its number: the database compares messages by it.
    #[must_use]
    pub fn ranks() -> [u8; State::ALL.len()] {
        State::ALL.map(|state| state.status().rank())
    }

    /// The stored number.
    #[must_use]
    pub fn code(self) -> i16 {
        i16::from(self as u8)
    }

    /// The state with this stored number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<State> {
        State::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The word that users see.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            State::Waiting | State::Sending | State::Unknown => Status::Queued,
            State::Sent => Status::Sent,
            State::Delivered => Status::Delivered,
            State::PresumedFailed | State::Failed => Status::Failed,
            State::Suppressed => Status::Suppressed,
            State::Canceled => Status::Canceled,
        }
    }

    /// The detail shown within *queued*.
    #[must_use]
    pub fn detail(self) -> Option<&'static str> {
        match self {
            State::Waiting => Some("waiting"),
            State::Sending => Some("sending"),
            State::Unknown => Some("unknown"),
            State::Sent
            | State::Delivered
            | State::PresumedFailed
            | State::Failed
            | State::Suppressed
            | State::Canceled => None,
        }
    }

    /// Whether only a provider's proof can still move it.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            State::Waiting | State::Sending | State::Unknown | State::Sent => false,
            State::Delivered
            | State::PresumedFailed
            | State::Failed
            | State::Suppressed
            | State::Canceled => true,
        }
    }
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 6] = [
        Status::Queued,
        Status::Sent,
        Status::Delivered,
        Status::Failed,
        Status::Suppressed,
        Status::Canceled,
    ];

    /// Progress of a message: a request has the status of its message with the highest rank.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Status::Delivered => 5,
            Status::Sent => 4,
            Status::Queued => 3,
            Status::Failed => 2,
            Status::Canceled => 1,
            Status::Suppressed => 0,
        }
    }

    /// The public word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Queued => "queued",
            Status::Sent => "sent",
            Status::Delivered => "delivered",
            Status::Failed => "failed",
            Status::Suppressed => "suppressed",
            Status::Canceled => "canceled",
        }
    }

    /// The status with this public word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

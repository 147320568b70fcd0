//! The stored state of a message, and the six words that users see.
//!
//! The stored number is `State as i16`; never renumber. The words are a promise to users.

use serde::Serialize;

/// Where a message stands, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum State {
    /// Due now or later; moved on by begin, by its fence, by pause's and cancel's callers, by expiry.
    Waiting = 0,
    /// An attempt is written down and its call may be under way; moved on by settle or the sweeper.
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
    /// An end: the rules or the fence kept it back.
    Suppressed = 7,
    /// An end: a person took it back before it was begun.
    Canceled = 8,
}

/// The status word that users see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Queued,
    Sent,
    Delivered,
    Failed,
    Suppressed,
    Canceled,
}

impl State {
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

    #[must_use]
    pub fn from_code(code: i16) -> Option<State> {
        State::ALL.into_iter().find(|state| state.code() == code)
    }

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

    /// Nothing but a provider's proof moves it any more.
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
    pub const ALL: [Status; 6] = [
        Status::Queued,
        Status::Sent,
        Status::Delivered,
        Status::Failed,
        Status::Suppressed,
        Status::Canceled,
    ];

    /// How far it is: a request stands as its furthest message does.
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

    #[must_use]
    pub fn parse(word: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

//! Why no head of an answer came, and what that means for a call that may send.
//!
//! The tests of `reqwest`'s errors are in an order that matters: a connect timeout is both a timeout and
//! a failure to connect.

use crate::{Outcome, RefusalKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransportError {
    /// The URL or a header of the account's settings is unusable; nothing was called.
    Unusable,
    /// Nothing of the call was written.
    Unreached,
    Timeout,
    Reset,
}

impl TransportError {
    pub(super) fn of(error: &reqwest::Error) -> TransportError {
        if error.is_builder() {
            TransportError::Unusable
        } else if error.is_connect() {
            TransportError::Unreached
        } else if error.is_timeout() {
            TransportError::Timeout
        } else {
            TransportError::Reset
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            TransportError::Unusable => "settings_unusable",
            TransportError::Unreached => "connect",
            TransportError::Timeout => "timeout",
            TransportError::Reset => "reset",
        }
    }

    /// What it means for a call that may send.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            TransportError::Unusable => Outcome::refused(RefusalKind::Account, self.code()),
            TransportError::Unreached => Outcome::refused(RefusalKind::NotCalled, self.code()),
            TransportError::Timeout | TransportError::Reset => {
                Outcome::Unknown { code: self.code().to_owned() }
            }
        }
    }
}

//! The failures of a call before the head of its response, and the outcome of each for a sending call.
//!
//! Only a failure before the first written byte proves that no message was sent. The failures of a response's body
//! are `ResponseBody::Incomplete` instead.

use crate::{Outcome, RefusalKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransportError {
    /// The account's settings make no valid URL or header; nothing was called.
    InvalidSettings,
    /// No byte of the call was written.
    NotConnected,
    /// The call was written, and its time ended before the response head.
    Timeout,
    /// The call was written, and the connection broke before the response head.
    Reset,
}

impl TransportError {
    /// The order of the tests matters: `reqwest` reports a connect timeout as a timeout and as a connect error.
    pub(super) fn from_reqwest(error: &reqwest::Error) -> TransportError {
        if error.is_builder() {
            TransportError::InvalidSettings
        } else if error.is_connect() {
            TransportError::NotConnected
        } else if error.is_timeout() {
            TransportError::Timeout
        } else {
            TransportError::Reset
        }
    }

    /// The code in timelines, logs and metrics.
    pub(super) fn code(self) -> &'static str {
        match self {
            TransportError::InvalidSettings => "settings_unusable",
            TransportError::NotConnected => "connect",
            TransportError::Timeout => "timeout",
            TransportError::Reset => "reset",
        }
    }

    /// The outcome of a sending call.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            TransportError::InvalidSettings => Outcome::refused(RefusalKind::Account, self.code()),
            TransportError::NotConnected => Outcome::refused(RefusalKind::NotCalled, self.code()),
            TransportError::Timeout | TransportError::Reset => Outcome::unknown(self.code()),
        }
    }
}

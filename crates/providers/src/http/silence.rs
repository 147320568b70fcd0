//! Why no head of an answer came, and what that means for a call that may send.
//!
//! The tests of `reqwest`'s errors are in an order that matters: a connect timeout is both a timeout and
//! a failure to connect.

use crate::{Outcome, RefusalKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// The URL or a header of the account's settings is unusable; nothing was called.
    Unusable,
    /// Nothing of the call was written.
    Unreached,
    Timeout,
    Reset,
}

impl Silence {
    pub(super) fn of(error: &reqwest::Error) -> Silence {
        if error.is_builder() {
            Silence::Unusable
        } else if error.is_connect() {
            Silence::Unreached
        } else if error.is_timeout() {
            Silence::Timeout
        } else {
            Silence::Reset
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Silence::Unusable => "settings_unusable",
            Silence::Unreached => "connect",
            Silence::Timeout => "timeout",
            Silence::Reset => "reset",
        }
    }

    /// What it means for a call that may send.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Silence::Unusable => Outcome::refused(RefusalKind::Account, self.code()),
            Silence::Unreached => Outcome::refused(RefusalKind::NotCalled, self.code()),
            Silence::Timeout | Silence::Reset => Outcome::Unknown { code: self.code().to_owned() },
        }
    }
}

//! The medium of a run's requests, and the state that a request must reach to count.
//!
//! Both are command-line arguments (`run/arguments.rs`) and part of every stored result.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The medium of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    Sms,
    Email,
}

impl Medium {
    pub fn as_str(self) -> &'static str {
        match self {
            Medium::Sms => "sms",
            Medium::Email => "email",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Medium::Sms => "SMS",
            Medium::Email => "Email",
        }
    }
}

/// How far a request must have come to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The provider took it, and the row's table says so. No webhook is posted.
    Sent,
    /// The provider's signed webhook says that the customer has it, and the table says so.
    Delivered,
}

impl Goal {
    /// The webhooks of both providers cost alike, so email is measured to *sent* only.
    pub fn of(medium: Medium) -> &'static [Goal] {
        match medium {
            Medium::Sms => &[Goal::Sent, Goal::Delivered],
            Medium::Email => &[Goal::Sent],
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Goal::Sent => "sent",
            Goal::Delivered => "delivered",
        }
    }
}

//! What the simulator writes down: calls, acceptances, and what was told of them afterwards.
//!
//! No I/O. These are also the lines of the ledger file. `book` holds them in memory, `disk` writes them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    Mailgun,
    Twilio,
    Smtp,
}

impl Provider {
    pub const ALL: [Provider; 3] = [Provider::Mailgun, Provider::Twilio, Provider::Smtp];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Mailgun => "mailgun",
            Provider::Twilio => "twilio",
            Provider::Smtp => "smtp",
        }
    }
}

impl PartialEq<&str> for Provider {
    fn eq(&self, word: &&str) -> bool {
        self.as_str() == *word
    }
}

/// One message that a provider took: the proof of what was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    pub provider: Provider,
    /// Twilio's SID, Mailgun's message id without its brackets, the relay's queue id.
    pub provider_id: String,
    pub recipient: String,
    pub from: String,
    /// The text of an SMS, the subject of an email.
    pub text_or_subject: String,
    /// The message's id as a hyphenated UUID, where the call carried one.
    pub correlation: Option<String>,
    pub attempt: Option<i16>,
    pub accepted_at: DateTime<Utc>,
    /// The MIME or the form, as received, up to `Behaviour::raw_bytes_max`.
    #[serde(with = "base64_text", default)]
    pub raw: Vec<u8>,
    /// The provider's own word for where it stands.
    pub last_status: String,
}

/// One call that named a recipient, whatever came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    pub provider: Provider,
    pub recipient: String,
    pub correlation: Option<String>,
    pub attempt: Option<i16>,
    pub verdict: Verdict,
    /// Whether its answer, if there is one, proves neither an acceptance nor a refusal.
    pub doubtful: bool,
    pub started_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    /// The provider's code: `21610`, `429`, `550 5.1.1`.
    Refused(String),
    /// Neither: still under way, reset, or left by the caller.
    None,
}

/// What look-ups and receipts need beyond the acceptance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Detail {
    /// Twilio's account SID, Mailgun's domain.
    pub account: String,
    /// Where Twilio posts the statuses of this message.
    pub callback: Option<String>,
    /// Mailgun's `v:` variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    pub service: Option<String>,
}

/// What the provider tells of a message after it took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Notice {
    Sent,
    Delivered,
    TemporaryFailure,
    Bounced,
    Suppressed,
    Rejected,
    Complained,
    Unsubscribed,
    LateBounce,
    Undelivered {
        code: u32,
    },
    Failed {
        code: u32,
    },
    /// The customer texts STOP; `typed` when the provider names it so (Advanced Opt-Out).
    Stopped {
        typed: bool,
    },
}

impl Notice {
    /// The provider's word for the message afterwards; a text of the customer is no status.
    pub(super) fn status(self) -> Option<&'static str> {
        match self {
            Notice::Sent => Some("sent"),
            Notice::Delivered => Some("delivered"),
            Notice::TemporaryFailure
            | Notice::Bounced
            | Notice::Suppressed
            | Notice::LateBounce
            | Notice::Failed { .. } => Some("failed"),
            Notice::Rejected => Some("rejected"),
            Notice::Complained => Some("complained"),
            Notice::Unsubscribed => Some("unsubscribed"),
            Notice::Undelivered { .. } => Some("undelivered"),
            Notice::Stopped { .. } => None,
        }
    }
}

/// A notice with its time and an id that all its postings share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub notice: Notice,
    /// A webhook about it was answered 2xx; a restart forgets it.
    #[serde(skip)]
    pub acknowledged: bool,
}

/// A status that was told of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub provider_id: String,
    /// The provider's word, as in `Accepted::last_status`.
    pub status: &'static str,
    /// Whether its webhook was answered 2xx.
    pub acknowledged: bool,
}

/// One line of the ledger file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    Accepted { accepted: Box<Accepted>, detail: Box<Detail> },
    Told { provider_id: String, told: Told },
}

/// Which message and attempt a call is for, as Postrider writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Correlation {
    pub message: Option<String>,
    pub attempt: Option<i16>,
}

impl Correlation {
    pub(super) fn new(message: Option<&str>, attempt: Option<&str>) -> Correlation {
        Correlation {
            message: message
                .map(|text| Uuid::parse_str(text).map_or_else(|_| text.to_owned(), |id| id.to_string())),
            attempt: attempt.and_then(|text| text.parse().ok()),
        }
    }

    /// Reads `{uuid simple}.{attempt}@{domain}`.
    pub(super) fn from_message_id(message_id: &str) -> Correlation {
        let local = message_id.split('@').next().unwrap_or_default();
        match local.split_once('.') {
            Some((message, attempt)) if Uuid::parse_str(message).is_ok() => {
                Correlation::new(Some(message), Some(attempt))
            }
            Some(_) | None => Correlation::default(),
        }
    }

    pub(super) fn or(self, other: Correlation) -> Correlation {
        Correlation { message: self.message.or(other.message), attempt: self.attempt.or(other.attempt) }
    }
}

mod base64_text {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

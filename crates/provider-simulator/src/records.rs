//! The records of the simulator's journal: calls, accepted messages, and the status events that follow.
//!
//! No I/O. `JournalLine` is a line of the journal file. `call_log` holds the records in memory, `journal_file`
//! writes them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A simulated provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    Mailgun,
    Twilio,
    Smtp,
}

impl Provider {
    /// All providers, in the order of their discriminants.
    pub const ALL: [Provider; 3] = [Provider::Mailgun, Provider::Twilio, Provider::Smtp];

    /// The provider's name in lower case.
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
    fn eq(&self, name: &&str) -> bool {
        self.as_str() == *name
    }
}

/// A message that a provider accepted: the proof that it was sent.
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
    /// The MIME message or the form, as received, up to `Behaviour::raw_bytes_max`.
    #[serde(with = "base64_text", default)]
    pub raw: Vec<u8>,
    /// The provider's own word for the message's latest status.
    pub last_status: String,
}

/// One call that named a recipient, whatever its result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    pub provider: Provider,
    pub recipient: String,
    pub correlation: Option<String>,
    pub attempt: Option<i16>,
    pub verdict: Verdict,
    /// Whether the answer, if there is one, proves neither an acceptance nor a refusal.
    pub doubtful: bool,
    pub started_at: DateTime<Utc>,
}

/// The provider's decision about one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    /// The provider's code: `21610`, `429`, `550 5.1.1`.
    Refused(String),
    /// Neither: still in progress, reset, or abandoned by the caller.
    None,
}

/// A status event of an accepted message, as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedStatus {
    pub provider_id: String,
    /// The provider's word, as in `Accepted::last_status`.
    pub status: &'static str,
    /// Whether its webhook was answered 2xx.
    pub acknowledged: bool,
}

/// A message that a provider is about to accept.
#[derive(Debug)]
pub(crate) struct IncomingMessage {
    pub provider: Provider,
    pub provider_id: String,
    pub recipient: String,
    pub from: String,
    pub text_or_subject: String,
    pub correlation: Correlation,
    pub detail: AcceptanceDetail,
    pub raw: Vec<u8>,
}

/// Fields of an acceptance that only lookups and webhooks need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AcceptanceDetail {
    /// Twilio's account SID, Mailgun's domain.
    pub account: String,
    /// The URL for Twilio's status callbacks of this message.
    pub callback: Option<String>,
    /// Mailgun's `v:` variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Twilio's messaging service SID.
    pub service: Option<String>,
}

/// A later report of the provider about an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusEvent {
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
    /// The customer texts STOP; `typed`: the webhook carries an `OptOutType` (Advanced Opt-Out).
    Stopped {
        typed: bool,
    },
}

impl StatusEvent {
    /// The provider's word for the message's status after the event; `None` for a customer's text.
    pub(crate) fn status(self) -> Option<&'static str> {
        match self {
            StatusEvent::Sent => Some("sent"),
            StatusEvent::Delivered => Some("delivered"),
            StatusEvent::TemporaryFailure
            | StatusEvent::Bounced
            | StatusEvent::Suppressed
            | StatusEvent::LateBounce
            | StatusEvent::Failed { .. } => Some("failed"),
            StatusEvent::Rejected => Some("rejected"),
            StatusEvent::Complained => Some("complained"),
            StatusEvent::Unsubscribed => Some("unsubscribed"),
            StatusEvent::Undelivered { .. } => Some("undelivered"),
            StatusEvent::Stopped { .. } => None,
        }
    }
}

/// A status event with its time and the id that all its webhooks share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedEvent {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub event: StatusEvent,
    /// A webhook of the event was answered 2xx. Not stored: false after a restart.
    #[serde(skip)]
    pub acknowledged: bool,
}

/// One line of the journal file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum JournalLine {
    Accepted { accepted: Box<Accepted>, detail: Box<AcceptanceDetail> },
    Event { provider_id: String, recorded: RecordedEvent },
}

/// The message id and the attempt number that a call of Postrider carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Correlation {
    /// A hyphenated UUID where the text is a UUID.
    pub message: Option<String>,
    pub attempt: Option<i16>,
}

impl Correlation {
    pub(crate) fn new(message: Option<&str>, attempt: Option<&str>) -> Correlation {
        Correlation {
            message: message
                .map(|text| Uuid::parse_str(text).map_or_else(|_| text.to_owned(), |id| id.to_string())),
            attempt: attempt.and_then(|text| text.parse().ok()),
        }
    }

    /// Reads `{uuid simple}.{attempt}@{domain}`.
    pub(crate) fn from_message_id(message_id: &str) -> Correlation {
        let local = message_id.split('@').next().unwrap_or_default();
        match local.split_once('.') {
            Some((message, attempt)) if Uuid::parse_str(message).is_ok() => {
                Correlation::new(Some(message), Some(attempt))
            }
            Some(_) | None => Correlation::default(),
        }
    }

    /// Fills the absent fields from `other`.
    pub(crate) fn or(self, other: Correlation) -> Correlation {
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

//! One event of Mailgun, as webhooks and look-ups show it, and its news of a message.
//!
//! PURE. A block of the address needs proof: Mailgun's own suppression list, or an enhanced code of a dead address.
//! Source: documentation.mailgun.com, "Tracking messages".

use serde::Deserialize;
use serde_json::Value;

use crate::{ReceiptKind, correlation::NAMES, smtp::enhanced_status::EnhancedStatus};
use postrider_domain::ids::BlockKind;

/// Longest text that is read from a nested field; it becomes a code or a key.
const TEXT_CHARS_MAX: usize = 1_000;

/// The fields of an event that are read. Only `event` is always there; numbers sometimes come as text.
#[derive(Deserialize)]
pub(super) struct Event {
    pub event: String,
    pub id: Option<String>,
    pub timestamp: Option<Value>,
    pub severity: Option<String>,
    pub reason: Option<String>,
    pub recipient: Option<String>,
    #[serde(rename = "delivery-status")]
    delivery_status: Option<Value>,
    #[serde(rename = "user-variables")]
    user_variables: Option<Value>,
    message: Option<Value>,
}

impl Event {
    /// The news of the message, and the code for timelines: the enhanced code, else the SMTP code.
    pub(super) fn news(&self) -> (ReceiptKind, Option<String>) {
        let code = self.status_code();
        let enhanced = self.enhanced_status();
        let kind = self.kind(code.as_deref(), enhanced);
        (kind, enhanced.map(|code| code.to_string()).or(code))
    }

    /// The Message-ID header without its angle brackets, with which it comes sometimes.
    pub(super) fn message_id(&self) -> Option<String> {
        let id = text_at(self.message.as_ref(), &["headers", "message-id"])?;
        Some(id.trim().trim_start_matches('<').trim_end_matches('>').to_owned()).filter(|id| !id.is_empty())
    }

    /// The values of the correlation, in the order of `NAMES`.
    pub(super) fn variables(&self) -> [Option<String>; 3] {
        NAMES.map(|name| text_at(self.user_variables.as_ref(), &[name]))
    }

    /// The SMTP reply code of the recipient's server, or Mailgun's own 6xx.
    pub(super) fn status_code(&self) -> Option<String> {
        self.status_text("code")
    }

    /// The enhanced code of the recipient's server: a field of newer events, else part of the reply's text.
    pub(super) fn enhanced_status(&self) -> Option<EnhancedStatus> {
        let fields = ["enhanced-code", "bounce-code", "message"];
        fields.iter().find_map(|field| EnhancedStatus::find(&self.status_text(field)?))
    }

    fn kind(&self, code: Option<&str>, enhanced: Option<EnhancedStatus>) -> ReceiptKind {
        match (self.event.as_str(), self.severity.as_deref()) {
            ("accepted", _) => ReceiptKind::Accepted,
            ("delivered", _) => ReceiptKind::Delivered,
            ("failed", Some("permanent")) => ReceiptKind::Failed { block: self.block(code, enhanced) },
            // A temporary failure: Mailgun itself tries again.
            ("failed", _) => ReceiptKind::Accepted,
            ("rejected", _) => ReceiptKind::Failed { block: None },
            ("complained", _) => ReceiptKind::Unwanted { block: BlockKind::Complained },
            ("unsubscribed", _) => ReceiptKind::Unwanted { block: BlockKind::Unsubscribed },
            _ => ReceiptKind::Ignored,
        }
    }

    fn block(&self, code: Option<&str>, enhanced: Option<EnhancedStatus>) -> Option<BlockKind> {
        match (self.reason.as_deref(), code) {
            (Some("suppress-bounce"), _) | (_, Some("605")) => Some(BlockKind::HardBounced),
            (Some("suppress-unsubscribe"), _) | (_, Some("606")) => Some(BlockKind::Unsubscribed),
            (Some("suppress-complaint"), _) | (_, Some("607")) => Some(BlockKind::Complained),
            _ => enhanced.filter(|code| code.is_dead_address()).map(|_| BlockKind::HardBounced),
        }
    }

    fn status_text(&self, field: &str) -> Option<String> {
        text_at(self.delivery_status.as_ref(), &[field])
    }
}

/// The text or number at a path of field names.
fn text_at(value: Option<&Value>, path: &[&str]) -> Option<String> {
    match path.iter().try_fold(value?, |value, name| value.get(name))? {
        Value::String(text) if !text.is_empty() => Some(text.chars().take(TEXT_CHARS_MAX).collect()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

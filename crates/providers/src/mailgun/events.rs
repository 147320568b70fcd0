//! Mailgun's events: what they tell, in webhooks and in look-ups, and who signed a webhook.
//!
//! PURE. A webhook's signature covers a timestamp and a token, **not** the event: a captured triple
//! authenticates any body. So the token is the receipt's `dedupe`, its content is fingerprinted, and
//! old timestamps are refused. Everything of the event that decides anything is in the fingerprint.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::{
    Receipt, ReceiptKind, WebhookRefusal,
    correlation::{NAMES, fingerprint, from_values},
    enhanced::Enhanced,
};
use postrider_domain::ids::BlockKind;

/// Mailgun retries for about 8 h; whether a retry has a new timestamp is not documented.
const AGE_MAX: TimeDelta = TimeDelta::hours(24);
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);
/// Ten digits until the year 2286. Exact, because the signature covers timestamp and token as one
/// string: were their lengths free, a digit could move from one to the other under one signature.
const TIMESTAMP_DIGITS: usize = 10;
/// Fifty today.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 32..=64;

/// The `signature` part of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Signature {
    pub timestamp: String,
    pub token: String,
    pub signature: String,
}

/// Verifies a webhook's signature against every key (several during a rotation), and its age.
///
/// # Errors
///
/// `BadSignature` where it is malformed or made with another key, `OutOfTime` where it is older than
/// 24 h or more than 5 min ahead.
pub fn verify(keys: &[SecretString], given: &Signature, now: DateTime<Utc>) -> Result<(), WebhookRefusal> {
    let digits = given.timestamp.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || given.timestamp.len() != TIMESTAMP_DIGITS || !TOKEN_BYTES.contains(&given.token.len()) {
        return Err(WebhookRefusal::BadSignature);
    }
    let mut stated = [0u8; 32];
    hex::decode_to_slice(&given.signature, &mut stated).map_err(|_| WebhookRefusal::BadSignature)?;
    let mut matching = Choice::from(0);
    // Anybody could sign with an empty key.
    for key in keys.iter().map(|key| key.expose_secret().as_bytes()).filter(|key| !key.is_empty()) {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(given.timestamp.as_bytes());
        mac.update(given.token.as_bytes());
        let signed: [u8; 32] = mac.finalize().into_bytes().into();
        matching |= signed.ct_eq(&stated);
    }
    if !bool::from(matching) {
        return Err(WebhookRefusal::BadSignature);
    }
    let signed_at = given.timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let age = now - signed_at.ok_or(WebhookRefusal::OutOfTime)?;
    if age > AGE_MAX || age < -AHEAD_MAX { Err(WebhookRefusal::OutOfTime) } else { Ok(()) }
}

/// Parses a webhook; its signature is inside, so that parsing comes first. Use the receipt only after
/// `verify`.
///
/// # Errors
///
/// `Unreadable` where the body is not JSON of this shape.
pub fn parse_event(body: &[u8]) -> Result<(Signature, Receipt), WebhookRefusal> {
    let Webhook { signature, event } =
        serde_json::from_slice(body).map_err(|_| WebhookRefusal::Unreadable)?;
    let receipt = event.receipt(&signature.token);
    Ok((signature, receipt))
}

#[derive(Deserialize)]
struct Webhook {
    signature: Signature,
    #[serde(rename = "event-data")]
    event: Event,
}

/// What is read of an event. Only its kind is certain to be there; numbers sometimes come as text.
#[derive(Deserialize)]
pub(super) struct Event {
    event: String,
    id: Option<String>,
    timestamp: Option<Value>,
    severity: Option<String>,
    reason: Option<String>,
    recipient: Option<String>,
    #[serde(rename = "delivery-status")]
    status: Option<Value>,
    #[serde(rename = "user-variables")]
    variables: Option<Value>,
    message: Option<Value>,
}

impl Event {
    fn receipt(&self, token: &str) -> Receipt {
        let [message, attempt, correlation_token] =
            NAMES.map(|name| text_at(self.variables.as_ref(), &[name]));
        let correlation = from_values(message.as_deref(), attempt.as_deref(), correlation_token.as_deref());
        let status_code = self.status_text("code");
        let enhanced = self.enhanced();
        let (told, code) = self.told();
        // Without it, it is other mail of the same domain: authentic, and not ours to act on.
        let kind = if correlation.is_some() { told } else { ReceiptKind::Ignored };
        let provider_id = self.message_id();
        let plain = |text: &Option<String>| text.clone().unwrap_or_default();
        Receipt {
            dedupe: token.to_owned(),
            content: fingerprint(&[
                &plain(&self.id),
                &self.event,
                &plain(&self.severity),
                &plain(&self.reason),
                &plain(&self.recipient),
                &plain(&message),
                &plain(&attempt),
                &plain(&correlation_token),
                &self.timestamp.as_ref().map(Value::to_string).unwrap_or_default(),
                &plain(&status_code),
                &enhanced.map(|code| code.to_string()).unwrap_or_default(),
                &plain(&provider_id),
            ]),
            correlation,
            kind,
            code,
            provider_id,
        }
    }

    /// What the event says of its message, and the code that goes with it.
    pub(super) fn told(&self) -> (ReceiptKind, Option<String>) {
        let code = self.status_text("code");
        let enhanced = self.enhanced();
        let kind = self.kind(code.as_deref(), enhanced);
        (kind, enhanced.map(|code| code.to_string()).or(code))
    }

    /// The Message-Id header without its brackets: mostly it comes so, sometimes with them.
    pub(super) fn message_id(&self) -> Option<String> {
        let id = text_at(self.message.as_ref(), &["headers", "message-id"])?;
        Some(id.trim().trim_start_matches('<').trim_end_matches('>').to_owned()).filter(|id| !id.is_empty())
    }

    fn kind(&self, code: Option<&str>, enhanced: Option<Enhanced>) -> ReceiptKind {
        match (self.event.as_str(), self.severity.as_deref()) {
            ("accepted", _) => ReceiptKind::Accepted,
            ("delivered", _) => ReceiptKind::Delivered,
            ("failed", Some("permanent")) => ReceiptKind::Failed { block: self.block(code, enhanced) },
            // Mailgun has it and goes on trying by itself.
            ("failed", _) => ReceiptKind::Accepted,
            ("rejected", _) => ReceiptKind::Failed { block: None },
            ("complained", _) => ReceiptKind::Unwanted { block: BlockKind::Complained },
            ("unsubscribed", _) => ReceiptKind::Unwanted { block: BlockKind::Unsubscribed },
            _ => ReceiptKind::Ignored,
        }
    }

    /// The address is blocked only where Mailgun's own list or the other side's code proves it.
    fn block(&self, code: Option<&str>, enhanced: Option<Enhanced>) -> Option<BlockKind> {
        match (self.reason.as_deref(), code) {
            (Some("suppress-bounce"), _) | (_, Some("605")) => Some(BlockKind::HardBounced),
            (Some("suppress-unsubscribe"), _) | (_, Some("606")) => Some(BlockKind::Unsubscribed),
            (Some("suppress-complaint"), _) | (_, Some("607")) => Some(BlockKind::Complained),
            _ => enhanced.filter(|code| code.is_dead_address()).map(|_| BlockKind::HardBounced),
        }
    }

    /// The other side's enhanced code: in a field of its own on newer events, else in its words.
    fn enhanced(&self) -> Option<Enhanced> {
        let fields = ["enhanced-code", "bounce-code", "message"];
        fields.iter().find_map(|field| Enhanced::find(&self.status_text(field)?))
    }

    fn status_text(&self, field: &str) -> Option<String> {
        text_at(self.status.as_ref(), &[field])
    }
}

/// The text or number at a path; bounded, because it becomes a code or a key.
fn text_at(value: Option<&Value>, path: &[&str]) -> Option<String> {
    match path.iter().try_fold(value?, |value, name| value.get(name))? {
        Value::String(text) if !text.is_empty() => Some(text.chars().take(1000).collect()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

//! Mailgun's webhooks as receipts.
//!
//! PURE. The signature is part of the body, so parsing comes before `signature::verify`. The signature does not cover
//! the event; therefore every field that decides anything is part of the receipt's `content_hash`.

use serde::Deserialize;
use serde_json::Value;

use crate::{Correlation, Receipt, ReceiptKind, WebhookRefusal, receipt::content_hash};

use super::{event::Event, signature::Signature};

/// The signature and the receipt in a webhook. Use the receipt only after `verify` of the signature.
///
/// # Errors
///
/// `Unreadable` if the body is not JSON of this shape.
pub fn parse_event(body: &[u8]) -> Result<(Signature, Receipt), WebhookRefusal> {
    let WebhookBody { signature, event } =
        serde_json::from_slice(body).map_err(|_| WebhookRefusal::Unreadable)?;
    let receipt = receipt(&event, &signature.token);
    Ok((signature, receipt))
}

#[derive(Deserialize)]
struct WebhookBody {
    signature: Signature,
    #[serde(rename = "event-data")]
    event: Event,
}

fn receipt(event: &Event, signature_token: &str) -> Receipt {
    let variables = event.variables();
    let correlation = Correlation::from_values(variables.each_ref().map(Option::as_deref));
    let [message, attempt, token] = &variables;
    let (kind, code) = event.news();
    // Without a correlation it is other mail of the same domain: authentic, and not about a message of ours.
    let kind = if correlation.is_some() { kind } else { ReceiptKind::Ignored };
    let provider_id = event.message_id();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Receipt {
        dedupe_key: signature_token.to_owned(),
        content_hash: content_hash(&[
            &text(&event.id),
            &event.event,
            &text(&event.severity),
            &text(&event.reason),
            &text(&event.recipient),
            &text(message),
            &text(attempt),
            &text(token),
            &event.timestamp.as_ref().map(Value::to_string).unwrap_or_default(),
            &text(&event.status_code()),
            &event.enhanced_status().map(|code| code.to_string()).unwrap_or_default(),
            &text(&provider_id),
        ]),
        correlation,
        kind,
        code,
        provider_id,
    }
}

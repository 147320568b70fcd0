//! Mailgun's events, and the signed webhook of one event.
//!
//! As at the real Mailgun, webhooks and lookups carry the same `event-data`, and the signature covers only
//! timestamp and token.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    clock,
    records::{AcceptanceDetail, Accepted, RecordedEvent, StatusEvent},
    sign,
    state::SimulatorState,
    webhook_sender::WebhookPost,
};

/// The webhook of one event; `None` without a webhook URL.
pub(crate) fn webhook(
    state: &SimulatorState,
    accepted: &Accepted,
    detail: &AcceptanceDetail,
    recorded: &RecordedEvent,
) -> Option<WebhookPost> {
    // At the real Mailgun every sending domain has webhooks of its own.
    let label = detail.account.split('.').next().unwrap_or_default();
    let url = state.webhooks.urls().mailgun?.replace("{label}", label);
    let timestamp = clock::now().timestamp().to_string();
    // 50 characters, as real tokens.
    let token = format!("{}{}", clock::random_id().simple(), clock::random_id().simple())[..50].to_owned();
    let signature = sign::mailgun(&state.settings.mailgun_signing_key, &timestamp, &token);
    let body = json!({
        "signature": { "timestamp": timestamp, "token": token, "signature": signature },
        "event-data": event(accepted, detail, recorded),
    });
    Some(WebhookPost {
        url,
        content_type: "application/json",
        signature: None,
        body: body.to_string().into_bytes(),
    })
}

/// The first event of every message; only lookups show it.
pub(super) fn accepted_event(accepted: &Accepted, detail: &AcceptanceDetail) -> Value {
    // The id only has to differ from those of the message's other events.
    let id = format!("accepted-{}", accepted.provider_id);
    Value::Object(common_fields(accepted, detail, "accepted", &id, accepted.accepted_at))
}

/// A later event of a message.
pub(super) fn event(accepted: &Accepted, detail: &AcceptanceDetail, recorded: &RecordedEvent) -> Value {
    let (name, specific) = specific_fields(recorded.event);
    let id = recorded.id.simple().to_string();
    let mut event = common_fields(accepted, detail, name, &id[..22], recorded.at);
    if let Value::Object(specific) = specific {
        event.extend(specific);
    }
    if recorded.event == StatusEvent::LateBounce {
        event["flags"]["is-delayed-bounce"] = json!(true);
    }
    Value::Object(event)
}

fn common_fields(
    accepted: &Accepted,
    detail: &AcceptanceDetail,
    name: &str,
    id: &str,
    at: DateTime<Utc>,
) -> Map<String, Value> {
    let domain = accepted.recipient.rsplit('@').next().unwrap_or_default();
    let event = json!({
        "event": name,
        "id": id,
        "timestamp": at.timestamp_micros() as f64 / 1e6,
        "log-level": "info",
        "recipient": accepted.recipient,
        "recipient-domain": domain,
        "message": {
            "headers": {
                "message-id": accepted.provider_id,
                "to": accepted.recipient,
                "from": accepted.from,
                "subject": accepted.text_or_subject,
            },
            "attachments": [],
            "size": accepted.raw.len(),
        },
        "user-variables": detail.variables,
        "tags": [],
        "campaigns": [],
        "flags": {
            "is-routed": false,
            "is-authenticated": true,
            "is-system-test": false,
            "is-test-mode": false,
            "is-delayed-bounce": false,
        },
        "envelope": { "sender": accepted.from, "targets": accepted.recipient, "transport": "smtp" },
    });
    match event {
        Value::Object(fields) => fields,
        _not_an_object => Map::new(),
    }
}

/// The event's name and the fields of this kind of event alone.
fn specific_fields(event: StatusEvent) -> (&'static str, Value) {
    match event {
        StatusEvent::Sent => ("accepted", json!({})),
        StatusEvent::Delivered => ("delivered", json!({ "delivery-status": status(250, "", "OK", None) })),
        StatusEvent::TemporaryFailure => (
            "failed",
            json!({
                "severity": "temporary", "reason": "greylisted", "log-level": "warn",
                "delivery-status": status(450, "4.2.0", "Greylisted, come back later", Some(600)),
            }),
        ),
        StatusEvent::Bounced | StatusEvent::LateBounce => (
            "failed",
            failed("bounce", &status(550, "5.1.1", "5.1.1 The email account does not exist", None)),
        ),
        StatusEvent::Suppressed => (
            "failed",
            failed("suppress-unsubscribe", &status(606, "", "Not delivering to unsubscribed address", None)),
        ),
        StatusEvent::Failed { code } | StatusEvent::Undelivered { code } => {
            ("failed", failed("generic", &status(code, "", "", None)))
        }
        StatusEvent::Rejected => (
            "rejected",
            json!({
                "log-level": "warn",
                "reject": { "reason": "Sandbox subdomains are for test purposes only", "description": "" },
            }),
        ),
        StatusEvent::Complained => ("complained", json!({ "log-level": "warn" })),
        StatusEvent::Unsubscribed | StatusEvent::Stopped { .. } => {
            ("unsubscribed", json!({ "ip": "192.0.2.1", "client-info": { "client-type": "browser" } }))
        }
    }
}

fn failed(reason: &str, status: &Value) -> Value {
    json!({ "severity": "permanent", "reason": reason, "log-level": "error", "delivery-status": status })
}

fn status(code: u32, enhanced: &str, message: &str, retry_secs: Option<u32>) -> Value {
    json!({
        "code": code,
        "enhanced-code": enhanced,
        "message": message,
        "description": "",
        "attempt-no": 1,
        "retry-seconds": retry_secs,
        "mx-host": "mx.example.test",
        "tls": true,
        "certificate-verified": true,
        "utf8": true,
        "session-seconds": 0.25,
    })
}

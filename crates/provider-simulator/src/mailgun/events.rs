//! The shape of Mailgun's events, and the signed webhook around one.
//!
//! The same `event-data` goes to the webhook and into look-ups, as at the real one. The signature does
//! not cover it: it is over timestamp and token alone.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    records::{Accepted, Detail, Notice, Told},
    sign,
    state::SimulatorState,
    webhook_sender::Post,
};

/// The webhook for one notice; None where no URL is set.
pub(crate) fn webhook(
    house: &SimulatorState,
    accepted: &Accepted,
    detail: &Detail,
    told: &Told,
) -> Option<Post> {
    // At the real one every sending domain has webhooks of its own.
    let label = detail.account.split('.').next().unwrap_or_default();
    let url = house.urls().mailgun?.replace("{label}", label);
    let timestamp = postrider_clock::wall().timestamp().to_string();
    // 50 characters, as the real ones.
    let token = format!("{}{}", postrider_clock::random_id().simple(), postrider_clock::random_id().simple())
        [..50]
        .to_owned();
    let signature = sign::mailgun(&house.fixed.mailgun_signing_key, &timestamp, &token);
    let body = json!({
        "signature": { "timestamp": timestamp, "token": token, "signature": signature },
        "event-data": told_event(accepted, detail, told),
    });
    Some(Post { url, content_type: "application/json", signature: None, body: body.to_string().into_bytes() })
}

/// The event that every accepted message begins with; seen in look-ups only.
pub(super) fn accepted_event(accepted: &Accepted, detail: &Detail) -> Value {
    // The id need only differ from those of the message's other events.
    let id = format!("accepted-{}", accepted.provider_id);
    Value::Object(common(accepted, detail, "accepted", &id, accepted.accepted_at))
}

pub(super) fn told_event(accepted: &Accepted, detail: &Detail, told: &Told) -> Value {
    let (name, own) = kind(told.notice);
    let id = told.id.simple().to_string();
    let mut event = common(accepted, detail, name, &id[..22], told.at);
    if let Value::Object(own) = own {
        event.extend(own);
    }
    if told.notice == Notice::LateBounce {
        event["flags"]["is-delayed-bounce"] = json!(true);
    }
    Value::Object(event)
}

fn common(
    accepted: &Accepted,
    detail: &Detail,
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

/// The event's name and the fields that only it has.
fn kind(notice: Notice) -> (&'static str, Value) {
    match notice {
        Notice::Sent => ("accepted", json!({})),
        Notice::Delivered => ("delivered", json!({ "delivery-status": status(250, "", "OK", None) })),
        Notice::TemporaryFailure => (
            "failed",
            json!({
                "severity": "temporary", "reason": "greylisted", "log-level": "warn",
                "delivery-status": status(450, "4.2.0", "Greylisted, come back later", Some(600)),
            }),
        ),
        Notice::Bounced | Notice::LateBounce => (
            "failed",
            failed("bounce", &status(550, "5.1.1", "5.1.1 The email account does not exist", None)),
        ),
        Notice::Suppressed => (
            "failed",
            failed("suppress-unsubscribe", &status(606, "", "Not delivering to unsubscribed address", None)),
        ),
        Notice::Failed { code } | Notice::Undelivered { code } => {
            ("failed", failed("generic", &status(code, "", "", None)))
        }
        Notice::Rejected => (
            "rejected",
            json!({
                "log-level": "warn",
                "reject": { "reason": "Sandbox subdomains are for test purposes only", "description": "" },
            }),
        ),
        Notice::Complained => ("complained", json!({ "log-level": "warn" })),
        Notice::Unsubscribed | Notice::Stopped { .. } => {
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

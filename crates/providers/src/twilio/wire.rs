//! Twilio's wire: the form of a call and the meaning of its response.
//!
//! PURE. `error_codes` is the table of Twilio's codes, `client` makes the call, `webhook` parses later news and
//! `lookup` queries lost responses.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{
    Outcome, OutgoingSms, ReceiptKind, RefusalKind,
    http_response::{HttpResponse, ResponseBody},
};

use super::error_codes::{self, Verdict};

/// By default Twilio retries a status callback once, and only after a connect timeout. This fragment requests three
/// retries after any failure. The signature does not cover a fragment, and a Twilio that ignores it (its documents
/// disagree) does no harm.
const CALLBACK_RETRIES: &str = "#rc=3&rp=all";
/// Initial buffer for the field names, the sender and the recipient; the form grows beyond it.
const FORM_NAMES_BYTES: usize = 160;
/// Longest accepted SID; today's have 34 characters (`SM` and 32 hex digits).
const SID_BYTES_MAX: usize = 64;
/// Longest kept status or error code; Twilio's have a few characters, and both end in keys.
const CODE_CHARS_MAX: usize = 32;

/// The sender of a message. At least one field is set; with both, `from` must belong to the messaging service.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// E.164 number, short code or alphanumeric sender.
    pub from: Option<&'a str>,
    /// SID of a messaging service.
    pub messaging_service_sid: Option<&'a str>,
}

/// The URL-encoded form that creates a message.
#[must_use]
pub fn form(sms: &OutgoingSms, sender: Sender<'_>) -> String {
    let capacity = 2 * (sms.text.len() + sms.status_callback.len()) + FORM_NAMES_BYTES;
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(capacity));
    form.append_pair("To", &sms.to).append_pair("Body", &sms.text);
    if let Some(from) = sender.from {
        form.append_pair("From", from);
    }
    if let Some(service) = sender.messaging_service_sid {
        form.append_pair("MessagingServiceSid", service);
    }
    let retries = if sms.status_callback.contains('#') { "" } else { CALLBACK_RETRIES };
    form.append_pair("StatusCallback", &format!("{}{retries}", sms.status_callback));
    form.finish()
}

/// The path where messages are created (POST) and listed (GET).
#[must_use]
pub(super) fn path(account_sid: &str) -> String {
    format!("/2010-04-01/Accounts/{account_sid}/Messages.json")
}

/// The outcome of a create call: by Twilio's code first, by the HTTP status second.
#[must_use]
pub fn classify(response: &HttpResponse, now: DateTime<Utc>) -> Outcome {
    match response.status {
        200..=299 => success(response),
        // 303: the result of a request that was processed is elsewhere. None of these proves anything.
        303 | 408 | 500..=599 => Outcome::unknown(shown_code(response)),
        _ => failure(response, now),
    }
}

/// The JSON fields of a response; a proxy's response may have none.
#[derive(Deserialize, Default)]
struct TwilioReply {
    sid: Option<String>,
    code: Option<u32>,
}

impl TwilioReply {
    fn parse(response: &HttpResponse) -> Option<TwilioReply> {
        serde_json::from_slice(response.bytes()).ok()
    }
}

fn success(response: &HttpResponse) -> Outcome {
    let sid = TwilioReply::parse(response).and_then(|reply| reply.sid).filter(|sid| is_sid(sid));
    match (response.status, &response.body, sid) {
        (_, ResponseBody::Complete(_), Some(sid)) => Outcome::Accepted { provider_id: Some(sid) },
        // 201 proves the creation without a body; the status callback brings the SID.
        (201, _, _) => Outcome::Accepted { provider_id: None },
        (status, _, _) => Outcome::unknown(format!("http_{status}_unreadable")),
    }
}

fn failure(response: &HttpResponse, now: DateTime<Utc>) -> Outcome {
    let code = shown_code(response);
    let verdict = TwilioReply::parse(response).and_then(|reply| reply.code).and_then(error_codes::verdict);
    let kind = match verdict {
        Some(verdict) => verdict.refusal(),
        None => Some(refusal_by_status(response.status)),
    };
    match kind {
        Some(kind) => response.refused(kind, code, now),
        None => Outcome::unknown(code),
    }
}

fn refusal_by_status(status: u16) -> RefusalKind {
    match status {
        425 | 429 => RefusalKind::ForNow,
        // A redirect shows a wrong base URL: it is not followed, and nothing was created.
        300..=399 | 401 | 403 | 404 | 407 => RefusalKind::Account,
        _ => RefusalKind::Message,
    }
}

/// The code in timelines: Twilio's own, else the HTTP status.
fn shown_code(response: &HttpResponse) -> String {
    match TwilioReply::parse(response).and_then(|reply| reply.code) {
        Some(code) => code.to_string(),
        None => format!("http_{}", response.status),
    }
}

/// The news in a message status, on callbacks and in look-ups.
pub(super) fn status_kind(status: &str, error_code: Option<&str>) -> ReceiptKind {
    match status {
        "accepted" | "scheduled" | "queued" | "sending" | "sent" => ReceiptKind::Accepted,
        "delivered" | "read" | "partially_delivered" => ReceiptKind::Delivered,
        "undelivered" | "failed" | "canceled" => {
            let verdict = error_code.and_then(|code| code.parse().ok()).and_then(error_codes::verdict);
            ReceiptKind::Failed { block: verdict.and_then(Verdict::block) }
        }
        // Twilio announces that it may add statuses.
        _ => ReceiptKind::Ignored,
    }
}

pub(super) fn is_sid(text: &str) -> bool {
    (1..=SID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The first `CODE_CHARS_MAX` characters of a status or error code.
pub(super) fn truncate_code(text: &str) -> &str {
    text.char_indices().nth(CODE_CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}

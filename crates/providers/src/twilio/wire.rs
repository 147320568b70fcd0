//! Twilio's wire: the form of a call, the meaning of its answer, and its webhooks as receipts.
//!
//! PURE. `errors` is the table of codes, `signature` says whether a webhook is Twilio's, `optout` what
//! a customer wrote. Parse a webhook only after `signature::verify`. Read `client` for the call itself,
//! `look_up` for what is asked later.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{
    Outcome, OutgoingSms, Receipt, ReceiptKind, RefusalKind, WebhookRefusal,
    answer::{Answer, Body},
    correlation::{self, fingerprint, from_query},
};

use super::{
    errors::{self, Verdict},
    optout::{self, Wish},
};

/// Twilio's defaults try a callback once and again only after a connect timeout; this asks for three
/// more tries after any failure. A fragment is outside of the signature, and harmless where Twilio does
/// not heed it (its documents disagree).
const CALLBACK_RETRIES: &str = "#rc=3&rp=all";
/// Room for a form's names, the sender and the recipient; a longer one grows.
const FORM_NAMES_BYTES: usize = 160;
/// Longest id that is taken for a SID (`SM` and 32 hex digits today).
const SID_BYTES_MAX: usize = 64;

/// Who sends: one of the two must be there, both pin a sender of the service.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    pub from: Option<&'a str>,
    pub messaging_service_sid: Option<&'a str>,
}

/// The form that creates a message, encoded.
#[must_use]
pub fn form(sms: &OutgoingSms, sender: Sender<'_>) -> String {
    let room = 2 * (sms.text.len() + sms.status_callback.len()) + FORM_NAMES_BYTES;
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(room));
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

/// Where messages are created, and listed.
#[must_use]
pub fn path(account_sid: &str) -> String {
    format!("/2010-04-01/Accounts/{account_sid}/Messages.json")
}

/// What the answer to a create call means: by Twilio's code first, by the HTTP status second.
#[must_use]
pub fn classify(answer: &Answer, now: DateTime<Utc>) -> Outcome {
    match answer.status {
        200..=299 => accepted(answer),
        // The answer to a request that was carried out may be elsewhere; nothing is proved.
        303 | 408 | 500..=599 => Outcome::Unknown { code: shown_code(answer) },
        _ => refused(answer, now),
    }
}

/// The status callback's receipt: `query` of the called URL, and the form.
///
/// # Errors
///
/// `Unreadable` where the form has no SID or status.
pub fn parse_status(query: &str, body: &[u8]) -> Result<Receipt, WebhookRefusal> {
    let form = Form::read(body);
    let sid = sid(form.message_sid)?;
    let status = form.message_status.ok_or(WebhookRefusal::Unreadable)?;
    let error_code = form.error_code.filter(|code| !code.is_empty() && code != "0");
    let correlation = from_query(query);
    let kind = match correlation {
        Some(_) => status_kind(&status, error_code.as_deref()),
        // Another system's message through the same account: authentic, and not ours to act on.
        None => ReceiptKind::Ignored,
    };
    let attempt = correlation.map_or_else(String::new, |correlation| correlation::query(&correlation));
    let error = error_code.as_deref().unwrap_or_default();
    Ok(Receipt {
        dedupe: format!("{sid}:{}:{}", cut(&status), correlation.map_or(0, |known| known.attempt)),
        content: fingerprint(&[&sid, &status, error, &attempt]),
        correlation,
        kind,
        code: error_code.map(|code| cut(&code).to_owned()),
        provider_id: Some(sid),
    })
}

/// An inbound text's receipt.
///
/// # Errors
///
/// `Unreadable` where the form has no SID.
pub fn parse_inbound(body: &[u8]) -> Result<Receipt, WebhookRefusal> {
    let form = Form::read(body);
    let sid = sid(form.message_sid)?;
    let from = form.from.unwrap_or_default();
    let text = form.body.unwrap_or_default();
    let opt_out_type = form.opt_out_type.filter(|kind| !kind.is_empty());
    let kind = match (optout::wish(opt_out_type.as_deref(), &text), e164(&from)) {
        (Wish::Stop, Some(address)) => ReceiptKind::Stop { address },
        (Wish::Start, Some(address)) => ReceiptKind::Start { address },
        (Wish::Stop | Wish::Start, None) | (Wish::Other, _) => ReceiptKind::Ignored,
    };
    Ok(Receipt {
        dedupe: format!("{sid}:inbound"),
        content: fingerprint(&[&sid, &from, &text, opt_out_type.as_deref().unwrap_or_default()]),
        correlation: None,
        kind,
        code: None,
        provider_id: Some(sid),
    })
}

/// A call's answer; only what is read here. A proxy's answer may have none of it.
#[derive(Deserialize, Default)]
struct Reply {
    sid: Option<String>,
    code: Option<u32>,
}

impl Reply {
    fn read(answer: &Answer) -> Option<Reply> {
        serde_json::from_slice(answer.bytes()).ok()
    }
}

fn accepted(answer: &Answer) -> Outcome {
    let sid = Reply::read(answer).and_then(|reply| reply.sid).filter(|sid| is_sid(sid));
    match (answer.status, &answer.body, sid) {
        (_, Body::Read(_), Some(sid)) => Outcome::Accepted { provider_id: Some(sid) },
        // Created, whatever became of the body: the callback will bring the SID.
        (201, _, _) => Outcome::Accepted { provider_id: None },
        (status, _, _) => Outcome::Unknown { code: format!("http_{status}_unreadable") },
    }
}

fn refused(answer: &Answer, now: DateTime<Utc>) -> Outcome {
    let code = shown_code(answer);
    let by_code = Reply::read(answer).and_then(|reply| reply.code).and_then(errors::verdict);
    let kind = match by_code {
        Some(verdict) => verdict.refusal(),
        None => Some(by_status(answer.status)),
    };
    match kind {
        Some(kind) => answer.refused(kind, code, now),
        None => Outcome::Unknown { code },
    }
}

fn by_status(status: u16) -> RefusalKind {
    match status {
        425 | 429 => RefusalKind::ForNow,
        // A redirect is a wrong base URL: redirects are not followed, nothing was created.
        300..=399 | 401 | 403 | 404 | 407 => RefusalKind::Account,
        _ => RefusalKind::Message,
    }
}

fn shown_code(answer: &Answer) -> String {
    match Reply::read(answer).and_then(|reply| reply.code) {
        Some(code) => code.to_string(),
        None => format!("http_{}", answer.status),
    }
}

/// What a status says, on callbacks and in look-ups.
pub(super) fn status_kind(status: &str, error_code: Option<&str>) -> ReceiptKind {
    match status {
        "accepted" | "scheduled" | "queued" | "sending" | "sent" => ReceiptKind::Accepted,
        "delivered" | "read" | "partially_delivered" => ReceiptKind::Delivered,
        "undelivered" | "failed" | "canceled" => {
            let verdict = error_code.and_then(|code| code.parse().ok()).and_then(errors::verdict);
            ReceiptKind::Failed { block: verdict.and_then(Verdict::block) }
        }
        // Twilio announces that statuses may be added.
        _ => ReceiptKind::Ignored,
    }
}

/// What is read of Twilio's forms; everything else is signed but ignored.
#[derive(Default)]
struct Form {
    message_sid: Option<String>,
    message_status: Option<String>,
    error_code: Option<String>,
    from: Option<String>,
    body: Option<String>,
    opt_out_type: Option<String>,
}

impl Form {
    fn read(body: &[u8]) -> Form {
        let mut form = Form::default();
        for (name, value) in form_urlencoded::parse(body) {
            let field = match name.as_ref() {
                "MessageSid" => &mut form.message_sid,
                "MessageStatus" => &mut form.message_status,
                "ErrorCode" => &mut form.error_code,
                "From" => &mut form.from,
                "Body" => &mut form.body,
                "OptOutType" => &mut form.opt_out_type,
                _ => continue,
            };
            field.get_or_insert_with(|| value.into_owned());
        }
        form
    }
}

fn sid(text: Option<String>) -> Result<String, WebhookRefusal> {
    text.filter(|sid| is_sid(sid)).ok_or(WebhookRefusal::Unreadable)
}

pub(super) fn is_sid(text: &str) -> bool {
    (1..=SID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The number behind `whatsapp:+…` and the like: who says stop on one medium of a number means it.
fn e164(from: &str) -> Option<String> {
    let number = from.rsplit(':').next().unwrap_or(from).trim();
    let digits = number.strip_prefix('+')?;
    let valid = (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| number.to_owned())
}

/// Codes and statuses are a few letters; whatever else comes must not grow our keys.
pub(super) fn cut(text: &str) -> &str {
    text.char_indices().nth(32).map_or(text, |(end, _)| &text[..end])
}

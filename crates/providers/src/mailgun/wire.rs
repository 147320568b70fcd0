//! Mailgun's wire: the fields of a call and the meaning of its response.
//!
//! PURE. Responses with status 400 are distinguished by words in their text, which Mailgun does not promise to keep:
//! an unknown text refuses only this one message. `client` makes the call, `webhook` parses later news and `lookup`
//! queries lost responses.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{
    Outcome, OutgoingEmail, RefusalKind,
    http_response::{HttpResponse, ResponseBody},
};

/// `correlation::NAMES` as user variables of a message; its events contain them again.
pub(super) const VARIABLES: [&str; 3] = ["v:m", "v:a", "v:t"];

/// The text that the right host answers to a wrong path, with status 200: no message was queued.
const WRONG_PATH: &str = "Mailgun Magnificent";
const QUEUED: &str = "Queued";
/// Longest part of a response's text that is searched for words.
const TEXT_CHARS_MAX: usize = 500;
const ID_BYTES_MAX: usize = 998;

/// Lower-case words in the text of a 400; the first row that matches decides.
const BAD_REQUEST_WORDS: &[(&str, RefusalKind)] = &[
    ("sandbox", RefusalKind::Account),
    ("disabled", RefusalKind::Account),
    ("not allowed to send", RefusalKind::Account),
    ("not verified", RefusalKind::Account),
    ("unverified", RefusalKind::Account),
    ("domain not found", RefusalKind::Account),
    ("activate your", RefusalKind::Account),
    ("'from' parameter", RefusalKind::Message),
    ("from parameter", RefusalKind::Message),
    ("'to' parameter is not a valid", RefusalKind::Recipient { block: None }),
    ("to parameter is not a valid", RefusalKind::Recipient { block: None }),
    ("not a valid address", RefusalKind::Recipient { block: None }),
    ("invalid recipient", RefusalKind::Recipient { block: None }),
];

/// The path where finished messages are posted.
pub(super) fn path(domain: &str) -> String {
    format!("/v3/{domain}/messages.mime")
}

/// The text fields beside the message itself. Tracking is off, because it rewrites the survey link and the
/// unsubscribe link.
pub(super) fn fields(email: &OutgoingEmail) -> [(&'static str, Cow<'_, str>); 7] {
    let [message, attempt, token] = email.correlation.to_values().map(Cow::Owned);
    let [message_name, attempt_name, token_name] = VARIABLES;
    let no = Cow::Borrowed("no");
    [
        ("to", Cow::Borrowed(&email.to_address)),
        (message_name, message),
        (attempt_name, attempt),
        (token_name, token),
        ("o:tracking", no.clone()),
        ("o:tracking-clicks", no.clone()),
        ("o:tracking-opens", no),
    ]
}

/// The outcome of a call, by its HTTP status first and by the response's text second.
pub(super) fn classify(response: &HttpResponse, now: DateTime<Utc>) -> Outcome {
    match response.status {
        200..=299 => success(response, now),
        // 303: the result of a request that was processed is elsewhere. None of these proves anything.
        303 | 408 | 500..=599 => Outcome::unknown(code(response)),
        status => response.refused(refusal_kind(status, response), code(response), now),
    }
}

#[derive(Deserialize)]
struct MailgunReply {
    id: Option<String>,
    message: Option<String>,
}

fn success(response: &HttpResponse, now: DateTime<Utc>) -> Outcome {
    let ResponseBody::Complete(bytes) = &response.body else {
        return match response.status {
            200 => Outcome::Accepted { provider_id: None },
            _ => unreadable(response),
        };
    };
    let reply: Option<MailgunReply> = serde_json::from_slice(bytes).ok();
    if let Some(MailgunReply { id: Some(id), message: Some(message) }) = &reply
        && message.starts_with(QUEUED)
    {
        let id = id.trim().trim_start_matches('<').trim_end_matches('>');
        let is_usable = (1..=ID_BYTES_MAX).contains(&id.len());
        return Outcome::Accepted { provider_id: is_usable.then(|| id.to_owned()) };
    }
    if is_wrong_path(response) {
        return response.refused(RefusalKind::Account, "wrong_path".to_owned(), now);
    }
    unreadable(response)
}

fn refusal_kind(status: u16, response: &HttpResponse) -> RefusalKind {
    match status {
        400 => {
            let text = text(response).to_lowercase();
            let found = BAD_REQUEST_WORDS.iter().find(|(words, _)| text.contains(words));
            found.map_or(RefusalKind::Message, |(_, kind)| *kind)
        }
        425 | 429 => RefusalKind::ForNow,
        // A redirect shows a wrong base URL: it is not followed, and no message was queued.
        300..=399 | 401..=404 | 407 => RefusalKind::Account,
        _ => RefusalKind::Message,
    }
}

pub(super) fn is_wrong_path(response: &HttpResponse) -> bool {
    text(response).trim_start().starts_with(WRONG_PATH)
}

/// The field `message` of a JSON body, else the body as text.
pub(super) fn text(response: &HttpResponse) -> String {
    let reply: Option<MailgunReply> = serde_json::from_slice(response.bytes()).ok();
    let text = match reply.and_then(|reply| reply.message) {
        Some(message) => message,
        None => String::from_utf8_lossy(response.bytes()).into_owned(),
    };
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn code(response: &HttpResponse) -> String {
    format!("http_{}", response.status)
}

fn unreadable(response: &HttpResponse) -> Outcome {
    Outcome::unknown(format!("http_{}_unreadable", response.status))
}

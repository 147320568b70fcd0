//! Mailgun's wire: the fields of a call and the meaning of its answer.
//!
//! PURE. The answers of 400 are told apart by words in their text, which Mailgun does not promise to
//! keep: what is not recognised refuses this one message only. Read `events` for the webhooks,
//! `look_up` for what is asked later and `client` for the calls.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{
    Outcome, OutgoingEmail, RefusalKind,
    answer::{Answer, Body},
    correlation::values,
};

/// `correlation::NAMES` as variables of a message, which its events bring back.
pub(super) const VARIABLES: [&str; 3] = ["v:m", "v:a", "v:t"];

/// Answers a wrong path on the right host with 200 and this text: nothing was queued.
const WRONG_PATH: &str = "Mailgun Magnificent";
const QUEUED: &str = "Queued";
/// More than enough of an answer's text to recognise it.
const TEXT_CHARS_MAX: usize = 500;
const ID_BYTES_MAX: usize = 998;

/// Words in the text of a 400, lower case; the first that is found decides.
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

/// Where finished messages are posted.
#[must_use]
pub fn path(domain: &str) -> String {
    format!("/v3/{domain}/messages.mime")
}

/// The text fields beside the message itself. Tracking is off: it rewrites the survey's link and the
/// unsubscribe link.
#[must_use]
pub fn fields(email: &OutgoingEmail) -> [(&'static str, Cow<'_, str>); 7] {
    let [message, attempt, token] = values(&email.correlation).map(Cow::Owned);
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

/// What the answer to a call means.
#[must_use]
pub fn classify(answer: &Answer, now: DateTime<Utc>) -> Outcome {
    match answer.status {
        200..=299 => accepted(answer, now),
        // The answer to a request that was carried out may be elsewhere; nothing is proved.
        303 | 408 | 500..=599 => Outcome::Unknown { code: code(answer) },
        status => answer.refused(refused(status, answer), code(answer), now),
    }
}

#[derive(Deserialize)]
struct Reply {
    id: Option<String>,
    message: Option<String>,
}

fn accepted(answer: &Answer, now: DateTime<Utc>) -> Outcome {
    let Body::Read(bytes) = &answer.body else {
        return match answer.status {
            200 => Outcome::Accepted { provider_id: None },
            _ => unreadable(answer),
        };
    };
    let reply: Option<Reply> = serde_json::from_slice(bytes).ok();
    if let Some(Reply { id: Some(id), message: Some(message) }) = &reply
        && message.starts_with(QUEUED)
    {
        let id = id.trim().trim_start_matches('<').trim_end_matches('>');
        let known = (1..=ID_BYTES_MAX).contains(&id.len());
        return Outcome::Accepted { provider_id: known.then(|| id.to_owned()) };
    }
    if is_wrong_path(answer) {
        return answer.refused(RefusalKind::Account, "wrong_path".to_owned(), now);
    }
    unreadable(answer)
}

fn refused(status: u16, answer: &Answer) -> RefusalKind {
    match status {
        400 => {
            let text = text(answer).to_lowercase();
            let found = BAD_REQUEST_WORDS.iter().find(|(words, _)| text.contains(words));
            found.map_or(RefusalKind::Message, |(_, kind)| *kind)
        }
        425 | 429 => RefusalKind::ForNow,
        // A redirect is a wrong base URL: redirects are not followed, nothing was queued.
        300..=399 | 401..=404 | 407 => RefusalKind::Account,
        _ => RefusalKind::Message,
    }
}

pub(super) fn is_wrong_path(answer: &Answer) -> bool {
    text(answer).trim_start().starts_with(WRONG_PATH)
}

/// The `message` of a JSON answer, else the text itself.
pub(super) fn text(answer: &Answer) -> String {
    let reply: Option<Reply> = serde_json::from_slice(answer.bytes()).ok();
    let text = match reply.and_then(|reply| reply.message) {
        Some(message) => message,
        None => String::from_utf8_lossy(answer.bytes()).into_owned(),
    };
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn code(answer: &Answer) -> String {
    format!("http_{}", answer.status)
}

fn unreadable(answer: &Answer) -> Outcome {
    Outcome::Unknown { code: format!("http_{}_unreadable", answer.status) }
}

//! Writes an email as one MIME message, which both email providers send unchanged.
//!
//! PURE: the same email, attempt and date give the same bytes. Names and subject are clean on arrival; they are
//! cleaned again because `lettre` panics on a line break in a display name, and one such name must not stop a
//! worker. `mailgun::client` and `smtp::client` send the message.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::SystemTime,
};

use chrono::{DateTime, Utc};
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use postrider_domain::ids::MessageId;

use super::{Correlation, OutgoingEmail, Refusal, RefusalKind};

/// Limit of a URL in a header: a line has at most 998 characters (RFC 5322 §2.1.1), the header's name included.
const URL_BYTES_MAX: usize = 900;
/// Limit of a display name; the rest is cut off.
const NAME_CHARS_MAX: usize = 300;
/// Limit of the subject; the rest is cut off.
const SUBJECT_CHARS_MAX: usize = 900;
/// The last date that a `Date` header can have: the end of the year 9999.
const DATE_SECS_MAX: i64 = 253_402_300_799;

/// The part of an email that makes it unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    /// The sender's address is no address.
    #[error("email_from: not an address; correct the brand's sender")]
    Sender,
    /// The reply address is no address.
    #[error("reply_to: not an address; correct the brand's reply address")]
    ReplyTo,
    /// The recipient's address is no address that mail can be sent to.
    #[error("customer.email: not an address that mail can be sent to")]
    Recipient,
    /// The unsubscribe URL is too long or not printable.
    #[error("unsubscribe_url: must be a printable URL of at most 900 bytes")]
    UnsubscribeUrl,
    /// The Message-ID is too long or not printable.
    #[error("message_id: must be printable and without spaces")]
    MessageId,
    /// `lettre` cannot write this content.
    #[error("content: could not be written as an email")]
    Content,
}

impl MimeError {
    /// The refusal for good of a message without a call.
    #[must_use]
    pub(crate) fn refusal(self) -> Refusal {
        let (kind, code) = match self {
            MimeError::Recipient => (RefusalKind::Recipient { block: None }, "address_unusable"),
            MimeError::Sender => (RefusalKind::Message, "sender_unusable"),
            MimeError::ReplyTo => (RefusalKind::Message, "reply_to_unusable"),
            MimeError::UnsubscribeUrl => (RefusalKind::Message, "unsubscribe_url_unusable"),
            MimeError::MessageId | MimeError::Content => (RefusalKind::Message, "content_unusable"),
        };
        Refusal { kind, code: code.to_owned(), retry_after: None }
    }
}

/// The Message-ID `<message.attempt@domain>`: it identifies the attempt in the log of every server.
#[must_use]
pub fn message_id(correlation: &Correlation, domain: &str) -> String {
    format!("<{}>", bare_message_id(correlation.message, correlation.attempt, domain))
}

/// The Message-ID without angle brackets, as in Mailgun's events.
#[must_use]
pub(crate) fn bare_message_id(message: MessageId, attempt: i16, domain: &str) -> String {
    let is_plain = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-');
    let domain: String = domain.chars().filter(is_plain).collect();
    let domain = if domain.is_empty() { "localhost" } else { &domain };
    format!("{}.{attempt}@{domain}", message.0.simple())
}

/// Sender and recipient of the SMTP envelope.
///
/// # Errors
///
/// If one of them is no address.
pub(crate) fn envelope(email: &OutgoingEmail) -> Result<Envelope, MimeError> {
    let from = address(&email.from_address, MimeError::Sender)?;
    let to = address(&email.to_address, MimeError::Recipient)?;
    Envelope::new(Some(from), vec![to]).map_err(|_| MimeError::Recipient)
}

/// Writes the email: text and HTML alternatives, with the headers of an automatic message and of one-click
/// unsubscription.
///
/// # Errors
///
/// If an address or a header value is unusable. Never panics.
pub fn mime(email: &OutgoingEmail, message_id: &str, date: DateTime<Utc>) -> Result<Vec<u8>, MimeError> {
    let parts = CheckedParts::new(email, message_id, date)?;
    // If `lettre` cannot encode a cleaned display name, the email goes without names.
    build(email, &parts, true).or_else(|_| build(email, &parts, false))
}

/// The parts of an email that are valid for `lettre`.
struct CheckedParts {
    envelope: Envelope,
    from: Address,
    to: Address,
    reply_to: Option<Address>,
    headers: [HeaderValue; 5],
    date: SystemTime,
}

impl CheckedParts {
    fn new(email: &OutgoingEmail, message_id: &str, date: DateTime<Utc>) -> Result<CheckedParts, MimeError> {
        let url = &email.unsubscribe_url;
        if !is_printable(url) || url.len() > URL_BYTES_MAX || url.contains(['<', '>']) {
            return Err(MimeError::UnsubscribeUrl);
        }
        if !is_printable(message_id) || message_id.len() > URL_BYTES_MAX {
            return Err(MimeError::MessageId);
        }
        let seconds = date.timestamp().clamp(0, DATE_SECS_MAX);
        let envelope = envelope(email)?;
        let from = envelope.from().ok_or(MimeError::Sender)?.clone();
        let [to] = envelope.to() else { return Err(MimeError::Recipient) };
        Ok(CheckedParts {
            from,
            to: to.clone(),
            envelope,
            reply_to: match &email.reply_to {
                Some(text) => Some(address(text, MimeError::ReplyTo)?),
                None => None,
            },
            headers: [
                header("Message-ID", message_id.to_owned()),
                // RFC 3834, and Exchange's own header for the same.
                header("Auto-Submitted", "auto-generated".to_owned()),
                header("X-Auto-Response-Suppress", "All".to_owned()),
                // RFC 8058 requires both headers and an https URL.
                header("List-Unsubscribe", format!("<{url}>")),
                header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
            ],
            date: DateTime::from_timestamp(seconds, 0).unwrap_or_default().into(),
        })
    }
}

fn build(email: &OutgoingEmail, parts: &CheckedParts, with_names: bool) -> Result<Vec<u8>, MimeError> {
    let name = |text: Option<&str>| {
        text.filter(|_| with_names).map(|text| clean(text, NAME_CHARS_MAX)).filter(|name| !name.is_empty())
    };
    // Not random, so that the same attempt gives the same bytes.
    let correlation = &email.correlation;
    let boundary = format!("postrider-{}-{}", correlation.message.0.simple(), correlation.attempt);
    let built = catch_unwind(AssertUnwindSafe(|| {
        let mut message = Message::builder()
            .envelope(parts.envelope.clone())
            .date(parts.date)
            .from(Mailbox::new(name(Some(&email.from_name)), parts.from.clone()))
            .to(Mailbox::new(name(email.to_name.as_deref()), parts.to.clone()))
            .subject(clean(&email.subject, SUBJECT_CHARS_MAX));
        if let Some(reply_to) = &parts.reply_to {
            message = message.reply_to(Mailbox::new(None, reply_to.clone()));
        }
        for header in &parts.headers {
            message = message.raw_header(header.clone());
        }
        let body = MultiPart::alternative()
            .boundary(boundary)
            .singlepart(SinglePart::plain(email.text.clone()))
            .singlepart(SinglePart::html(email.html.clone()));
        message.multipart(body).map(|message| message.formatted())
    }));
    built.ok().and_then(Result::ok).ok_or(MimeError::Content)
}

fn address(text: &str, error: MimeError) -> Result<Address, MimeError> {
    catch_unwind(|| text.parse::<Address>()).ok().and_then(Result::ok).ok_or(error)
}

/// Invariant: `value` is printable ASCII, so that nothing has to be encoded or folded.
fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The text without control characters (C0, C1), line separators and direction marks.
fn clean(text: &str, chars_max: usize) -> String {
    let is_unsafe = |char: char| {
        char.is_control()
            || matches!(char, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}')
            || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let plain: String = text.chars().filter(|char| !is_unsafe(*char)).take(chars_max).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Token;
    use chrono::TimeZone;
    use proptest::prelude::*;
    use uuid::Uuid;

    pub(crate) fn email() -> OutgoingEmail {
        OutgoingEmail {
            from_name: "Acme Support".to_owned(),
            from_address: "ask@acme.example".to_owned(),
            reply_to: Some("help@acme.example".to_owned()),
            to_name: Some("Zoë \"Z\" O'Neil".to_owned()),
            to_address: "zoe@customer.example".to_owned(),
            subject: "How was it, Zoë?".to_owned(),
            text: "Tell us:\nhttps://survey.example/r?id=1\n.\n".to_owned(),
            html: "<p>Tell us – <a href=\"https://survey.example/r?id=1\">here</a></p>".to_owned(),
            unsubscribe_url: "https://acme.example/u/abc".to_owned(),
            correlation: Correlation {
                message: MessageId(Uuid::from_u128(0x0190)),
                attempt: 2,
                token: Token([0xab; 16]),
            },
        }
    }

    fn mime_text(email: &OutgoingEmail) -> String {
        let date = Utc.with_ymd_and_hms(2026, 11, 20, 9, 30, 0).single().expect("a date that exists");
        let id = message_id(&email.correlation, "mail.acme.example");
        String::from_utf8(mime(email, &id, date).expect("an email")).expect("ASCII")
    }

    fn header_names(mime: &str) -> Vec<&str> {
        let (head, _) = mime.split_once("\r\n\r\n").expect("a head");
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        lines.filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect()
    }

    #[test]
    fn an_email_names_its_sender_and_how_to_unsubscribe() {
        let mime = mime_text(&email());
        for line in [
            "Message-ID: <00000000000000000000000000000190.2@mail.acme.example>\r\n",
            "Date: Fri, 20 Nov 2026 09:30:00 +0000\r\n",
            "From: \"Acme Support\" <ask@acme.example>\r\n",
            "Reply-To: help@acme.example\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "X-Auto-Response-Suppress: All\r\n",
            "List-Unsubscribe: <https://acme.example/u/abc>\r\n",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            "Content-Type: multipart/alternative;\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(mime.contains(line), "{line:?} in\n{mime}");
        }
        assert!(mime.contains("<zoe@customer.example>") && mime.is_ascii());
        assert_eq!(mime, mime_text(&email()), "the same bytes every time");
    }

    #[test]
    fn no_customer_data_can_add_a_header_or_stop_the_worker() {
        let honest = mime_text(&email());
        let honest = header_names(&honest);
        for poison in [
            "Bob\n",
            "Bob\r\nBcc: x@y.example",
            "\r\n\r\nbody",
            "a\0b",
            "\u{2028}x",
            "\u{202e}evil",
            "\"",
            "\\",
            "",
            "   ",
        ] {
            let mut email = email();
            email.to_name = Some(poison.to_owned());
            email.from_name = poison.to_owned();
            email.subject = poison.to_owned();
            let mime = mime_text(&email);
            assert_eq!(header_names(&mime), honest, "{poison:?}");
        }
    }

    #[test]
    fn an_unusable_part_is_refused_by_name() {
        let refused = |change: &dyn Fn(&mut OutgoingEmail)| {
            let mut email = email();
            change(&mut email);
            mime(&email, "<1@x.example>", DateTime::UNIX_EPOCH).expect_err("refused")
        };
        let poison = "a@x.example\r\nBcc: b@x.example";
        assert_eq!(refused(&|email| email.to_address = poison.to_owned()), MimeError::Recipient);
        assert_eq!(
            refused(&|email| email.to_address = "a@x.example, b@x.example".to_owned()),
            MimeError::Recipient
        );
        assert_eq!(refused(&|email| email.from_address = "nobody".to_owned()), MimeError::Sender);
        assert_eq!(refused(&|email| email.reply_to = Some(poison.to_owned())), MimeError::ReplyTo);
        for url in [
            "",
            "https://x.example/a b",
            "https://x.example/\r\nBcc: b",
            "https://x.example/>",
            &"u".repeat(901),
        ] {
            assert_eq!(
                refused(&|email| email.unsubscribe_url = url.to_owned()),
                MimeError::UnsubscribeUrl,
                "{url}"
            );
        }
        let id = |id: &str| mime(&email(), id, DateTime::UNIX_EPOCH);
        assert_eq!(id("<1@x>\r\nBcc: b@x.example"), Err(MimeError::MessageId));
        assert_eq!(
            message_id(&email().correlation, "\r\n"),
            "<00000000000000000000000000000190.2@localhost>"
        );
    }

    #[test]
    fn dates_beyond_the_header_are_bounded() {
        for date in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert!(mime(&email(), "<1@x.example>", date).is_ok(), "{date}");
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_an_email_with_just_our_headers(
            name in any::<String>(), subject in any::<String>(), text in any::<String>(),
        ) {
            let honest = mime_text(&email());
            let mut email = email();
            email.to_name = Some(name.clone());
            email.from_name = name;
            email.subject = subject;
            email.text = text.clone();
            email.html = text;
            let mime = mime_text(&email);
            prop_assert_eq!(header_names(&mime), header_names(&honest));
            prop_assert!(mime.split("\r\n").all(|line| !line.contains(['\r', '\n']) && line.len() <= 998));
        }

        #[test]
        fn no_address_panics(to in any::<String>(), from in any::<String>(), url in any::<String>()) {
            let mut email = email();
            email.to_address = to;
            let _ = mime(&email, "<1@x.example>", DateTime::UNIX_EPOCH);
            email.from_address = from;
            email.unsubscribe_url = url;
            let _ = mime(&email, "<1@x.example>", DateTime::UNIX_EPOCH);
        }
    }
}

//! Twilio's webhooks as receipts: status callbacks and inbound texts.
//!
//! PURE. Parse a webhook only after `signature::verify`. `wire::status_kind` reads the status, `opt_out` the text of
//! an inbound message.

use crate::{Correlation, Receipt, ReceiptKind, WebhookRefusal, receipt::content_hash};

use super::{
    opt_out::{Intent, intent},
    wire::{is_sid, status_kind, truncate_code},
};

/// The receipt in a status callback; `query` is the query of the called URL, `body` the form.
///
/// # Errors
///
/// `Unreadable` if the form has no SID or no status.
pub fn parse_status(query: &str, body: &[u8]) -> Result<Receipt, WebhookRefusal> {
    let form = WebhookForm::parse(body);
    let sid = required_sid(form.message_sid)?;
    let status = form.message_status.ok_or(WebhookRefusal::Unreadable)?;
    let error_code = form.error_code.filter(|code| !code.is_empty() && code != "0");
    let correlation = Correlation::from_query(query);
    let kind = match correlation {
        Some(_) => status_kind(&status, error_code.as_deref()),
        // Another system sends through the same account: authentic, and not about a message of ours.
        None => ReceiptKind::Ignored,
    };
    let attempt = correlation.map_or_else(String::new, |correlation| correlation.to_query());
    let error = error_code.as_deref().unwrap_or_default();
    let attempt_number = correlation.map_or(0, |correlation| correlation.attempt);
    Ok(Receipt {
        dedupe_key: format!("{sid}:{}:{attempt_number}", truncate_code(&status)),
        content_hash: content_hash(&[&sid, &status, error, &attempt]),
        correlation,
        kind,
        code: error_code.map(|code| truncate_code(&code).to_owned()),
        provider_id: Some(sid),
    })
}

/// The receipt in an inbound text.
///
/// # Errors
///
/// `Unreadable` if the form has no SID.
pub fn parse_inbound(body: &[u8]) -> Result<Receipt, WebhookRefusal> {
    let form = WebhookForm::parse(body);
    let sid = required_sid(form.message_sid)?;
    let from = form.from.unwrap_or_default();
    let text = form.body.unwrap_or_default();
    let opt_out_type = form.opt_out_type.filter(|kind| !kind.is_empty());
    let kind = match (intent(opt_out_type.as_deref(), &text), e164(&from)) {
        (Intent::Stop, Some(address)) => ReceiptKind::Stop { address },
        (Intent::Start, Some(address)) => ReceiptKind::Start { address },
        (Intent::Stop | Intent::Start, None) | (Intent::Other, _) => ReceiptKind::Ignored,
    };
    Ok(Receipt {
        dedupe_key: format!("{sid}:inbound"),
        content_hash: content_hash(&[&sid, &from, &text, opt_out_type.as_deref().unwrap_or_default()]),
        correlation: None,
        kind,
        code: None,
        provider_id: Some(sid),
    })
}

/// The fields of a form that are read; the signature covers the others too.
#[derive(Default)]
struct WebhookForm {
    message_sid: Option<String>,
    message_status: Option<String>,
    error_code: Option<String>,
    from: Option<String>,
    body: Option<String>,
    opt_out_type: Option<String>,
}

impl WebhookForm {
    /// The first value of each name counts.
    fn parse(body: &[u8]) -> WebhookForm {
        let mut form = WebhookForm::default();
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

fn required_sid(text: Option<String>) -> Result<String, WebhookRefusal> {
    text.filter(|sid| is_sid(sid)).ok_or(WebhookRefusal::Unreadable)
}

/// The E.164 number in `+…` or `whatsapp:+…`: a stop on one medium of a number stops all of them.
fn e164(from: &str) -> Option<String> {
    let number = from.rsplit(':').next().unwrap_or(from).trim();
    let digits = number.strip_prefix('+')?;
    let valid = (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| number.to_owned())
}

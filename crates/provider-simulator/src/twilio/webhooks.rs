//! Twilio's webhooks: statuses to the message's own callback URL, customers' texts to the inbound URL.
//!
//! Both are forms signed over the exact URL of the call or setting, fragment removed. Opt-out keywords work as
//! at the real Twilio: the whole text must be the keyword, and later messages to that customer are refused.

use super::message::error_code;
use crate::{
    clock,
    http_request::Fields,
    records::{AcceptanceDetail, Accepted, RecordedEvent},
    sign,
    state::SimulatorState,
    webhook_sender::{PostResult, WebhookPost},
};

const STOP_WORDS: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const START_WORDS: [&str; 3] = ["START", "YES", "UNSTOP"];

/// The status callback of one event; `None` if the call named no URL or the event is no status.
pub(crate) fn status_callback(
    state: &SimulatorState,
    accepted: &Accepted,
    detail: &AcceptanceDetail,
    recorded: &RecordedEvent,
) -> Option<WebhookPost> {
    let url = detail.callback.as_deref()?;
    let status = recorded.event.status()?;
    let mut form = vec![
        ("AccountSid", detail.account.clone()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("From", accepted.from.clone()),
        ("MessageSid", accepted.provider_id.clone()),
        ("MessageStatus", status.to_owned()),
        ("SmsSid", accepted.provider_id.clone()),
        ("SmsStatus", status.to_owned()),
        ("To", accepted.recipient.clone()),
    ];
    form.extend(detail.service.clone().map(|service| ("MessagingServiceSid", service)));
    form.extend(error_code(recorded.event).map(|code| ("ErrorCode", code.to_string())));
    if status == "delivered" {
        form.push(("RawDlrDoneDate", recorded.at.format("%y%m%d%H%M").to_string()));
    }
    Some(signed(state, url, owned(form)))
}

/// Posts a customer's text to the inbound URL, if there is one; returns the status of the answer.
pub(crate) async fn post_inbound_sms(
    state: &SimulatorState,
    from: &str,
    to: &str,
    body: &str,
    opt_out_type: Option<&str>,
) -> Option<u16> {
    let keyword = body.trim().to_ascii_uppercase();
    if STOP_WORDS.contains(&keyword.as_str()) {
        state.journal.change(|log| log.opt_out(to, from));
    } else if START_WORDS.contains(&keyword.as_str()) {
        state.journal.change(|log| log.opt_in(to, from));
    }
    let url = state.webhooks.urls().twilio_inbound?;
    let sid = format!("SM{}", clock::random_id().simple());
    let mut form = vec![
        ("AccountSid", format!("AC{}", "0".repeat(32))),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("Body", body.to_owned()),
        ("From", from.to_owned()),
        ("FromCity", String::new()),
        ("MessageSid", sid.clone()),
        ("NumMedia", "0".to_owned()),
        ("NumSegments", "1".to_owned()),
        ("SmsMessageSid", sid.clone()),
        ("SmsSid", sid),
        ("SmsStatus", "received".to_owned()),
        ("To", to.to_owned()),
    ];
    form.extend(opt_out_type.map(|kind| ("OptOutType", kind.to_owned())));
    match state.webhooks.post(&signed(state, &url, owned(form))).await {
        PostResult::Status(status) => Some(status),
        PostResult::ConnectFailed | PostResult::NoAnswer => None,
    }
}

fn owned(form: Vec<(&str, String)>) -> Fields {
    form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn signed(state: &SimulatorState, url: &str, form: Fields) -> WebhookPost {
    let url = url.split('#').next().unwrap_or_default().to_owned();
    let signature = sign::twilio(&state.settings.twilio_auth_token, &url, &form);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    WebhookPost {
        url,
        content_type: "application/x-www-form-urlencoded; charset=UTF-8",
        signature: Some(signature),
        body: body.into_bytes(),
    }
}

//! What Twilio posts: statuses to the message's own callback URL, customers' texts to the inbound URL.
//!
//! Both are forms signed over the exact URL that was told, fragment removed. Opt-out keywords work as
//! at the real one: the whole text must be the keyword, and later sends to that customer are refused.

use chrono::Utc;

use super::message::code;
use crate::{
    records::{Accepted, Detail, Told},
    routes::Pairs,
    sign,
    state::SimulatorState,
    webhook_sender::{Answered, Post},
};

const STOP_WORDS: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const START_WORDS: [&str; 3] = ["START", "YES", "UNSTOP"];

/// The status callback for one notice; None where the message named no URL or it is no status.
pub(crate) fn status_callback(
    house: &SimulatorState,
    accepted: &Accepted,
    detail: &Detail,
    told: &Told,
) -> Option<Post> {
    let url = detail.callback.as_deref()?;
    let status = told.notice.status()?;
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
    form.extend(code(told.notice).map(|code| ("ErrorCode", code.to_string())));
    if status == "delivered" {
        form.push(("RawDlrDoneDate", told.at.with_timezone(&Utc).format("%y%m%d%H%M").to_string()));
    }
    Some(signed(house, url, owned(form)))
}

impl SimulatorState {
    /// A customer's text on its way to the inbound URL; the answer's status.
    pub(crate) async fn inbound_text(
        &self,
        from: &str,
        to: &str,
        body: &str,
        opt_out_type: Option<&str>,
    ) -> Option<u16> {
        let keyword = body.trim().to_ascii_uppercase();
        if STOP_WORDS.contains(&keyword.as_str()) {
            self.change(|book| book.stop(to, from));
        } else if START_WORDS.contains(&keyword.as_str()) {
            self.change(|book| book.start(to, from));
        }
        let url = self.urls().twilio_inbound?;
        let sid = format!("SM{}", postrider_clock::random_id().simple());
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
        match self.courier.post(&signed(self, &url, owned(form))).await {
            Answered::Status(status) => Some(status),
            Answered::Unreached | Answered::Nothing => None,
        }
    }
}

fn owned(form: Vec<(&str, String)>) -> Pairs {
    form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn signed(house: &SimulatorState, url: &str, form: Pairs) -> Post {
    let url = url.split('#').next().unwrap_or_default().to_owned();
    let signature = sign::twilio(&house.fixed.twilio_auth_token, &url, &form);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    Post {
        url,
        content_type: "application/x-www-form-urlencoded; charset=UTF-8",
        signature: Some(signature),
        body: body.into_bytes(),
    }
}

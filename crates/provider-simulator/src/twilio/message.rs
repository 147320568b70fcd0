//! Twilio's message resource.
//!
//! No I/O. `date_sent` is null until the message is sent, and a message without it is in no list that filters
//! by date: a reconciler must know this. Next: `lookup`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    call_log::MessageRecord,
    records::{IncomingMessage, RecordedEvent, StatusEvent},
};

/// The resource in the answer to the call that creates it.
pub(super) fn queued(message: &IncomingMessage, now: DateTime<Utc>) -> Value {
    let status = if message.detail.service.is_some() { "accepted" } else { "queued" };
    let resource = MessageResource {
        sid: &message.provider_id,
        account: &message.detail.account,
        service: message.detail.service.as_deref(),
        to: &message.recipient,
        from: &message.from,
        body: &message.text_or_subject,
        created: now,
        events: &[],
        status,
    };
    resource.to_json()
}

/// The time of the first event.
pub(super) fn sent_at(events: &[RecordedEvent]) -> Option<DateTime<Utc>> {
    events.first().map(|recorded| recorded.at)
}

/// The resource of a message in the journal.
pub(super) fn resource(message: &MessageRecord<'_>) -> Value {
    let resource = MessageResource {
        sid: &message.accepted.provider_id,
        account: &message.detail.account,
        service: message.detail.service.as_deref(),
        to: &message.accepted.recipient,
        from: &message.accepted.from,
        body: &message.accepted.text_or_subject,
        created: message.accepted.accepted_at,
        events: message.events,
        // Not `last_status`: the events may be cut off by the lookup lag.
        status: message.events.iter().rev().find_map(|recorded| recorded.event.status()).unwrap_or("queued"),
    };
    resource.to_json()
}

#[derive(Debug)]
struct MessageResource<'a> {
    sid: &'a str,
    account: &'a str,
    service: Option<&'a str>,
    to: &'a str,
    from: &'a str,
    body: &'a str,
    created: DateTime<Utc>,
    events: &'a [RecordedEvent],
    status: &'a str,
}

impl MessageResource<'_> {
    fn to_json(&self) -> Value {
        let updated = self.events.last().map_or(self.created, |recorded| recorded.at);
        let uri = format!("/2010-04-01/Accounts/{}/Messages/{}", self.account, self.sid);
        let error_code = self.events.iter().rev().find_map(|recorded| error_code(recorded.event));
        json!({
            "sid": self.sid,
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": self.created.to_rfc2822(),
            "date_updated": updated.to_rfc2822(),
            "date_sent": sent_at(self.events).map(|at| at.to_rfc2822()),
            "direction": "outbound-api",
            "error_code": error_code,
            "error_message": error_code.map(|_| "the carrier did not deliver the message"),
            "from": (!self.from.is_empty()).then_some(self.from),
            "to": self.to,
            "messaging_service_sid": self.service,
            "num_media": "0",
            "num_segments": segments(self.body, self.service.is_some()).to_string(),
            "price": null,
            "price_unit": "USD",
            "status": self.status,
            "subresource_uris": { "media": format!("{uri}/Media.json") },
            "uri": format!("{uri}.json"),
        })
    }
}

/// Twilio's error code of a failure.
pub(super) fn error_code(event: StatusEvent) -> Option<u32> {
    match event {
        StatusEvent::Undelivered { code } | StatusEvent::Failed { code } => Some(code),
        StatusEvent::Sent
        | StatusEvent::Delivered
        | StatusEvent::TemporaryFailure
        | StatusEvent::Bounced
        | StatusEvent::Suppressed
        | StatusEvent::Rejected
        | StatusEvent::Complained
        | StatusEvent::Unsubscribed
        | StatusEvent::LateBounce
        | StatusEvent::Stopped { .. } => None,
    }
}

/// An approximation: ASCII counts as GSM-7. A messaging service reports 0 at first.
fn segments(body: &str, by_service: bool) -> usize {
    let (units, single, part) =
        if body.is_ascii() { (body.len(), 160, 153) } else { (body.encode_utf16().count(), 70, 67) };
    match units {
        _ if by_service => 0,
        short if short <= single => 1,
        long => long.div_ceil(part),
    }
}

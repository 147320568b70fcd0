//! Twilio's message resource, and the look-ups that show it.
//!
//! `GET …/Messages.json` filters by To, From and the date sent and pages newest first;
//! `GET …/Messages/{sid}.json` shows one. `date_sent` is null until the message is sent, and a message
//! without it is in no answer that filters by date: the trap that a reconciler must know.

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::{error::error, send::may};
use crate::{
    accept::Parcel,
    call_log::Entry,
    http_answer::json_response,
    records::{Notice, Provider, Told},
    routes::{self, Pairs, Shared, value},
    state::SimulatorState,
};

const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 1_000;

/// The resource as the call that made it is answered.
pub(super) fn queued(parcel: &Parcel, now: DateTime<Utc>) -> Value {
    let status = if parcel.detail.service.is_some() { "accepted" } else { "queued" };
    let shown = Shown {
        sid: &parcel.provider_id,
        account: &parcel.detail.account,
        service: parcel.detail.service.as_deref(),
        to: &parcel.recipient,
        from: &parcel.from,
        body: &parcel.text_or_subject,
        created: now,
        history: &[],
        status,
    };
    shown.to_json()
}

pub(crate) async fn fetch(
    State(house): Shared,
    Path((account, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    house.take_time().await;
    if let Some(answer) = refuse(&house, &account, &headers) {
        return answer;
    }
    let shown_until = postrider_clock::wall() - house.behaviour().look_up_lag;
    let book = house.book();
    let entry = file.strip_suffix(".json").and_then(|sid| book.by_id(sid)?.as_of(shown_until));
    match entry.filter(|entry| is_of(entry, &account)) {
        Some(entry) => json_response(StatusCode::OK, &show(&entry)),
        None => error(20404),
    }
}

pub(crate) async fn list(
    State(house): Shared,
    Path(account): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    house.take_time().await;
    if let Some(answer) = refuse(&house, &account, &headers) {
        return answer;
    }
    let behaviour = house.behaviour();
    let shown_until = postrider_clock::wall() - behaviour.look_up_lag;
    let query = routes::pairs(query.unwrap_or_default().as_bytes());
    let number = |name| value(&query, name).and_then(|text| text.parse::<usize>().ok());
    let page_size = number("PageSize").unwrap_or(PAGE_SIZE_DEFAULT).clamp(1, PAGE_SIZE_MAX);
    let page_size = page_size.min(behaviour.look_up_page_max);
    let page = number("Page").unwrap_or(0);
    let book = house.book();
    let entries = book.of_recipient(value(&query, "To")).filter_map(|entry| entry.as_of(shown_until));
    let mut wanted = entries.filter(|entry| is_of(entry, &account) && is_asked_for(entry, &query));
    let messages: Vec<Value> = wanted
        .by_ref()
        .skip(page.saturating_mul(page_size))
        .take(page_size)
        .map(|entry| show(&entry))
        .collect();
    let more = wanted.next().is_some();
    let uri = |page: usize| page_uri(&account, &query, page_size, page);
    let body = json!({
        "messages": messages,
        "page": page,
        "page_size": page_size,
        "start": page * page_size,
        "end": (page * page_size + messages.len()).saturating_sub(1),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "next_page_uri": more.then(|| uri(page + 1)),
        "previous_page_uri": page.checked_sub(1).map(uri),
    });
    json_response(StatusCode::OK, &body)
}

/// The answer to whoever may not look, or to everybody during an outage.
fn refuse(house: &SimulatorState, account: &str, headers: &HeaderMap) -> Option<Response> {
    if house.is_out(Provider::Twilio) {
        Some(error(20503))
    } else {
        (!may(house, account, headers)).then(|| error(20003))
    }
}

fn page_uri(account: &str, query: &Pairs, page_size: usize, page: usize) -> String {
    let filters =
        query.iter().filter(|(name, _)| !matches!(name.as_str(), "Page" | "PageSize" | "PageToken"));
    let filters = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(filters)
        .append_pair("PageSize", &page_size.to_string())
        .append_pair("Page", &page.to_string())
        .append_pair("PageToken", &format!("PA{page}"))
        .finish();
    format!("/2010-04-01/Accounts/{account}/Messages.json?{filters}")
}

fn is_of(entry: &Entry<'_>, account: &str) -> bool {
    entry.accepted.provider == Provider::Twilio && entry.detail.account == account
}

fn is_asked_for(entry: &Entry<'_>, query: &Pairs) -> bool {
    let sent = sent_at(entry.history).map(|at| at.date_naive());
    let date = |name| value(query, name).map(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
    let holds = |name, test: fn(NaiveDate, NaiveDate) -> bool| match date(name) {
        None => true,
        // A date that cannot be read finds nothing.
        Some(asked) => sent.zip(asked).is_some_and(|(sent, asked)| test(sent, asked)),
    };
    value(query, "From").is_none_or(|from| from == entry.accepted.from)
        && holds("DateSent", |sent, asked| sent == asked)
        && holds("DateSent>", |sent, asked| sent >= asked)
        && holds("DateSent<", |sent, asked| sent <= asked)
}

fn sent_at(history: &[Told]) -> Option<DateTime<Utc>> {
    history.first().map(|told| told.at)
}

fn show(entry: &Entry<'_>) -> Value {
    let shown = Shown {
        sid: &entry.accepted.provider_id,
        account: &entry.detail.account,
        service: entry.detail.service.as_deref(),
        to: &entry.accepted.recipient,
        from: &entry.accepted.from,
        body: &entry.accepted.text_or_subject,
        created: entry.accepted.accepted_at,
        history: entry.history,
        // Not the entry's last one: its history may be cut short.
        status: entry.history.iter().rev().find_map(|told| told.notice.status()).unwrap_or("queued"),
    };
    shown.to_json()
}

/// What the resource is made of.
#[derive(Debug)]
struct Shown<'a> {
    sid: &'a str,
    account: &'a str,
    service: Option<&'a str>,
    to: &'a str,
    from: &'a str,
    body: &'a str,
    created: DateTime<Utc>,
    history: &'a [Told],
    status: &'a str,
}

impl Shown<'_> {
    fn to_json(&self) -> Value {
        let updated = self.history.last().map_or(self.created, |told| told.at);
        let uri = format!("/2010-04-01/Accounts/{}/Messages/{}", self.account, self.sid);
        let error_code = self.history.iter().rev().find_map(|told| code(told.notice));
        json!({
            "sid": self.sid,
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": self.created.to_rfc2822(),
            "date_updated": updated.to_rfc2822(),
            "date_sent": sent_at(self.history).map(|at| at.to_rfc2822()),
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

pub(super) fn code(notice: Notice) -> Option<u32> {
    match notice {
        Notice::Undelivered { code } | Notice::Failed { code } => Some(code),
        Notice::Sent
        | Notice::Delivered
        | Notice::TemporaryFailure
        | Notice::Bounced
        | Notice::Suppressed
        | Notice::Rejected
        | Notice::Complained
        | Notice::Unsubscribed
        | Notice::LateBounce
        | Notice::Stopped { .. } => None,
    }
}

/// Near enough for a simulator: ASCII counts as GSM-7. A service tells none at first.
fn segments(body: &str, by_service: bool) -> usize {
    let (units, single, part) =
        if body.is_ascii() { (body.len(), 160, 153) } else { (body.encode_utf16().count(), 70, 67) };
    match units {
        _ if by_service => 0,
        short if short <= single => 1,
        long => long.div_ceil(part),
    }
}

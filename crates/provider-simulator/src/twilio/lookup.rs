//! Twilio's lookups: one message by its SID, or a list newest first.
//!
//! `GET …/Messages.json` filters by To, From and the date sent; `GET …/Messages/{sid}.json` shows one message.

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chrono::NaiveDate;
use serde_json::{Value, json};

use super::{
    errors::{error, refuse_wrong_credentials},
    message::{resource, sent_at},
};
use crate::{
    call_log::MessageRecord,
    clock,
    http_answer::json_response,
    http_request::{self, Fields, SharedState, value},
    records::Provider,
    state::SimulatorState,
};

const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 1_000;

pub(crate) async fn fetch(
    State(state): SharedState,
    Path((account, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    state.faults.wait_latency().await;
    if let Some(answer) = refuse(&state, &account, &headers) {
        return answer;
    }
    let visible_until = clock::now() - state.faults.behaviour().look_up_lag;
    let log = state.journal.read();
    let message = file.strip_suffix(".json").and_then(|sid| log.by_id(sid)?.as_of(visible_until));
    match message.filter(|message| is_of(message, &account)) {
        Some(message) => json_response(StatusCode::OK, &resource(&message)),
        None => error(20404),
    }
}

pub(crate) async fn list(
    State(state): SharedState,
    Path(account): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    state.faults.wait_latency().await;
    if let Some(answer) = refuse(&state, &account, &headers) {
        return answer;
    }
    let behaviour = state.faults.behaviour();
    let visible_until = clock::now() - behaviour.look_up_lag;
    let query = http_request::parse_fields(query.unwrap_or_default().as_bytes());
    let number = |name| value(&query, name).and_then(|text| text.parse::<usize>().ok());
    let page_size = number("PageSize").unwrap_or(PAGE_SIZE_DEFAULT).clamp(1, PAGE_SIZE_MAX);
    let page_size = page_size.min(behaviour.look_up_page_max);
    let page = number("Page").unwrap_or(0);
    let log = state.journal.read();
    let visible = log.of_recipient(value(&query, "To")).filter_map(|message| message.as_of(visible_until));
    let mut matching = visible.filter(|message| is_of(message, &account) && matches_query(message, &query));
    let messages: Vec<Value> = matching
        .by_ref()
        .skip(page.saturating_mul(page_size))
        .take(page_size)
        .map(|message| resource(&message))
        .collect();
    let more = matching.next().is_some();
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

/// The answer during an outage, or to wrong credentials.
fn refuse(state: &SimulatorState, account: &str, headers: &HeaderMap) -> Option<Response> {
    if state.faults.is_out(Provider::Twilio) {
        Some(error(20503))
    } else {
        refuse_wrong_credentials(state, account, headers)
    }
}

fn page_uri(account: &str, query: &Fields, page_size: usize, page: usize) -> String {
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

fn is_of(message: &MessageRecord<'_>, account: &str) -> bool {
    message.accepted.provider == Provider::Twilio && message.detail.account == account
}

fn matches_query(message: &MessageRecord<'_>, query: &Fields) -> bool {
    let sent = sent_at(message.events).map(|at| at.date_naive());
    let date = |name| value(query, name).map(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
    let date_matches = |name, test: fn(NaiveDate, NaiveDate) -> bool| match date(name) {
        None => true,
        // An unreadable date matches nothing.
        Some(wanted) => sent.zip(wanted).is_some_and(|(sent, wanted)| test(sent, wanted)),
    };
    value(query, "From").is_none_or(|from| from == message.accepted.from)
        && date_matches("DateSent", |sent, wanted| sent == wanted)
        && date_matches("DateSent>", |sent, wanted| sent >= wanted)
        && date_matches("DateSent<", |sent, wanted| sent <= wanted)
}

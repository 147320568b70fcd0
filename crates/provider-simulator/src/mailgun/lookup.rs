//! Mailgun's lookups: the Events API by GET and the Logs API by POST, both over the journal.
//!
//! A page's URL (events) or token (logs) carries the query and the offset. `event_query` reads and runs the
//! queries.

use std::sync::atomic::Ordering;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use serde_json::{Value, json};

use super::{
    event_query::EventQuery,
    refusals::{bad_request, refuse, refuse_wrong_key},
};
use crate::{
    call_plan::Refusal,
    http_answer::json_response,
    http_request::{self, SharedState},
    records::Provider,
    state::SimulatorState,
};

pub(crate) async fn events(
    State(state): SharedState,
    Path(domain): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    state.faults.wait_latency().await;
    answer_events(&state, &headers, &domain, &query, 0)
}

pub(crate) async fn events_page(
    State(state): SharedState,
    Path((domain, page)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    state.faults.wait_latency().await;
    match read_page(&page) {
        Some((offset, query)) => answer_events(&state, &headers, &domain, &query, offset),
        None => bad_request("page is not one that the simulator gave"),
    }
}

pub(crate) async fn logs(State(state): SharedState, headers: HeaderMap, body: Body) -> Response {
    let body = match http_request::read_body(body).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    state.faults.wait_latency().await;
    if let Some(answer) = refuse_wrong_key(&state, &headers) {
        return answer;
    }
    if state.faults.is_out(Provider::Mailgun) {
        return refuse(Refusal::Unavailable);
    }
    if !state.faults.logs_offered.load(Ordering::SeqCst) {
        return not_offered();
    }
    let (query, token) = match EventQuery::from_logs_body(&body) {
        Ok(read) => read,
        Err(problem) => return bad_request(&problem),
    };
    let offset = token.as_deref().and_then(read_page).map_or(0, |(offset, _)| offset);
    let (items, more) = query.find(&state, offset);
    let items: Vec<Value> = items.into_iter().map(with_iso_time).collect();
    let next = more.then(|| write_page(offset + items.len(), "logs"));
    json_response(
        StatusCode::OK,
        &json!({ "items": items, "pagination": { "next": next, "total": items.len() }, "aggregates": {} }),
    )
}

fn answer_events(
    state: &SimulatorState,
    headers: &HeaderMap,
    domain: &str,
    query: &str,
    offset: usize,
) -> Response {
    if let Some(answer) = refuse_wrong_key(state, headers) {
        return answer;
    }
    if state.faults.is_out(Provider::Mailgun) {
        return refuse(Refusal::Unavailable);
    }
    if !state.faults.events_offered.load(Ordering::SeqCst) {
        return not_offered();
    }
    let event_query = match EventQuery::from_fields(domain, &http_request::parse_fields(query.as_bytes())) {
        Ok(event_query) => event_query,
        Err(problem) => return bad_request(&problem),
    };
    let (items, _more) = event_query.find(state, offset);
    let url = |offset: usize| {
        format!("http://{}/v3/{domain}/events/{}", state.settings.http_addr, write_page(offset, query))
    };
    // As at the real Mailgun there is always a next page; the last one is empty.
    let paging = json!({
        "next": url(offset + items.len()),
        "previous": url(offset.saturating_sub(event_query.limit)),
        "first": url(0),
        "last": url(offset + items.len()),
    });
    json_response(StatusCode::OK, &json!({ "items": items, "paging": paging }))
}

fn not_offered() -> Response {
    json_response(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" }))
}

fn with_iso_time(mut event: Value) -> Value {
    let seconds = event["timestamp"].as_f64().unwrap_or_default();
    let time = DateTime::from_timestamp_micros((seconds * 1e6) as i64).unwrap_or_default();
    event["@timestamp"] = json!(time.to_rfc3339());
    event
}

fn write_page(offset: usize, query: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{offset}?{query}"))
}

fn read_page(page: &str) -> Option<(usize, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(page).ok()?).ok()?;
    let (offset, query) = text.split_once('?')?;
    Some((offset.parse().ok()?, query.to_owned()))
}

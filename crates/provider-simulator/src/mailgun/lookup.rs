//! Mailgun's look-ups: the Events API by GET and the Logs API by POST, both over the ledger.
//!
//! Filters are the ones that a search for one message needs; an unknown filter is refused instead of
//! being ignored, because an ignored filter would find everything. Pages are URLs (events) or tokens
//! (logs) that carry the whole question and where to go on. Several message ids are asked for at once by
//! ` OR ` (events) or as several values (logs).

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    events::{accepted_event, told_event},
    send::{bad_request, refuse_key, unavailable},
};
use crate::{
    call_log::Entry,
    http_answer::json_response,
    mime,
    records::Provider,
    routes::{self, Pairs, Shared, value},
    state::SimulatorState,
};

const LIMIT_MAX: usize = 300;
const LIMIT_DEFAULT: usize = 100;
const FILTERS: [&str; 7] = ["message-id", "recipient", "event", "begin", "end", "limit", "ascending"];

pub(crate) async fn events(
    State(house): Shared,
    Path(domain): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    house.take_time().await;
    answer_events(&house, &headers, &domain, &query, 0)
}

pub(crate) async fn events_page(
    State(house): Shared,
    Path((domain, page)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    house.take_time().await;
    match read_page(&page) {
        Some((offset, query)) => answer_events(&house, &headers, &domain, &query, offset),
        None => bad_request("page is not one that the simulator gave"),
    }
}

/// The body of the Logs API, as far as it is understood.
#[derive(Debug, Deserialize)]
struct LogsQuestion {
    start: Option<String>,
    end: Option<String>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    filter: LogsFilter,
    #[serde(default)]
    pagination: LogsPage,
}

#[derive(Debug, Default, Deserialize)]
struct LogsFilter {
    #[serde(rename = "AND", default)]
    all: Vec<LogsCondition>,
}

#[derive(Debug, Deserialize)]
struct LogsCondition {
    attribute: String,
    comparator: String,
    #[serde(default)]
    values: Vec<LogsValue>,
}

#[derive(Debug, Deserialize)]
struct LogsValue {
    value: String,
}

#[derive(Debug, Default, Deserialize)]
struct LogsPage {
    sort: Option<String>,
    token: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn logs(State(house): Shared, headers: HeaderMap, body: Body) -> Response {
    let body = match routes::read_body(body).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    house.take_time().await;
    if let Some(answer) = refuse_key(&house, &headers) {
        return answer;
    }
    if house.is_out(Provider::Mailgun) {
        return unavailable();
    }
    if !house.are_logs_offered() {
        return not_offered();
    }
    let asked = serde_json::from_slice::<LogsQuestion>(&body).map_err(|problem| problem.to_string());
    let question = match asked.and_then(|asked| Ok((Question::from_logs(&asked)?, asked))) {
        Ok((question, asked)) => (question, asked.pagination.token),
        Err(problem) => return bad_request(&problem),
    };
    let (question, token) = question;
    let offset = token.as_deref().and_then(read_page).map_or(0, |(offset, _)| offset);
    let (items, more) = question.find(&house, offset);
    let items: Vec<Value> = items.into_iter().map(with_iso_time).collect();
    let next = more.then(|| write_page(offset + items.len(), "logs"));
    json_response(
        StatusCode::OK,
        &json!({ "items": items, "pagination": { "next": next, "total": items.len() }, "aggregates": {} }),
    )
}

fn answer_events(
    house: &SimulatorState,
    headers: &HeaderMap,
    domain: &str,
    query: &str,
    offset: usize,
) -> Response {
    if let Some(answer) = refuse_key(house, headers) {
        return answer;
    }
    if house.is_out(Provider::Mailgun) {
        return unavailable();
    }
    if !house.are_events_offered() {
        return not_offered();
    }
    let question = match Question::from_query(domain, &routes::pairs(query.as_bytes())) {
        Ok(question) => question,
        Err(problem) => return bad_request(&problem),
    };
    let (items, _more) = question.find(house, offset);
    let url = |offset: usize| {
        format!("http://{}/v3/{domain}/events/{}", house.fixed.http_addr, write_page(offset, query))
    };
    // As at the real one there is always a next page; the last one is empty.
    let paging = json!({
        "next": url(offset + items.len()),
        "previous": url(offset.saturating_sub(question.limit)),
        "first": url(0),
        "last": url(offset + items.len()),
    });
    json_response(StatusCode::OK, &json!({ "items": items, "paging": paging }))
}

fn not_offered() -> Response {
    json_response(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" }))
}

/// What is asked, from either API.
#[derive(Debug)]
struct Question {
    domain: Option<String>,
    /// Empty: all.
    message_ids: Vec<String>,
    recipient: Option<String>,
    /// Empty: all.
    events: Vec<String>,
    begin: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    limit: usize,
    ascending: bool,
}

impl Question {
    fn from_query(domain: &str, query: &Pairs) -> Result<Question, String> {
        if let Some((name, _)) = query.iter().find(|(name, _)| !FILTERS.contains(&name.as_str())) {
            return Err(format!("the simulator has no filter {name}"));
        }
        let limit = value(query, "limit").map(str::parse).transpose().map_err(|_| "limit is not a number")?;
        let words = |name| {
            let text = value(query, name).unwrap_or_default();
            let words = text.split(" OR ").map(|word| mime::address(word).to_owned());
            words.filter(|word| !word.is_empty()).collect()
        };
        Ok(Question {
            domain: Some(domain.to_owned()),
            message_ids: words("message-id"),
            recipient: value(query, "recipient").map(str::to_owned),
            events: words("event"),
            begin: value(query, "begin").map(time).transpose()?,
            end: value(query, "end").map(time).transpose()?,
            limit: limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX),
            ascending: value(query, "ascending").is_some_and(|word| matches!(word, "yes" | "true")),
        })
    }

    fn from_logs(asked: &LogsQuestion) -> Result<Question, String> {
        let mut question = Question {
            domain: None,
            message_ids: Vec::new(),
            recipient: None,
            events: asked.events.clone(),
            begin: asked.start.as_deref().map(time).transpose()?,
            end: asked.end.as_deref().map(time).transpose()?,
            limit: asked.pagination.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX),
            ascending: match asked.pagination.sort.as_deref() {
                None | Some("timestamp:desc") => false,
                Some("timestamp:asc") => true,
                Some(other) => return Err(format!("the simulator cannot sort by {other}")),
            },
        };
        for condition in &asked.filter.all {
            if condition.comparator != "=" {
                return Err(format!("the simulator cannot compare by {}", condition.comparator));
            }
            let Some(first) = condition.values.first() else { continue };
            match condition.attribute.as_str() {
                "message-id" | "message_id" | "message.headers.message-id" => {
                    let ids = condition.values.iter().map(|value| mime::address(&value.value).to_owned());
                    question.message_ids = ids.collect();
                }
                "recipient" => question.recipient = Some(first.value.clone()),
                "domain" => question.domain = Some(first.value.clone()),
                "event" => {
                    question.events = condition.values.iter().map(|value| value.value.clone()).collect()
                }
                other => return Err(format!("the simulator has no filter {other}")),
            }
        }
        Ok(question)
    }

    /// A page of events, and whether more follow.
    fn find(&self, house: &SimulatorState, offset: usize) -> (Vec<Value>, bool) {
        let (book, behaviour) = (house.book(), house.behaviour());
        let entries: Vec<Entry<'_>> = match self.message_ids.as_slice() {
            [] => book.of_recipient(self.recipient.as_deref()).collect(),
            ids => ids.iter().filter_map(|id| book.by_id(id)).collect(),
        };
        let shown_until = postrider_clock::wall() - behaviour.look_up_lag;
        let mut found: Vec<(DateTime<Utc>, Value)> = entries
            .into_iter()
            .filter_map(|entry| entry.as_of(shown_until))
            .filter(|entry| self.wants(entry))
            .flat_map(|entry| self.events_of(&entry))
            .collect();
        found.sort_by_key(|(at, _)| *at);
        if !self.ascending {
            found.reverse();
        }
        let limit = self.limit.min(behaviour.look_up_page_max);
        let more = found.len() > offset + limit;
        (found.into_iter().skip(offset).take(limit).map(|(_, event)| event).collect(), more)
    }

    fn wants(&self, entry: &Entry<'_>) -> bool {
        entry.accepted.provider == Provider::Mailgun
            && self.domain.as_deref().is_none_or(|domain| domain == entry.detail.account)
            && self.recipient.as_deref().is_none_or(|recipient| recipient == entry.accepted.recipient)
    }

    fn events_of(&self, entry: &Entry<'_>) -> Vec<(DateTime<Utc>, Value)> {
        let first = (entry.accepted.accepted_at, accepted_event(entry.accepted, entry.detail));
        let later =
            entry.history.iter().map(|told| (told.at, told_event(entry.accepted, entry.detail, told)));
        let wanted = |(at, event): &(DateTime<Utc>, Value)| {
            self.begin.is_none_or(|begin| *at >= begin)
                && self.end.is_none_or(|end| *at <= end)
                && (self.events.is_empty() || self.events.iter().any(|word| event["event"] == word.as_str()))
        };
        std::iter::once(first).chain(later).filter(wanted).collect()
    }
}

/// RFC 2822 or seconds since 1970.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let seconds =
        text.parse::<f64>().ok().and_then(|seconds| DateTime::from_timestamp_micros((seconds * 1e6) as i64));
    seconds
        .or_else(|| DateTime::parse_from_rfc2822(text).ok().map(|time| time.to_utc()))
        .ok_or_else(|| format!("{text} is not a time"))
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

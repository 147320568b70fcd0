//! Queries of Mailgun's Events API and Logs API over the journal.
//!
//! Only the filters that a search for one message needs are known. An unknown filter is refused, because an
//! ignored filter would find everything. Several message ids are given by ` OR ` (Events API) or as several
//! values (Logs API).

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::event_json::{accepted_event, event};
use crate::{
    call_log::MessageRecord,
    clock,
    http_request::{Fields, value},
    mime,
    records::Provider,
    state::SimulatorState,
};

const LIMIT_MAX: usize = 300;
const LIMIT_DEFAULT: usize = 100;
const FILTERS: [&str; 7] = ["message-id", "recipient", "event", "begin", "end", "limit", "ascending"];

/// The body of the Logs API with the fields that the simulator knows.
#[derive(Debug, Deserialize)]
struct LogsBody {
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

/// A query of either API.
#[derive(Debug)]
pub(super) struct EventQuery {
    domain: Option<String>,
    /// Empty: all.
    message_ids: Vec<String>,
    recipient: Option<String>,
    /// Empty: all.
    events: Vec<String>,
    begin: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    pub limit: usize,
    ascending: bool,
}

impl EventQuery {
    /// Reads a query of the Events API; the error names the field that the simulator cannot read.
    pub(super) fn from_fields(domain: &str, fields: &Fields) -> Result<EventQuery, String> {
        if let Some((name, _)) = fields.iter().find(|(name, _)| !FILTERS.contains(&name.as_str())) {
            return Err(format!("the simulator has no filter {name}"));
        }
        let limit =
            value(fields, "limit").map(str::parse).transpose().map_err(|_| "limit is not a number")?;
        let words = |name| {
            let text = value(fields, name).unwrap_or_default();
            let words = text.split(" OR ").map(|word| mime::address(word).to_owned());
            words.filter(|word| !word.is_empty()).collect()
        };
        Ok(EventQuery {
            domain: Some(domain.to_owned()),
            message_ids: words("message-id"),
            recipient: value(fields, "recipient").map(str::to_owned),
            events: words("event"),
            begin: value(fields, "begin").map(time).transpose()?,
            end: value(fields, "end").map(time).transpose()?,
            limit: limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX),
            ascending: value(fields, "ascending").is_some_and(|word| matches!(word, "yes" | "true")),
        })
    }

    /// Reads a query of the Logs API and its page token; the error names the field that it cannot read.
    pub(super) fn from_logs_body(body: &[u8]) -> Result<(EventQuery, Option<String>), String> {
        let body: LogsBody = serde_json::from_slice(body).map_err(|problem| problem.to_string())?;
        let mut query = EventQuery {
            domain: None,
            message_ids: Vec::new(),
            recipient: None,
            events: body.events.clone(),
            begin: body.start.as_deref().map(time).transpose()?,
            end: body.end.as_deref().map(time).transpose()?,
            limit: body.pagination.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX),
            ascending: match body.pagination.sort.as_deref() {
                None | Some("timestamp:desc") => false,
                Some("timestamp:asc") => true,
                Some(other) => return Err(format!("the simulator cannot sort by {other}")),
            },
        };
        for condition in &body.filter.all {
            if condition.comparator != "=" {
                return Err(format!("the simulator cannot compare by {}", condition.comparator));
            }
            let Some(first) = condition.values.first() else { continue };
            match condition.attribute.as_str() {
                "message-id" | "message_id" | "message.headers.message-id" => {
                    let ids = condition.values.iter().map(|value| mime::address(&value.value).to_owned());
                    query.message_ids = ids.collect();
                }
                "recipient" => query.recipient = Some(first.value.clone()),
                "domain" => query.domain = Some(first.value.clone()),
                "event" => query.events = condition.values.iter().map(|value| value.value.clone()).collect(),
                other => return Err(format!("the simulator has no filter {other}")),
            }
        }
        Ok((query, body.pagination.token))
    }

    /// A page of events, and whether more follow.
    pub(super) fn find(&self, state: &SimulatorState, offset: usize) -> (Vec<Value>, bool) {
        let (log, behaviour) = (state.journal.read(), state.faults.behaviour());
        let messages: Vec<MessageRecord<'_>> = match self.message_ids.as_slice() {
            [] => log.of_recipient(self.recipient.as_deref()).collect(),
            ids => ids.iter().filter_map(|id| log.by_id(id)).collect(),
        };
        let visible_until = clock::now() - behaviour.look_up_lag;
        let mut found: Vec<(DateTime<Utc>, Value)> = messages
            .into_iter()
            .filter_map(|message| message.as_of(visible_until))
            .filter(|message| self.matches(message))
            .flat_map(|message| self.events_of(&message))
            .collect();
        found.sort_by_key(|(at, _)| *at);
        if !self.ascending {
            found.reverse();
        }
        let limit = self.limit.min(behaviour.look_up_page_max);
        let more = found.len() > offset + limit;
        (found.into_iter().skip(offset).take(limit).map(|(_, event)| event).collect(), more)
    }

    fn matches(&self, message: &MessageRecord<'_>) -> bool {
        message.accepted.provider == Provider::Mailgun
            && self.domain.as_deref().is_none_or(|domain| domain == message.detail.account)
            && self.recipient.as_deref().is_none_or(|recipient| recipient == message.accepted.recipient)
    }

    fn events_of(&self, message: &MessageRecord<'_>) -> Vec<(DateTime<Utc>, Value)> {
        let first = (message.accepted.accepted_at, accepted_event(message.accepted, message.detail));
        let later = message
            .events
            .iter()
            .map(|recorded| (recorded.at, event(message.accepted, message.detail, recorded)));
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

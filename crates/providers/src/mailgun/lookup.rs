//! Mailgun's look-ups: the requests to its two APIs, and the sum of their responses.
//!
//! PURE. The Logs API is the newer one, the Events API is deprecated and still there; an account has either or both.
//! `Found` in one of them is proof. `Absent` means that every available API was searched to its end, and at least
//! one was available. A message is identified by its Message-ID, which we choose and which names the attempt.
//! `event` reads the events, `client` makes the calls.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    LookupQuery, LookupResult, Proof,
    email::bare_message_id,
    http_response::HttpResponse,
    lookup::{CLOCK_SKEW, page_path, parse_json},
};

use super::{event::Event, wire};

/// Largest page of the Events API.
const EVENTS_LIMIT: &str = "300";
/// The page size in the Logs API's documentation, which states no largest one.
const LOGS_LIMIT: u32 = 100;
/// RFC 2822 with a numeric zone, as in Mailgun's documents.
const TIME_FORMAT: &str = "%a, %d %b %Y %H:%M:%S %z";

/// An API of Mailgun that knows the events of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookupApi {
    Logs,
    Events,
}

impl LookupApi {
    /// Whether the account has this API, by the response to the request for the first page.
    pub(super) fn is_available(self, response: &HttpResponse) -> bool {
        match response.status {
            // "Domain not found" comes from an API that is there.
            404 => wire::text(response).to_lowercase().contains("domain"),
            405 | 410 | 501 => false,
            200 => !wire::is_wrong_path(response),
            _ => true,
        }
    }

    /// Reads one page.
    ///
    /// # Errors
    ///
    /// `Unclear` if the response is not a complete page.
    pub(super) fn read_page(self, response: &HttpResponse) -> Result<EventPage, LookupResult> {
        let (items, next) = match self {
            LookupApi::Logs => {
                let LogsBody { items, pagination } = parse_json(response)?;
                (items, pagination.next.filter(|token| !token.is_empty()))
            }
            LookupApi::Events => {
                let EventsBody { items, paging } = parse_json(response)?;
                // Every page has a next one; an empty page is the last.
                let next = if items.is_empty() { None } else { Some(page_path(&paging.next)?) };
                (items, next)
            }
        };
        let next = next.filter(|_| !items.is_empty());
        Ok(EventPage { proofs: items.iter().filter_map(proof).collect(), next })
    }
}

/// One page of events.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventPage {
    /// By Message-ID, without angle brackets.
    pub proofs: Vec<(String, Proof)>,
    /// The next page: a path (Events API) or a token (Logs API).
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct LogsBody {
    items: Vec<Event>,
    /// A required field: without it the last page cannot be recognised.
    pagination: LogsPaging,
}

#[derive(Deserialize)]
struct LogsPaging {
    next: Option<String>,
}

#[derive(Deserialize)]
struct EventsBody {
    items: Vec<Event>,
    paging: EventsPaging,
}

#[derive(Deserialize)]
struct EventsPaging {
    next: String,
}

fn proof(event: &Event) -> Option<(String, Proof)> {
    let id = event.message_id()?;
    let (kind, code) = event.news();
    Some((id.clone(), Proof::new(kind, code, Some(id))))
}

/// A search for the events of some attempts of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BatchQuery<'a> {
    domain: &'a str,
    /// Message-IDs of the attempts without angle brackets, in the order of the queries.
    pub ids: Vec<String>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl<'a> BatchQuery<'a> {
    pub(super) const LOGS_PATH: &'static str = "/v1/analytics/logs";

    pub(super) fn new(queries: &[LookupQuery], domain: &'a str, now: DateTime<Utc>) -> BatchQuery<'a> {
        let from = queries.iter().map(LookupQuery::earliest).min().unwrap_or(now);
        let ids = queries.iter().map(|query| searched_id(query, domain)).collect();
        BatchQuery { domain, ids, from, to: now + CLOCK_SKEW }
    }

    /// The first page of the Events API.
    pub(super) fn events_path(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("begin", &self.from.timestamp().to_string())
            .append_pair("end", &self.to.timestamp().to_string())
            .append_pair("ascending", "yes")
            .append_pair("limit", EVENTS_LIMIT)
            .append_pair("message-id", &self.ids.join(" OR "))
            .finish();
        format!("/v3/{}/events?{query}", self.domain)
    }

    /// The request body of the Logs API, for the page of `token` or for the first one. We assume that several values
    /// match any of them. That is not documented, unlike the `OR` of the Events API, which must find no message
    /// either where it is available.
    pub(super) fn logs_body(&self, token: Option<&str>) -> Value {
        let is = |attribute: &str, values: &[&str]| {
            let values: Vec<Value> =
                values.iter().map(|value| json!({ "label": value, "value": value })).collect();
            json!({ "attribute": attribute, "comparator": "=", "values": values })
        };
        let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        let mut pagination = json!({ "sort": "timestamp:asc", "limit": LOGS_LIMIT });
        if let Some(token) = token {
            pagination["token"] = json!(token);
        }
        json!({
            "start": self.from.format(TIME_FORMAT).to_string(),
            "end": self.to.format(TIME_FORMAT).to_string(),
            "filter": { "AND": [is("domain", &[self.domain]), is("message_id", &ids)] },
            "pagination": pagination,
        })
    }
}

/// Mailgun's own id from the response to the call, if it cannot change the meaning of a filter; else the Message-ID
/// that the email was sent with.
fn searched_id(query: &LookupQuery, domain: &str) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@' | b'+');
    let provider_id = query.provider_id.as_deref().filter(|id| id.contains('@') && id.len() <= 200);
    match provider_id.filter(|id| id.bytes().all(is_plain)) {
        Some(id) => id.to_owned(),
        None => bare_message_id(query.message, query.attempt, domain),
    }
}

/// The end of the search at one API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SearchEnd {
    /// Every page was read.
    Complete,
    /// The account does not have this API.
    NotAvailable,
    /// The search broke off with this result.
    Unclear(LookupResult),
}

/// The sum of the searches of one batch.
#[derive(Debug, Default)]
pub(super) struct Findings {
    proofs: HashMap<String, Proof>,
    is_complete: bool,
    unclear: Option<LookupResult>,
}

impl Findings {
    /// Adds the proofs of one page; the latest one of a message counts.
    pub(super) fn add(&mut self, proofs: Vec<(String, Proof)>) {
        for (id, proof) in proofs {
            let latest = match self.proofs.remove(&id) {
                Some(known) => known.or_later(proof),
                None => proof,
            };
            self.proofs.insert(id, latest);
        }
    }

    pub(super) fn record_end(&mut self, end: SearchEnd) {
        match end {
            SearchEnd::Complete => self.is_complete = true,
            SearchEnd::NotAvailable => {}
            SearchEnd::Unclear(unclear) => {
                self.unclear.get_or_insert(unclear);
            }
        }
    }

    /// The batch without the messages that have a final state.
    pub(super) fn not_final<'a>(&self, batch: &BatchQuery<'a>) -> BatchQuery<'a> {
        let is_open = |id: &&String| !self.proofs.get(*id).is_some_and(Proof::is_final);
        BatchQuery { ids: batch.ids.iter().filter(is_open).cloned().collect(), ..*batch }
    }

    /// One result for each id of the batch.
    pub(super) fn results(&self, batch: &BatchQuery<'_>) -> Vec<LookupResult> {
        let not_found = match &self.unclear {
            Some(unclear) => unclear.clone(),
            None if self.is_complete => LookupResult::Absent,
            None => LookupResult::unclear("not_on_offer"),
        };
        let result =
            |id| self.proofs.get(id).map_or(not_found.clone(), |proof| LookupResult::Found(proof.clone()));
        batch.ids.iter().map(result).collect()
    }
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;

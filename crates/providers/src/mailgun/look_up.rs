//! Mailgun's look-ups: what is asked of its two APIs, and what their answers add up to.
//!
//! PURE. The Logs API is the newer one, the Events API is deprecated and still there; an account may
//! have either or both. Found in one of them is proof. Absent is what every API on offer answered to its
//! end without, and at least one must have. A message is known by its Message-Id, which is ours and names
//! the attempt. What an event means is for `events`; read `client` for the asking.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    LookupQuery, LookupResult, Proof,
    answer::Answer,
    email::bare_message_id,
    look_up::{SKEW, page, read},
};

use super::{events::Event, wire};

/// Most that the Events API gives at once.
const EVENTS_LIMIT: &str = "300";
/// What the Logs API is documented with; its most is not.
const LOGS_LIMIT: u32 = 100;
/// RFC 2822 as Mailgun's documents write it.
const TIME_FORMAT: &str = "%a, %d %b %Y %H:%M:%S %z";

/// Where Mailgun can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Logs,
    Events,
}

impl Api {
    /// Whether the account has this API at all, by the answer to a first page.
    #[must_use]
    pub fn is_offered(self, answer: &Answer) -> bool {
        match answer.status {
            // An unknown domain has no events; that is no word about the API.
            404 => wire::text(answer).to_lowercase().contains("domain"),
            405 | 410 | 501 => false,
            200 => !wire::is_wrong_path(answer),
            _ => true,
        }
    }

    /// One page of an answer.
    ///
    /// # Errors
    ///
    /// `Unclear` where the page was not answered or cannot be understood.
    pub fn read(self, answer: &Answer) -> Result<Page, LookupResult> {
        let (items, next) = match self {
            Api::Logs => {
                let Logs { items, pagination } = read(answer)?;
                (items, pagination.next.filter(|token| !token.is_empty()))
            }
            Api::Events => {
                let Events { items, paging } = read(answer)?;
                // There is always a next page; an empty one is the last.
                let next = if items.is_empty() { None } else { Some(page(&paging.next)?) };
                (items, next)
            }
        };
        let next = next.filter(|_| !items.is_empty());
        Ok(Page { told: items.iter().filter_map(told).collect(), next })
    }
}

/// What one page tells, and where the next one is: a path (events) or a token (logs).
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// By Message-Id, without brackets.
    pub told: Vec<(String, Proof)>,
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Logs {
    items: Vec<Event>,
    /// Must be there: without it nobody knows which page is last.
    pagination: LogsPaging,
}

#[derive(Deserialize)]
struct LogsPaging {
    next: Option<String>,
}

#[derive(Deserialize)]
struct Events {
    items: Vec<Event>,
    paging: EventsPaging,
}

#[derive(Deserialize)]
struct EventsPaging {
    next: String,
}

fn told(event: &Event) -> Option<(String, Proof)> {
    let id = event.message_id()?;
    let (kind, code) = event.told();
    Some((id.clone(), Proof::of(kind, code, Some(id))))
}

/// A question about some attempts of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    domain: &'a str,
    /// The attempts' Message-Ids without brackets, in the attempts' order.
    pub ids: Vec<String>,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl<'a> Question<'a> {
    pub const LOGS_PATH: &'static str = "/v1/analytics/logs";

    #[must_use]
    pub fn about(sought: &[LookupQuery], domain: &'a str, now: DateTime<Utc>) -> Question<'a> {
        let since = sought.iter().map(LookupQuery::since).min().unwrap_or(now);
        Question { domain, ids: sought.iter().map(|one| id(one, domain)).collect(), since, until: now + SKEW }
    }

    #[must_use]
    pub fn events_path(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("begin", &self.since.timestamp().to_string())
            .append_pair("end", &self.until.timestamp().to_string())
            .append_pair("ascending", "yes")
            .append_pair("limit", EVENTS_LIMIT)
            .append_pair("message-id", &self.ids.join(" OR "))
            .finish();
        format!("/v3/{}/events?{query}", self.domain)
    }

    /// The body that asks the Logs API for the page of this token, or for the first one. Several values
    /// are taken to mean any of them: not documented, unlike the `OR` of the Events API, which must come
    /// out empty too wherever it is on offer.
    #[must_use]
    pub fn logs(&self, token: Option<&str>) -> Value {
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
            "start": self.since.format(TIME_FORMAT).to_string(),
            "end": self.until.format(TIME_FORMAT).to_string(),
            "filter": { "AND": [is("domain", &[self.domain]), is("message_id", &ids)] },
            "pagination": pagination,
        })
    }
}

/// The id that Mailgun knows the message by: its own where its answer told one that can stand in a
/// filter, else the one that the email was sent with.
fn id(sought: &LookupQuery, domain: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@' | b'+');
    let told = sought.provider_id.as_deref().filter(|id| id.contains('@') && id.len() <= 200);
    match told.filter(|id| id.bytes().all(plain)) {
        Some(id) => id.to_owned(),
        None => bare_message_id(sought.message, sought.attempt, domain),
    }
}

/// How asking one API ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every page was seen.
    Complete,
    /// The account does not have this API; it does not count.
    NotOffered,
    Unclear(LookupResult),
}

/// What the answers add up to.
#[derive(Debug, Default)]
pub struct Findings {
    proofs: HashMap<String, Proof>,
    complete: bool,
    unclear: Option<LookupResult>,
}

impl Findings {
    pub fn note(&mut self, told: Vec<(String, Proof)>) {
        for (id, proof) in told {
            let further = match self.proofs.remove(&id) {
                Some(known) => known.or_further(proof),
                None => proof,
            };
            self.proofs.insert(id, further);
        }
    }

    pub fn end(&mut self, end: End) {
        match end {
            End::Complete => self.complete = true,
            End::NotOffered => {}
            End::Unclear(unclear) => {
                self.unclear.get_or_insert(unclear);
            }
        }
    }

    /// The question without the ids whose end is known.
    #[must_use]
    pub fn open<'a>(&self, whole: &Question<'a>) -> Question<'a> {
        let is_open = |id: &&String| !self.proofs.get(*id).is_some_and(Proof::is_final);
        Question { ids: whole.ids.iter().filter(is_open).cloned().collect(), ..*whole }
    }

    /// One answer for each id.
    #[must_use]
    pub fn looked(&self, whole: &Question<'_>) -> Vec<LookupResult> {
        let not_found = match &self.unclear {
            Some(unclear) => unclear.clone(),
            None if self.complete => LookupResult::Absent,
            None => LookupResult::unclear("not_on_offer"),
        };
        let looked =
            |id| self.proofs.get(id).map_or(not_found.clone(), |proof| LookupResult::Found(proof.clone()));
        whole.ids.iter().map(looked).collect()
    }
}

#[cfg(test)]
#[path = "look_up_tests.rs"]
mod tests;

//! One row of the list of requests, as programs read it.
//!
//! The fields are stable: the columns of the list in snake case, for the API and for `--json` of the command line.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use postrider_domain::{
    ids::Medium,
    lifecycle::{State, Status},
};
use postrider_ledger::list::ListRow;

use crate::requests::views::status_text::{address, sent_by};

/// One request of the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestSummary {
    pub request_id: Uuid,
    pub company: String,
    pub sent_to: Option<String>,
    pub address: Option<String>,
    #[schema(value_type = Option<String>)]
    pub medium: Option<Medium>,
    pub sent_by: Option<String>,
    pub date_sent: Option<DateTime<Utc>>,
    #[schema(value_type = String)]
    pub status: Status,
    /// Within `queued`: waiting, sending or unknown.
    pub detail: Option<&'static str>,
    pub paused: bool,
    pub reason: Option<String>,
    /// Follow-ups to the same customer.
    pub retries: i64,
    /// Calls to providers.
    pub attempts: i64,
    pub first_due_at: DateTime<Utc>,
    pub delivered_at: Option<DateTime<Utc>>,
    /// Time of the customer's response.
    pub answered_at: Option<DateTime<Utc>>,
    pub brand: String,
    pub channel: String,
    pub ext_interaction_id: Option<String>,
    /// Entry point of the job: `amqp`, `http`, `operator` or `recipe` (a connector).
    pub source: &'static str,
    pub test: bool,
    pub created_at: DateTime<Utc>,
}

/// The words of the stored entry points.
pub const SOURCES: [(&str, i16); 4] = [("amqp", 0), ("http", 1), ("operator", 2), ("recipe", 3)];

/// The word of a stored entry point.
#[must_use]
pub fn source_name(code: i16) -> &'static str {
    SOURCES.iter().find(|(_, stored)| *stored == code).map_or("other", |(word, _)| word)
}

/// The stored states of public statuses; an empty result matches all.
#[must_use]
pub fn states_of(wanted: &[Status]) -> Vec<State> {
    if wanted.is_empty() {
        return Vec::new();
    }
    State::ALL.into_iter().filter(|state| wanted.contains(&state.status())).collect()
}

impl From<ListRow> for RequestSummary {
    fn from(row: ListRow) -> RequestSummary {
        RequestSummary {
            request_id: row.id,
            company: row.company,
            address: address(&row.customer, row.medium).map(str::to_owned),
            sent_to: row.customer.name,
            medium: row.medium,
            sent_by: sent_by(&row.employee).map(str::to_owned),
            date_sent: row.sent_at,
            status: row.state.status(),
            detail: row.state.detail(),
            paused: row.paused && row.state.detail().is_some(),
            reason: row.reason,
            retries: row.follow_ups,
            attempts: row.attempts,
            first_due_at: row.due_at,
            delivered_at: row.delivered_at,
            answered_at: row.answered_at,
            brand: row.brand,
            channel: row.channel,
            ext_interaction_id: row.ext_interaction_id,
            source: source_name(row.source),
            test: row.test,
            created_at: row.created_at,
        }
    }
}

//! The list of requests, in bounded steps.
//!
//! A step reads so many requests along (company, id), newest first, and returns those that pass the filter;
//! `requests::views::page` takes steps until a page is full or its time is over. There is no other way to
//! search: an index by status, name or address would cost every accept and every settle.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, stored_state};
use postrider_domain::{
    ids::{CompanyId, Medium, MessageId},
    job::{Customer, Employee},
    lifecycle::State,
};

/// Which requests to return; empty and `None`: all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListFilter {
    pub company: Option<CompanyId>,
    pub states: Vec<State>,
    /// Words of `lifecycle::Reason`.
    pub reasons: Vec<String>,
    pub mediums: Vec<Medium>,
    pub channels: Vec<String>,
    pub brands: Vec<String>,
    /// Email address (without case) or custom id.
    pub employee: Option<String>,
    pub tag: Option<String>,
    /// Stored numbers of `request.source`.
    pub sources: Vec<i16>,
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub to: Option<DateTime<Utc>>,
    pub test: Option<bool>,
    pub paused: Option<bool>,
    pub ended_before: Option<DateTime<Utc>>,
    pub search: Option<Search>,
}

/// Readings of one search text; a request passes if one of them fits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    /// Compared without case.
    pub email: String,
    pub phone: Option<String>,
    /// Custom id of the customer, or id of the interaction.
    pub id: String,
    /// Beginnings of the customer's name, in its possible spellings; empty: names are not searched.
    pub names: Vec<String>,
}

/// Bounds of one step.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Only ids below.
    pub before: Uuid,
    /// No id below.
    pub down_to: Uuid,
    pub scan_max: i64,
    pub rows_max: i64,
}

/// Result of a step.
#[derive(Debug, Clone, Default)]
pub struct StepResult {
    pub rows: Vec<ListRow>,
    pub scanned: i64,
    /// The oldest request read.
    pub last: Option<Uuid>,
    /// The database's time.
    pub now: Option<DateTime<Utc>>,
}

/// One row of the list.
#[derive(Debug, Clone)]
pub struct ListRow {
    pub id: Uuid,
    /// The decisive message.
    pub message: MessageId,
    pub company: String,
    pub customer: Customer,
    pub employee: Employee,
    pub medium: Option<Medium>,
    pub state: State,
    pub reason: Option<String>,
    /// Over all messages.
    pub attempts: i64,
    pub follow_ups: i64,
    pub paused: bool,
    /// Begin of the attempt that reached the provider.
    pub sent_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    /// Time of the customer's answer; the request is completed.
    pub answered_at: Option<DateTime<Utc>>,
    pub due_at: DateTime<Utc>,
    pub brand: String,
    pub channel: String,
    pub ext_interaction_id: Option<String>,
    /// Stored number; `requests::views::summary` has the words.
    pub source: i16,
    pub test: bool,
    pub created_at: DateTime<Utc>,
}

impl Ledger {
    /// Reads the next requests of the list.
    pub async fn list_step(&self, filter: &ListFilter, step: Step) -> Result<StepResult, LedgerError> {
        let search = filter.search.as_ref();
        let states: Vec<i16> = filter.states.iter().map(|state| state.code()).collect();
        let mediums: Vec<i16> = filter.mediums.iter().map(|medium| medium.code()).collect();
        let rows = sqlx::query_file!(
            "src/sql/request_list.sql",
            filter.company.map(|company| company.0) as Option<i32>,
            step.before,
            step.down_to,
            step.scan_max,
            &filter.channels,
            &filter.brands,
            filter.employee.as_deref() as Option<&str>,
            filter.tag.as_deref() as Option<&str>,
            &filter.sources,
            filter.from as Option<DateTime<Utc>>,
            filter.to as Option<DateTime<Utc>>,
            filter.test as Option<bool>,
            search.map(|search| search.email.as_str()) as Option<&str>,
            search.and_then(|search| search.phone.as_deref()) as Option<&str>,
            search.map(|search| search.id.as_str()) as Option<&str>,
            search.map_or(&[][..], |search| &search.names[..]),
            &State::ranks()[..],
            &states,
            &filter.reasons,
            &mediums,
            filter.paused as Option<bool>,
            filter.ended_before as Option<DateTime<Utc>>,
            step.rows_max,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut result = StepResult::default();
        for row in rows {
            (result.scanned, result.last, result.now) = (row.scanned, row.last, Some(row.now));
            let Some(id) = row.id else { continue };
            let missing = || LedgerError::Broken("a row of the list lacks a column".into());
            let state = stored_state(row.state.ok_or_else(missing)?)?;
            let may_have_been_sent = row.may_have_been_sent.unwrap_or_default() && state != State::Unknown;
            result.rows.push(ListRow {
                id,
                message: MessageId(row.message.ok_or_else(missing)?),
                company: row.slug.ok_or_else(missing)?,
                customer: Customer {
                    custom_id: None,
                    name: row.customer_name,
                    email: row.customer_email,
                    phone: row.customer_phone,
                },
                employee: Employee { email: row.employee_email, custom_id: row.employee_custom_id },
                medium: row.medium.and_then(Medium::from_code),
                state,
                reason: row.reason,
                attempts: row.attempts.unwrap_or_default(),
                follow_ups: row.follow_ups.unwrap_or_default(),
                paused: row.paused_at.is_some(),
                sent_at: row.begun_at.filter(|_| may_have_been_sent),
                delivered_at: row.delivered_at,
                answered_at: row.answered_at,
                due_at: row.first_due_at.ok_or_else(missing)?,
                brand: row.brand.ok_or_else(missing)?,
                channel: row.channel.ok_or_else(missing)?,
                ext_interaction_id: row.ext_interaction_id,
                source: row.source.ok_or_else(missing)?,
                test: row.test.ok_or_else(missing)?,
                created_at: row.created_at.ok_or_else(missing)?,
            });
        }
        Ok(result)
    }
}

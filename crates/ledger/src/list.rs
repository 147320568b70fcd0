//! The list of requests, a bounded step at a time.
//!
//! A step looks at so many requests of a company, newest first, and gives those that fit. Who wants a page
//! takes steps until it is full or its patience ends (`requests::find`). There is no other way to ask: an
//! index by status, name or address would cost every accept and every settle.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, gather::stored_state};
use postrider_domain::{
    ids::{CompanyId, Medium, MessageId},
    job::{Customer, Employee},
    lifecycle::State,
};

/// Which requests fit; empty and absent mean all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    pub company: Option<CompanyId>,
    pub states: Vec<State>,
    /// Words of reasons.
    pub reasons: Vec<String>,
    pub mediums: Vec<Medium>,
    pub channels: Vec<String>,
    pub brands: Vec<String>,
    /// Email, without case, or custom id.
    pub employee: Option<String>,
    pub tag: Option<String>,
    /// Stored numbers of sources.
    pub sources: Vec<i16>,
    pub from: Option<DateTime<Utc>>,
    /// Not itself.
    pub to: Option<DateTime<Utc>>,
    pub test: Option<bool>,
    pub paused: Option<bool>,
    pub ended_before: Option<DateTime<Utc>>,
    pub search: Option<Search>,
}

/// What one text in the search box may mean; each alone is enough.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    /// Without case.
    pub email: String,
    pub phone: Option<String>,
    /// Custom id of the customer, or of the interaction.
    pub id: String,
    /// The beginning of the customer's name in the spellings that it may have; none: names are not sought.
    pub names: Vec<String>,
}

/// One step: where it begins, where the list ends, how many are looked at and given at most.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Only ids below.
    pub before: Uuid,
    /// No id below.
    pub down_to: Uuid,
    pub looks_max: i64,
    pub rows_max: i64,
}

/// What a step found.
#[derive(Debug, Clone, Default)]
pub struct Stepped {
    pub rows: Vec<ListRow>,
    pub looked: i64,
    /// The oldest that was looked at.
    pub last: Option<Uuid>,
    /// The database's time.
    pub now: Option<DateTime<Utc>>,
}

/// One line of the list.
#[derive(Debug, Clone)]
pub struct ListRow {
    pub id: Uuid,
    /// The message by which it stands.
    pub message: MessageId,
    pub company: String,
    pub customer: Customer,
    pub employee: Employee,
    pub medium: Option<Medium>,
    pub state: State,
    pub reason: Option<String>,
    /// Of all its messages.
    pub attempts: i64,
    pub follow_ups: i64,
    pub paused: bool,
    /// Of the attempt that reached the provider.
    pub sent_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    /// When the customer answered: the request is completed.
    pub answered_at: Option<DateTime<Utc>>,
    pub due_at: DateTime<Utc>,
    pub brand: String,
    pub channel: String,
    pub ext_interaction_id: Option<String>,
    /// As stored: see `requests::line`.
    pub source: i16,
    pub test: bool,
    pub created_at: DateTime<Utc>,
}

impl Ledger {
    /// Looks at the next requests of the list.
    pub async fn list_step(&self, filter: &Filter, step: Step) -> Result<Stepped, LedgerError> {
        let search = filter.search.as_ref();
        let states: Vec<i16> = filter.states.iter().map(|state| state.code()).collect();
        let mediums: Vec<i16> = filter.mediums.iter().map(|medium| medium.code()).collect();
        let rows = sqlx::query_file!(
            "src/sql/requests_step.sql",
            filter.company.map(|company| company.0) as Option<i32>,
            step.before,
            step.down_to,
            step.looks_max,
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
        let mut stepped = Stepped::default();
        for row in rows {
            (stepped.looked, stepped.last, stepped.now) = (row.scanned, row.last, Some(row.now));
            let Some(id) = row.id else { continue };
            let missing = || LedgerError::Broken("a row of the list lacks a column".into());
            let state = stored_state(row.state.ok_or_else(missing)?)?;
            let reached = row.may_have_been_sent.unwrap_or_default() && state != State::Unknown;
            stepped.rows.push(ListRow {
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
                sent_at: row.begun_at.filter(|_| reached),
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
        Ok(stepped)
    }
}

//! Requests as people see them: list, show, why; and what a person may do to one.
//!
//! Pause and resume are compare-and-set statements of their own; cancel is a conclusion under the state
//! and epoch that were read (`conclude`).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, gather::stored_state, quarantine::LAPSES_SUSPECT, retrying};
use crate::{
    lifecycle::State,
    message::{CompanyId, Customer, Employee, Job, Medium, MessageId},
};

/// Which requests to list.
#[derive(Debug, Clone, Default)]
pub struct ListWish {
    pub company: Option<CompanyId>,
    /// Empty: all.
    pub states: Vec<State>,
    /// Go on before this id.
    pub before: Option<Uuid>,
    pub max: i64,
}

/// One line of the list.
#[derive(Debug, Clone)]
pub struct ListRow {
    pub id: Uuid,
    pub company: String,
    pub customer: Customer,
    pub employee: Employee,
    pub medium: Option<Medium>,
    pub state: State,
    pub reason: Option<String>,
    pub attempts: i16,
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
    pub created_at: DateTime<Utc>,
}

/// Everything about one request.
#[derive(Debug, Clone)]
pub struct RequestDetail {
    pub id: Uuid,
    pub company: CompanyId,
    pub slug: String,
    /// As accepted, with what it inherited.
    pub job: Job,
    pub brand: String,
    pub channel: String,
    pub test: bool,
    pub root: Option<Uuid>,
    /// The stored decision (JSON).
    pub decision: String,
    pub created_at: DateTime<Utc>,
    pub medium: Option<Medium>,
    pub account: Option<String>,
    pub addr: Option<Uuid>,
    pub slots: Vec<Uuid>,
    pub state: State,
    pub epoch: i32,
    pub attempt: i16,
    /// Some attempt went out, or may have.
    pub reached: bool,
    pub first_due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub paused_at: Option<DateTime<Utc>>,
    pub begun_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// When the customer answered.
    pub answered_at: Option<DateTime<Utc>>,
    pub outcome: Option<i16>,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub provider_id: Option<String>,
    /// When it is next looked at, where it waits.
    pub due_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
    pub past: Vec<PastAttempt>,
    pub receipts: Vec<ReceiptLine>,
}

/// An attempt before the current one.
#[derive(Debug, Clone)]
pub struct PastAttempt {
    pub attempt: i16,
    pub begun_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
    pub outcome: Option<i16>,
    pub code: Option<String>,
}

/// One receipt of the request's message.
#[derive(Debug, Clone)]
pub struct ReceiptLine {
    pub at: DateTime<Utc>,
    pub kind: String,
    pub code: Option<String>,
    pub attempt: Option<i16>,
    /// Found by asking the provider, who never told us.
    pub looked_up: bool,
}

impl Ledger {
    pub async fn list(&self, wish: &ListWish) -> Result<Vec<ListRow>, LedgerError> {
        let states: Vec<i16> = wish.states.iter().map(|state| state.code()).collect();
        let company = wish.company.map(|company| company.0);
        let rows = sqlx::query_file!(
            "src/ledger/sql/requests_list.sql",
            company as Option<i32>,
            &states,
            wish.before as Option<Uuid>,
            wish.max
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let state = stored_state(row.state)?;
                Ok(ListRow {
                    id: row.id,
                    company: row.slug,
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
                    attempts: row.attempt,
                    follow_ups: row.follow_ups,
                    paused: row.paused_at.is_some(),
                    sent_at: row.begun_at.filter(|_| row.reached && state != State::Unknown),
                    delivered_at: row.delivered_at,
                    answered_at: row.answered_at,
                    due_at: row.first_due_at,
                    brand: row.brand,
                    channel: row.channel,
                    created_at: row.created_at,
                })
            })
            .collect()
    }

    #[expect(clippy::too_many_lines, reason = "one field per column")]
    pub async fn show(&self, id: Uuid) -> Result<Option<RequestDetail>, LedgerError> {
        let Some(row) =
            sqlx::query_file!("src/ledger/sql/request_show.sql", id).fetch_optional(&self.pool).await?
        else {
            return Ok(None);
        };
        let past = sqlx::query_as!(
            PastAttempt,
            "select attempt, begun_at, settled_at, outcome, code from attempt_past where message = $1 order by attempt",
            id
        )
        .fetch_all(&self.pool)
        .await?;
        let receipts = sqlx::query_as!(
            ReceiptLine,
            "select at, kind, code, attempt, looked_up from receipt where message = $1 order by at",
            id
        )
        .fetch_all(&self.pool)
        .await?;
        let details = row.details.unwrap_or_default();
        let job = Job {
            customer: Some(Customer {
                custom_id: row.customer_custom_id,
                name: row.customer_name,
                email: row.customer_email,
                phone: row.customer_phone,
            }),
            employee: Employee { email: row.employee_email, custom_id: row.employee_custom_id },
            channel: Some(row.channel.clone()),
            ext_interaction_id: row.ext_interaction_id,
            external_url: row.external_url,
            tags: serde_json::from_value(details["tags"].clone()).unwrap_or_default(),
            brand: Some(row.brand.clone()),
            language: row.language,
            country: row.country,
            custom_properties: serde_json::from_value(details["custom_properties"].clone())
                .unwrap_or_default(),
            medium: row.asked_medium.and_then(Medium::from_code),
            manual: serde_json::from_value(details["manual"].clone()).unwrap_or_default(),
            ..Job::default()
        };
        Ok(Some(RequestDetail {
            id: row.id,
            company: CompanyId(row.company),
            slug: row.slug,
            job,
            brand: row.brand,
            channel: row.channel,
            test: row.test,
            root: row.root,
            decision: row.decision,
            created_at: row.created_at,
            medium: row.medium.and_then(Medium::from_code),
            account: row.account_name,
            addr: row.addr,
            slots: row.slots,
            state: stored_state(row.state)?,
            epoch: row.epoch,
            attempt: row.attempt,
            reached: row.reached,
            first_due_at: row.first_due_at,
            expires_at: row.expires_at,
            paused_at: row.paused_at,
            begun_at: row.begun_at,
            settled_at: row.settled_at,
            delivered_at: row.delivered_at,
            ended_at: row.ended_at,
            answered_at: row.answered_at,
            outcome: row.outcome,
            code: row.code,
            reason: row.reason,
            provider_id: row.provider_id,
            due_at: row.due_at,
            now: row.now,
            past,
            receipts,
        }))
    }

    /// Pauses a message; gives the state that it was paused in, `None` where it was not to be paused.
    pub async fn pause(&self, message: MessageId) -> Result<Option<State>, LedgerError> {
        let state = retrying(|| async {
            sqlx::query_file!("src/ledger/sql/pause.sql", message.0)
                .map(|row| row.state)
                .fetch_optional(&self.pool)
                .await
        })
        .await?;
        state.map(stored_state).transpose()
    }

    /// Resumes a paused message, a quarantined one as a suspect; gives its state, `None` where it was not
    /// paused.
    pub async fn resume(&self, message: MessageId) -> Result<Option<State>, LedgerError> {
        let state = retrying(|| async {
            sqlx::query_file!("src/ledger/sql/resume.sql", message.0, LAPSES_SUSPECT)
                .map(|row| row.state)
                .fetch_optional(&self.pool)
                .await
        })
        .await?;
        state.map(stored_state).transpose()
    }
}

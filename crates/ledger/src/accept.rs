//! Accept: writes a batch of decided jobs as requests, reservations, messages, and a lease or due rows.
//!
//! One statement (`sql/accept.sql`, with a legend of its numbers). A request that it does not return has a
//! duplicate that committed after the look-up; the caller looks it up again with `gather`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{Ledger, LedgerError, column, retrying, stored_state};
use postrider_domain::{
    ids::{AccountId, CompanyId, Medium},
    job::{Job, Manual},
    lifecycle::State,
    rules::{Decision, Verdict},
};

/// A decided job, ready to be written.
#[derive(Debug)]
pub struct NewRequest {
    pub id: Uuid,
    pub company: CompanyId,
    pub idempotency_hash: Uuid,
    pub key_is_derived: bool,
    pub content_hash: Uuid,
    pub former_id_hash: Option<Uuid>,
    /// For a service recovery: the first request of the chain.
    pub original_request: Option<Uuid>,
    pub recovery_hash: Option<Uuid>,
    /// Stored number of the entry point: 0 AMQP, 1 HTTP, 2 operator, 3 connector. Alerts (4) are written by
    /// `send_alert`.
    pub source: i16,
    pub test: bool,
    /// With everything that it inherits from the original request.
    pub job: Arc<Job>,
    pub brand: String,
    pub channel: String,
    pub decision: Decision,
    pub address_hash: Option<Uuid>,
    /// Keys to reserve: custom id, email, phone; at most three, empty if the decision reserves none.
    pub reservation_keys: Vec<Uuid>,
    /// Suppression period in seconds; `None`: takes over from any holder.
    pub window_secs: Option<i32>,
    /// First step of this worker after the commit.
    pub initial_dispatch: InitialDispatch,
    /// Key of the trial record that is deleted together with the acceptance.
    pub trial_record: Option<Uuid>,
}

/// First step of a new message after its acceptance, if the rules let it be sent; stored in no column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum InitialDispatch {
    /// Due row: any worker claims it.
    Deferred = 0,
    /// Under this worker's lease; a place in its lane's queue is kept.
    Leased = 1,
    /// Begun by the same statement unless a block or the expiry forbids it; a call slot is kept.
    Started = 2,
}

/// The lease over the messages of a batch that are sent at once.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTerms {
    pub id: Uuid,
    pub worker: Uuid,
    pub secs: f64,
}

impl NewRequest {
    fn state(&self) -> State {
        match self.decision.verdict {
            Verdict::Send => State::Waiting,
            Verdict::Suppress(_) => State::Suppressed,
        }
    }

    fn account(&self) -> Option<i32> {
        self.decision.candidate.as_ref().map(|candidate| candidate.account.0)
    }

    fn medium(&self) -> Option<i16> {
        self.decision.candidate.as_ref().map(|candidate| candidate.medium.code())
    }

    /// One of the keys that the message needs.
    fn reservation_key(&self, place: usize) -> Option<Uuid> {
        self.reserves().get(place).copied()
    }

    /// Keys that the request reserves; empty for a suppressed request.
    #[must_use]
    pub fn reserves(&self) -> &[Uuid] {
        if self.state() == State::Waiting { &self.reservation_keys } else { &[] }
    }

    /// Tags, custom properties and manual sender as JSON; `None` if there are none.
    fn details(&self) -> Option<String> {
        let job = &self.job;
        if job.tags.is_empty() && job.custom_properties.is_empty() && job.manual.is_none() {
            return None;
        }
        let details = Details {
            tags: &job.tags,
            custom_properties: &job.custom_properties,
            manual: job.manual.as_deref(),
        };
        Some(serde_json::to_string(&details).expect("details are plain data"))
    }
}

#[derive(Serialize)]
struct Details<'a> {
    tags: &'a [String],
    custom_properties: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manual: Option<&'a Manual>,
}

/// A wanted reservation with its request.
struct Reservation {
    key: Uuid,
    request: Uuid,
    asked_at: DateTime<Utc>,
    window_secs: Option<i32>,
}

impl Ledger {
    /// Writes the batch. Returns the stored state of each inserted request; a duplicate is missing.
    ///
    /// # Errors
    /// `Taken` and `Contended` mean that another transaction won a key: look up and decide again.
    pub async fn accept(
        &self,
        rows: &[NewRequest],
        lease: LeaseTerms,
    ) -> Result<HashMap<Uuid, State>, LedgerError> {
        let mut sorted: Vec<&NewRequest> = rows.iter().collect();
        sorted.sort_unstable_by_key(|row| row.idempotency_hash);
        let reservations = reservations_of(&sorted);
        let written = retrying(|| self.accept_once(&sorted, &reservations, lease)).await?;
        written.into_iter().map(|(id, state)| Ok((id, stored_state(state)?))).collect()
    }

    async fn accept_once(
        &self,
        rows: &[&NewRequest],
        reservations: &[Reservation],
        lease: LeaseTerms,
    ) -> Result<Vec<(Uuid, i16)>, sqlx::Error> {
        let customer = |pick: fn(&postrider_domain::job::Customer) -> Option<&String>| {
            column(rows, |row| row.job.customer.as_ref().and_then(pick).map(String::as_str))
        };
        let decisions: Vec<String> =
            column(rows, |row| serde_json::to_string(&row.decision).expect("a decision is plain data"));
        sqlx::query_file!(
            "src/sql/accept.sql",
            &column(rows, |row| row.id),
            &column(rows, |row| row.company.0),
            &column(rows, |row| row.idempotency_hash),
            &column(rows, |row| row.key_is_derived),
            &column(rows, |row| row.content_hash),
            &column(rows, |row| row.former_id_hash) as &[Option<Uuid>],
            &column(rows, |row| row.original_request) as &[Option<Uuid>],
            &column(rows, |row| row.recovery_hash) as &[Option<Uuid>],
            &column(rows, |row| row.source),
            &column(rows, |row| row.test),
            &column(rows, |row| row.decision.policy_version),
            &customer(|customer| customer.custom_id.as_ref()) as &[Option<&str>],
            &customer(|customer| customer.name.as_ref()) as &[Option<&str>],
            &customer(|customer| customer.email.as_ref()) as &[Option<&str>],
            &customer(|customer| customer.phone.as_ref()) as &[Option<&str>],
            &column(rows, |row| row.job.employee.email.as_deref()) as &[Option<&str>],
            &column(rows, |row| row.job.employee.custom_id.as_deref()) as &[Option<&str>],
            &column(rows, |row| row.channel.as_str()) as &[&str],
            &column(rows, |row| row.brand.as_str()) as &[&str],
            &column(rows, |row| row.job.language.as_deref()) as &[Option<&str>],
            &column(rows, |row| row.job.country.as_deref()) as &[Option<&str>],
            &column(rows, |row| row.job.medium.map(Medium::code)) as &[Option<i16>],
            &column(rows, |row| row.job.ext_interaction_id.as_deref()) as &[Option<&str>],
            &column(rows, |row| row.job.external_url.as_deref()) as &[Option<&str>],
            &column(rows, |row| row.details()) as &[Option<String>],
            &decisions,
            &column(rows, |row| row.account()) as &[Option<i32>],
            &column(rows, |row| row.medium()) as &[Option<i16>],
            &column(rows, |row| row.address_hash) as &[Option<Uuid>],
            &column(rows, |row| row.state().code()),
            &column(rows, |row| row.decision.reason().map(postrider_domain::lifecycle::Reason::as_str))
                as &[Option<&str>],
            &column(rows, |row| row.decision.due_at),
            &column(rows, |row| row.decision.expires_at),
            &column(rows, |row| row.initial_dispatch as i16),
            &column(reservations, |wanted| wanted.key),
            &column(reservations, |wanted| wanted.request),
            &column(reservations, |wanted| wanted.asked_at),
            &column(reservations, |wanted| wanted.window_secs) as &[Option<i32>],
            lease.id,
            lease.worker,
            lease.secs,
            &rows.iter().filter_map(|row| row.trial_record).collect::<Vec<_>>(),
            &column(rows, |row| row.reservation_key(0)) as &[Option<Uuid>],
            &column(rows, |row| row.reservation_key(1)) as &[Option<Uuid>],
            &column(rows, |row| row.reservation_key(2)) as &[Option<Uuid>],
        )
        .map(|row| (row.id, row.state))
        .fetch_all(&self.pool)
        .await
    }
}

/// Wanted reservations in key order, the order in which every statement locks them.
fn reservations_of(rows: &[&NewRequest]) -> Vec<Reservation> {
    let mut reservations: Vec<Reservation> = rows
        .iter()
        .filter(|row| row.state() == State::Waiting)
        .flat_map(|row| {
            row.reservation_keys.iter().map(|key| Reservation {
                key: *key,
                request: row.id,
                asked_at: row.decision.due_at,
                window_secs: row.window_secs,
            })
        })
        .collect();
    reservations.sort_unstable_by_key(|wanted| wanted.key);
    reservations
}

/// The lane of a new request; `None` without a candidate.
#[must_use]
pub fn lane_of(row: &NewRequest) -> Option<AccountId> {
    row.decision.candidate.as_ref().map(|candidate| candidate.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legend_of_the_statement_names_the_stored_numbers() {
        let legend = include_str!("sql/accept.sql").replace("\n--", "");
        for (state, word) in
            [(State::Waiting, "waiting"), (State::Sending, "sending"), (State::Suppressed, "suppressed")]
        {
            let entry = format!(" {} {word}", state.code());
            assert!(legend.contains(&entry), "the legend lacks {entry:?}");
        }
        for (first_step, word) in [
            (InitialDispatch::Deferred, "deferred"),
            (InitialDispatch::Leased, "leased"),
            (InitialDispatch::Started, "started"),
        ] {
            let entry = format!(" {} {word}", first_step as i16);
            assert!(legend.contains(&entry), "the legend lacks {entry:?}");
        }
    }
}

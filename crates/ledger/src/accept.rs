//! Accept: a batch of decided jobs becomes requests, reservations, messages, and a lease or due rows.
//!
//! One statement. Who comes back was really inserted; who does not was somebody's twin in the instant
//! since gathering and must be gathered again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{Ledger, LedgerError, column, gather::stored_state, retrying};
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
    pub idem: Uuid,
    pub idem_made: bool,
    pub content_hash: Uuid,
    pub former: Option<Uuid>,
    pub root: Option<Uuid>,
    pub recovery: Option<Uuid>,
    /// 0 AMQP, 1 HTTP, 2 a person.
    pub source: i16,
    pub test: bool,
    /// With everything that it inherits.
    pub job: Arc<Job>,
    pub brand: String,
    pub channel: String,
    pub decision: Decision,
    pub addr: Option<Uuid>,
    /// What to reserve, three at most (custom id, email, phone); empty where nothing is.
    pub slots: Vec<Uuid>,
    /// Suppression period in seconds; `None`: takes over from any holder.
    pub window_secs: Option<i32>,
    /// What this worker does with it next.
    pub hand: InitialDispatch,
    /// What was written down about a job that is tried alone; goes with its acceptance.
    pub suspect: Option<Uuid>,
}

/// Where a new message goes with its acceptance, if the rules let it be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum InitialDispatch {
    /// It waits in the ledger.
    Deferred = 0,
    /// Under this worker's lease: a place in its lane's queue is kept.
    Leased = 1,
    /// Its first attempt is begun, unless the fence says no: a call slot is kept.
    Started = 2,
}

/// The lease under which the batch's immediate messages are sent.
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

    /// One of the reservations that its message needs.
    fn slot(&self, place: usize) -> Option<Uuid> {
        self.reserves().get(place).copied()
    }

    /// The reservations that it will hold.
    #[must_use]
    pub fn reserves(&self) -> &[Uuid] {
        if self.state() == State::Waiting { &self.slots } else { &[] }
    }

    /// Tags, custom properties, and who asks by hand; most requests have none of it.
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

/// One reservation wanted, with its request.
struct Slot {
    key: Uuid,
    request: Uuid,
    asked_at: DateTime<Utc>,
    window_secs: Option<i32>,
}

impl Ledger {
    /// Writes the batch; gives the state of each request that was inserted.
    pub async fn accept(
        &self,
        rows: &[NewRequest],
        lease: LeaseTerms,
    ) -> Result<HashMap<Uuid, State>, LedgerError> {
        let mut sorted: Vec<&NewRequest> = rows.iter().collect();
        sorted.sort_unstable_by_key(|row| row.idem);
        let slots = slots_of(&sorted);
        let written = retrying(|| self.accept_once(&sorted, &slots, lease)).await?;
        written.into_iter().map(|(id, state)| Ok((id, stored_state(state)?))).collect()
    }

    async fn accept_once(
        &self,
        rows: &[&NewRequest],
        slots: &[Slot],
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
            &column(rows, |row| row.idem),
            &column(rows, |row| row.idem_made),
            &column(rows, |row| row.content_hash),
            &column(rows, |row| row.former) as &[Option<Uuid>],
            &column(rows, |row| row.root) as &[Option<Uuid>],
            &column(rows, |row| row.recovery) as &[Option<Uuid>],
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
            &column(rows, |row| row.addr) as &[Option<Uuid>],
            &column(rows, |row| row.state().code()),
            &column(rows, |row| row.decision.reason().map(postrider_domain::lifecycle::Reason::as_str))
                as &[Option<&str>],
            &column(rows, |row| row.decision.due_at),
            &column(rows, |row| row.decision.expires_at),
            &column(rows, |row| row.hand as i16),
            &slots.iter().map(|slot| slot.key).collect::<Vec<_>>(),
            &slots.iter().map(|slot| slot.request).collect::<Vec<_>>(),
            &slots.iter().map(|slot| slot.asked_at).collect::<Vec<_>>(),
            &slots.iter().map(|slot| slot.window_secs).collect::<Vec<_>>() as &[Option<i32>],
            lease.id,
            lease.worker,
            lease.secs,
            &rows.iter().filter_map(|row| row.suspect).collect::<Vec<_>>(),
            &column(rows, |row| row.slot(0)) as &[Option<Uuid>],
            &column(rows, |row| row.slot(1)) as &[Option<Uuid>],
            &column(rows, |row| row.slot(2)) as &[Option<Uuid>],
        )
        .map(|row| (row.id, row.state))
        .fetch_all(&self.pool)
        .await
    }
}

/// All reservations wanted, in key order: every statement locks contacts in that order.
fn slots_of(rows: &[&NewRequest]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = rows
        .iter()
        .filter(|row| row.state() == State::Waiting)
        .flat_map(|row| {
            row.slots.iter().map(|key| Slot {
                key: *key,
                request: row.id,
                asked_at: row.decision.due_at,
                window_secs: row.window_secs,
            })
        })
        .collect();
    slots.sort_unstable_by_key(|slot| slot.key);
    slots
}

/// The account of a new request, for whoever hands permits out.
#[must_use]
pub fn lane_of(row: &NewRequest) -> Option<AccountId> {
    row.decision.candidate.as_ref().map(|candidate| candidate.account)
}

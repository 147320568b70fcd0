//! A claim under way in this worker: the right, for a lease, to make one attempt at one message.
//!
//! Made by `claimer`, `poison::suspect_messages` and `fast_path`; settled by `settle`, by a return to the ledger, or
//! by the end of its message. Deadlines are monotonic and counted from before the claiming statement was sent, so
//! they can only end too early.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::must_settle::MustSettle;
use postrider_domain::{
    content::PlainEmail,
    ids::{Medium, MessageId},
    rules::decision::Candidate,
};
use postrider_ledger::{Ledger, accept::NewRequest, claim::ClaimedMessage};

/// Epoch of a message that the accept statement leases or begins.
const FIRST_EPOCH: i32 = 1;

/// A row of table `lease`, shared by the claims of one batch; the release of the last one tells that the row can go.
#[derive(Debug)]
pub struct LeaseShare {
    pub id: Uuid,
    members: AtomicUsize,
}

impl LeaseShare {
    #[must_use]
    pub fn new(id: Uuid, members: usize) -> Arc<LeaseShare> {
        Arc::new(LeaseShare { id, members: AtomicUsize::new(members) })
    }

    /// Adds a member; call it before any member is released.
    pub fn retain_lease(&self) {
        self.members.fetch_add(1, Ordering::AcqRel);
    }

    /// Removes a member; call it after its commit. Returns the lease's id with the last member.
    pub fn release_lease(&self) -> Option<Uuid> {
        (self.members.fetch_sub(1, Ordering::AcqRel) == 1).then_some(self.id)
    }
}

/// Settles claims that are done with, and deletes the leases that have no member left.
pub async fn release_leases(ledger: &Ledger, claims: Vec<Claim>) {
    let empty: Vec<_> = claims.iter().filter_map(|claim| claim.lease.release_lease()).collect();
    leave_to_lease(claims);
    if let Err(error) = ledger.drop_leases(&empty).await {
        tracing::debug!(%error, "deleting empty leases failed; the sweeper deletes them");
    }
}

/// Settles claims without a word to the ledger: their lease expires, and they are claimed again.
pub fn leave_to_lease(claims: Vec<Claim>) {
    for claim in claims {
        claim.must_settle.settle();
    }
}

/// One claimed message with the facts of its text.
#[derive(Debug)]
pub struct Claim {
    pub message: MessageId,
    pub request: Uuid,
    pub medium: Medium,
    /// Fencing token: statements under an older epoch change nothing.
    pub epoch: i32,
    /// Attempts made so far; the next one is one more.
    pub attempt: i16,
    /// Attempts that count against the retry schedule.
    pub tries: i16,
    pub due_at: DateTime<Utc>,
    pub first_due_at: DateTime<Utc>,
    /// The database's time of the claiming statement.
    pub claimed_at: DateTime<Utc>,
    /// Monotonic time just before the claiming statement was sent.
    pub lease_start: Instant,
    pub lease: Arc<LeaseShare>,
    /// Of a poison suspect: the worker's one permit for suspects. Its drop lets the next suspect come.
    pub suspect: Option<OwnedSemaphorePermit>,
    /// The customer's address; a test is sent to the company's test address instead (`content::compose`).
    pub address: String,
    pub test: bool,
    pub customer_name: Option<String>,
    pub brand: String,
    pub language: Option<String>,
    /// The text of an alert, which is sent as it is.
    pub letter: Option<PlainEmail>,
    pub must_settle: MustSettle,
}

impl Claim {
    /// From a claimed row. `None`: the customer's address is missing, which only a damaged row can show.
    #[must_use]
    pub fn from_due(due: ClaimedMessage, lease_start: Instant, lease: Arc<LeaseShare>) -> Option<Claim> {
        let address = match due.medium {
            Medium::Email => due.customer_email,
            Medium::Sms => due.customer_phone,
        };
        let address = if due.test { address.unwrap_or_default() } else { address? };
        Some(Claim {
            message: due.message,
            request: due.request,
            medium: due.medium,
            epoch: due.epoch,
            attempt: due.attempt,
            tries: due.tries,
            due_at: due.due_at,
            first_due_at: due.first_due_at,
            claimed_at: due.now,
            lease_start,
            lease,
            suspect: None,
            address,
            test: due.test,
            customer_name: due.customer_name,
            brand: due.brand,
            language: due.language,
            letter: due.letter,
            must_settle: MustSettle::new("claim"),
        })
    }

    /// From a decided row that the accept statement is about to lease or to begin; adds a member to `lease`.
    /// `claimed_at` is the database's time at `lease_start`.
    #[must_use]
    pub fn from_new_request(
        row: &NewRequest,
        candidate: &Candidate,
        claimed_at: DateTime<Utc>,
        lease_start: Instant,
        lease: &Arc<LeaseShare>,
    ) -> Claim {
        lease.retain_lease();
        Claim {
            message: MessageId(row.id),
            request: row.id,
            medium: candidate.medium,
            epoch: FIRST_EPOCH,
            attempt: 0,
            tries: 0,
            due_at: row.decision.due_at,
            first_due_at: row.decision.due_at,
            claimed_at,
            lease_start,
            lease: Arc::clone(lease),
            suspect: None,
            address: candidate.address.clone(),
            test: row.test,
            customer_name: row.job.customer.as_ref().and_then(|customer| customer.name.clone()),
            brand: row.brand.clone(),
            language: row.job.language.clone(),
            letter: None,
            must_settle: MustSettle::new("claim"),
        }
    }

    /// The key of statements about this claim: message and epoch.
    #[must_use]
    pub fn key(&self) -> (MessageId, i32) {
        (self.message, self.epoch)
    }

    /// The database's time at `now`, counted by this worker's clock.
    #[must_use]
    pub fn database_now(&self, now: Instant) -> DateTime<Utc> {
        let since = now.saturating_duration_since(self.lease_start);
        self.claimed_at + chrono::Duration::from_std(since).unwrap_or_default()
    }

    /// Whether a third of the lease has passed in a queue; such a claim is returned unbegun.
    #[must_use]
    pub fn is_stale(&self, now: Instant, lease: Duration) -> bool {
        now.saturating_duration_since(self.lease_start) > lease / 3
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A claim of a text message under epoch 1.
    pub fn claim() -> Claim {
        let message = Uuid::nil();
        Claim {
            message: MessageId(message),
            request: message,
            medium: Medium::Sms,
            epoch: 1,
            attempt: 0,
            tries: 0,
            due_at: DateTime::UNIX_EPOCH,
            first_due_at: DateTime::UNIX_EPOCH,
            claimed_at: DateTime::UNIX_EPOCH,
            lease_start: postrider_clock::monotonic(),
            lease: LeaseShare::new(Uuid::nil(), 1),
            suspect: None,
            address: "+14155552671".to_owned(),
            test: false,
            customer_name: None,
            brand: "blanca".to_owned(),
            language: None,
            letter: None,
            must_settle: MustSettle::new("claim"),
        }
    }

    #[test]
    fn the_last_member_of_a_lease_returns_its_id() {
        let lease = LeaseShare::new(Uuid::max(), 1);
        lease.retain_lease();
        assert_eq!(lease.release_lease(), None);
        assert_eq!(lease.release_lease(), Some(Uuid::max()));
    }

    #[test]
    fn a_claim_is_stale_after_a_third_of_its_lease() {
        let (claim, lease) = (claim(), Duration::from_secs(60));
        let after = |secs| claim.lease_start + Duration::from_secs(secs);
        assert!(!claim.is_stale(after(20), lease) && claim.is_stale(after(21), lease));
        assert_eq!(claim.database_now(after(7)), DateTime::UNIX_EPOCH + chrono::Duration::seconds(7));
    }
}

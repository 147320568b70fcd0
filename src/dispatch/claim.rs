//! A claim under way in this worker: the right, for a lease, to make one attempt at one message.
//!
//! Made by `claimer`, by `suspects` or by intake's hand-over, consumed by begin. Deadlines are monotonic,
//! counted from before the claiming statement was sent, so they can only end too early.

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

use postrider_domain::{
    content::Letter,
    ids::{Medium, MessageId},
};
use postrider_ledger::{Ledger, claim::Due};

/// A lease shared by the claims of one batch; whoever settles the last one drops it.
#[derive(Debug)]
pub struct LeaseShare {
    pub id: Uuid,
    open: AtomicUsize,
}

impl LeaseShare {
    #[must_use]
    pub fn new(id: Uuid, members: usize) -> Arc<LeaseShare> {
        Arc::new(LeaseShare { id, open: AtomicUsize::new(members) })
    }

    /// Counts a member more, before any is done with.
    pub fn retain_lease(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts one member off, after its commit; gives the lease's id with the last one.
    pub fn release_lease(&self) -> Option<Uuid> {
        (self.open.fetch_sub(1, Ordering::AcqRel) == 1).then_some(self.id)
    }
}

/// Counts claims off that are done with, and drops the leases that are empty now.
pub async fn release_leases(ledger: &Ledger, claims: &[Claim]) {
    let empty: Vec<_> = claims.iter().filter_map(|claim| claim.lease.release_lease()).collect();
    if let Err(error) = ledger.drop_leases(&empty).await {
        tracing::debug!(%error, "an empty lease was left to the sweeper");
    }
}

/// One claimed message with what its text is made of.
#[derive(Debug)]
pub struct Claim {
    pub message: MessageId,
    pub request: Uuid,
    pub medium: Medium,
    pub epoch: i32,
    /// Attempts made so far; the next one is one more.
    pub attempt: i16,
    pub tries: i16,
    pub due_at: DateTime<Utc>,
    pub first_due_at: DateTime<Utc>,
    /// The database's time when it was claimed.
    pub claimed_at: DateTime<Utc>,
    /// This worker's time just before that.
    pub taken: Instant,
    pub lease: Arc<LeaseShare>,
    /// This worker's one turn for a suspect, where it is one; the next may come when this is dropped.
    pub suspect: Option<OwnedSemaphorePermit>,
    /// The customer's; `compose` puts the company's test address in its place for a test.
    pub address: String,
    pub test: bool,
    pub customer_name: Option<String>,
    pub brand: String,
    pub language: Option<String>,
    /// An alert's text, to be sent as it is.
    pub letter: Option<Letter>,
}

impl Claim {
    /// From a claimed row; `None` where a customer's address is gone, which only a damaged row can show.
    #[must_use]
    pub fn from_due(due: Due, taken: Instant, lease: Arc<LeaseShare>) -> Option<Claim> {
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
            taken,
            lease,
            suspect: None,
            address,
            test: due.test,
            customer_name: due.customer_name,
            brand: due.brand,
            language: due.language,
            letter: due.letter,
        })
    }

    #[must_use]
    pub fn key(&self) -> (MessageId, i32) {
        (self.message, self.epoch)
    }

    /// The database's time by this worker's count.
    #[must_use]
    pub fn database_now(&self, now: Instant) -> DateTime<Utc> {
        let since = now.saturating_duration_since(self.taken);
        self.claimed_at + chrono::Duration::from_std(since).unwrap_or_default()
    }

    /// Waited too long in a queue to be begun under its first lease.
    #[must_use]
    pub fn is_stale(&self, now: Instant, lease: Duration) -> bool {
        now.saturating_duration_since(self.taken) > lease / 3
    }
}

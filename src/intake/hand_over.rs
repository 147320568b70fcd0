//! Hand-over: a request that is due now goes straight from its accepting transaction into its lane.
//!
//! Only with a permit of the lane's queue in hand before the transaction; without one the request is
//! written due and unleased, behind whoever waits there already.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    clock,
    dispatch::{Claim, Lanes, LeaseShare, Permit},
    ledger::accept::{LeaseTerms, NewRequest, lane_of},
    lifecycle::State,
    message::MessageId,
    rules::Verdict,
};

/// Intake's side of the lanes; without any lanes (a process that does not dispatch) nothing is leased.
#[derive(Clone)]
pub struct HandOver {
    pub lanes: Option<Arc<Lanes>>,
    pub worker: Uuid,
    pub lease: Duration,
}

/// The permits of one accepting statement, and the lease that it writes.
pub struct Batch {
    permits: HashMap<Uuid, Permit>,
    pub terms: LeaseTerms,
    taken: Instant,
    now: DateTime<Utc>,
}

impl HandOver {
    /// Takes permits for what is due now, and marks those rows as leased.
    pub fn prepare(&self, rows: &mut [NewRequest], now: DateTime<Utc>) -> Batch {
        let terms = LeaseTerms { id: clock::new_id(), worker: self.worker, secs: self.lease.as_secs_f64() };
        let mut permits = HashMap::new();
        for row in rows {
            row.leased = false;
            if row.decision.verdict != Verdict::Send || row.decision.due_at > now {
                continue;
            }
            let permit = lane_of(row).and_then(|lane| self.lanes.as_ref()?.permit(lane));
            if let Some(permit) = permit {
                row.leased = true;
                permits.insert(row.id, permit);
            }
        }
        Batch { permits, terms, taken: clock::monotonic(), now }
    }

    /// After the commit: the winners go into their lanes, the others' permits are freed.
    pub fn complete(&self, mut batch: Batch, rows: &[NewRequest], states: &HashMap<Uuid, State>) {
        let won = |row: &&NewRequest| row.leased && states.get(&row.id) == Some(&State::Waiting);
        let lease = LeaseShare::new(batch.terms.id, rows.iter().filter(won).count());
        for row in rows.iter().filter(won) {
            let Some(permit) = batch.permits.remove(&row.id) else { continue };
            if let Some(claim) = claim(row, &batch, Arc::clone(&lease)) {
                permit.send(claim);
            }
        }
    }
}

fn claim(row: &NewRequest, batch: &Batch, lease: Arc<LeaseShare>) -> Option<Claim> {
    let candidate = row.decision.candidate.as_ref()?;
    Some(Claim {
        message: MessageId(row.id),
        request: row.id,
        medium: candidate.medium,
        // Accept writes the first epoch.
        epoch: 1,
        attempt: 0,
        tries: 0,
        due_at: row.decision.due_at,
        first_due_at: row.decision.due_at,
        claimed_at: batch.now,
        taken: batch.taken,
        lease,
        suspect: None,
        address: candidate.address.clone(),
        test: row.test,
        customer_name: row.job.customer.as_ref().and_then(|customer| customer.name.clone()),
        brand: row.brand.clone(),
        language: row.job.language.clone(),
    })
}

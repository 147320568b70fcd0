//! The pipeline of intake: gather → decide, for one round of pending jobs.
//!
//! `accept` evaluates and writes, the preview evaluates, resume and retry of a person evaluate one stored request. Nothing
//! here writes. `admit` comes before it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use postrider_domain::{document::Problem, hash_keys::IdentityKey};
use postrider_ledger::{Ledger, LedgerError, accept::NewRequest, gather::LookupHits};

use crate::intake::{
    customer_lookup,
    decide::{self, Prepared, Rejected},
    optional_facts,
    pending::Pending,
};

/// The verdicts of one round.
#[derive(Debug)]
pub struct Evaluation {
    /// The database's time of the gather statement.
    pub now: DateTime<Utc>,
    pub jobs: Vec<(Pending, JobVerdict)>,
    /// Keys of responses that came before jobs of this round.
    pub awaited: Vec<Uuid>,
}

/// The verdict on one job.
#[derive(Debug)]
pub enum JobVerdict {
    /// To be written: sent or suppressed.
    Decided(Box<NewRequest>),
    /// That request has its idempotency key already.
    SameKey(Uuid),
    /// Another job of this round has the same key, original request or person: decide it again after that one.
    NextRound,
    Rejected(Vec<Problem>),
}

/// Gathers the facts of pending jobs and decides each, as if all came at once: the first job of a person wins.
///
/// # Errors
/// Of the database; nothing was written.
pub async fn evaluate(
    ledger: &Ledger,
    keys: &IdentityKey,
    mut pending: Vec<Pending>,
) -> Result<Evaluation, LedgerError> {
    customer_lookup::fill_in_addresses(ledger, keys, &mut pending).await?;
    let mut originals = optional_facts::original_requests(ledger, keys, &pending).await?;
    let (mut prepared, mut jobs) = (Vec::with_capacity(pending.len()), Vec::with_capacity(pending.len()));
    for pending in pending {
        let original = originals.remove(&pending.place);
        match decide::prepare(keys, pending, original) {
            Ok(ready) => prepared.push(ready),
            Err(Rejected { pending, problems }) => jobs.push((pending, JobVerdict::Rejected(problems))),
        }
    }
    optional_facts::find_requesters(ledger, keys, &mut prepared).await?;
    let lookups: Vec<_> = prepared.iter().map(|prepared| prepared.lookup.clone()).collect();
    let gathered = ledger.gather(&lookups).await?;
    optional_facts::find_awaited(ledger, keys, gathered.has_awaited, &mut prepared).await?;
    let awaited = prepared.iter().flat_map(|prepared| prepared.awaited.clone()).collect();
    let hits: HashMap<usize, LookupHits> =
        gathered.hits.into_iter().map(|hits| (hits.ordinal, hits)).collect();
    let mut taken = HashSet::new();
    for (ordinal, prepared) in prepared.into_iter().enumerate() {
        let verdict = verdict(keys, &prepared, hits.get(&ordinal), gathered.now, &mut taken);
        jobs.push((prepared.pending, verdict));
    }
    Ok(Evaluation { now: gathered.now, jobs, awaited })
}

fn verdict(
    keys: &IdentityKey,
    prepared: &Prepared,
    hits: Option<&LookupHits>,
    now: DateTime<Utc>,
    taken: &mut HashSet<Uuid>,
) -> JobVerdict {
    if let Some(request) = hits.and_then(|hits| hits.seen) {
        return JobVerdict::SameKey(request);
    }
    if !take_all(taken, &prepared.unique_keys()) {
        return JobVerdict::NextRound;
    }
    match decide::decide(keys, prepared, hits, now) {
        // Only requests that create reservations conflict within a round; jobs suppressed by an existing one need no
        // second round.
        Ok(request) if !take_all(taken, request.reserves()) => JobVerdict::NextRound,
        Ok(request) => JobVerdict::Decided(Box::new(request)),
        Err(problems) => JobVerdict::Rejected(problems),
    }
}

/// Takes all keys for one job, or none; returns whether all were free.
fn take_all(taken: &mut HashSet<Uuid>, keys: &[Uuid]) -> bool {
    let free = keys.iter().all(|key| !taken.contains(key));
    if free {
        taken.extend(keys);
    }
    free
}
